#!/usr/bin/env bash
# Builds the wheel with the profile that everything shares, and installs it where it is new.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

if [ -d "$cache/dist" ]; then
    say "Building: only what changed is compiled"
else
    say "Compiling about 750 crates and llama.cpp: about 12 minutes the first time on 2 cores"
fi
# Side by side: the largest crate keeps one core busy for minutes, and no other can go on then. What is
# compiled beside it gives way until then.
"$base_python" scripts/progress.py \
    crates scripts/crates.sh :: \
    "Python packages" nice scripts/venv.sh

rm -rf "$cache/dist.new"
# As it is, so that the second time is fast: not stripped, not compressed, not audited.
"$python" scripts/progress.py wheel "$python" -m maturin build --locked --profile dev --strip false \
    --compression-method stored --compatibility linux --auditwheel skip --out "$cache/dist.new"
rm -rf "$cache/dist"
mv "$cache/dist.new" "$cache/dist"
"$python" scripts/install_wheel.py "$cache"/dist/*.whl
