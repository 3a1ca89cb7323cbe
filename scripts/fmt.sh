#!/usr/bin/env bash
# Formats all code, and mends what the linter can.
set -euo pipefail
source "$(dirname "$0")/env.sh"

source scripts/new-venv.sh

"$base_python" scripts/progress.py "Python packages" scripts/venv.sh
cargo fmt --all
cargo fmt --manifest-path fuzz/Cargo.toml
cargo fmt --manifest-path benches/load/Cargo.toml
(cd interop && cargo fmt)
cargo fmt --manifest-path examples/rust-engine/Cargo.toml
cargo fmt --manifest-path examples/rust-engine-wheel/Cargo.toml
cargo fmt --manifest-path tests/support/native/panicking/Cargo.toml
"$python" -m ruff check --fix-only --quiet .
"$python" -m ruff format .
