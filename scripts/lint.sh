#!/usr/bin/env bash
# Formatting, lints and types, the quick ones first.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Formatting and lints of Python"
"$python" -m ruff format --check .
"$python" -m ruff check .

say "Types of Python, and of the compiled module against its stub"
"$python" -m mypy
"$python" -P -m mypy.stubtest dynamo_backend_common._core

say "Formatting of Rust"
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo fmt --manifest-path benches/load/Cargo.toml --check

say "Lints of Rust (the first time about 5 minutes on 2 cores)"
# By itself: the features that its tests want of tokio must not reach the others.
cargo clippy --package dynamo-backend-lifecycle --all-targets -- --deny warnings
cargo clippy --package dynamo-backend-worker --package dynamo-backend-python --all-targets \
    -- --deny warnings
