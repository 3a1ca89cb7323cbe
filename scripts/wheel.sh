#!/usr/bin/env bash
# Builds the wheel to hand out, into dist/ or the folder that the argument names.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Building the wheel to hand out: about 35 minutes the first time on 2 cores, 10 after that"
"$python" -m maturin build --release --strip true --compression-level 9 --out "${1:-dist}"
ls -lh "${1:-dist}"/*.whl
