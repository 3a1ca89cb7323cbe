#!/usr/bin/env bash
# Installs all that the tests need and the package does not.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

scripts/debian.sh test
say "Dynamo's own frontend (310 MB) and cargo-fuzz, for the tests: two minutes the first time"
"$base_python" scripts/progress.py \
    frontend scripts/interop-venv.sh :: \
    cargo-fuzz scripts/cargo-fuzz.sh
