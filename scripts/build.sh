#!/usr/bin/env bash
# Builds the wheel with the profile that everything shares, and installs it where it is new.
set -euo pipefail
source "$(dirname "$0")/env.sh"

if [ -d "$CARGO_TARGET_DIR/debug/deps" ]; then
    say "Building: only what changed is compiled"
else
    say "Compiling about 870 crates: about 15 minutes the first time on 2 cores"
fi

rm -rf "$cache/dist"
# As it is, so that the second time is fast: not stripped, not compressed, not audited.
"$python" -m maturin build --profile dev --strip false \
    --compression-method stored --compatibility linux --auditwheel skip --out "$cache/dist"
"$python" scripts/install_wheel.py "$cache"/dist/*.whl
