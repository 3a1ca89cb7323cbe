#!/usr/bin/env bash
# Installs all that the tests need and the package does not.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

scripts/debian.sh test
for crate in examples/rust-engine-wheel tests/support/native/panicking; do
    cargo fetch --locked --manifest-path "$crate/Cargo.toml" || fail_fetch "crates"
done
say "Dynamo's own frontend and cargo-fuzz, for the tests (the first time two minutes, and 310 MB)"
"$base_python" scripts/progress.py \
    frontend scripts/interop-venv.sh :: \
    cargo-fuzz scripts/cargo-tool.sh cargo-fuzz "$cargo_fuzz"
