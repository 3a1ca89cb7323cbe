#!/usr/bin/env bash
# Formatting, lints and types, the quick ones first.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Formatting and lints of Python"
"$python" -m ruff format --check .
"$python" -m ruff check .

say "Lints of scripts, of the image, and of what deploys and releases"
tools=${python%/*}
"$tools/shellcheck" scripts/*.sh .ci/run
"$tools/hadolint" Dockerfile
"$tools/kubernetes-validate" --quiet --strict deploy/deployment.yaml deploy/rbac.yaml
"$tools/check-jsonschema" --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$tools/zizmor" --quiet --offline --config .github/zizmor.yml .github/workflows

say "Types of Python, and of the compiled module against its stub"
"$python" -m mypy
# What the engines and programs of the tests say of types is what users would: nothing.
MYPYPATH=python:tests:scripts:examples:examples/rust-engine-wheel/python "$python" -m mypy --explicit-package-bases \
    --cache-dir .mypy_cache/tests \
    --exclude 'tests/(typing/rejected|support/(engines|scripts)|unit/llama_cpp)/' \
    tests scripts examples
"$python" -P -m mypy.stubtest dynamo_backend_common._core

say "Formatting of Rust"
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo fmt --manifest-path benches/load/Cargo.toml --check
(cd interop && cargo fmt --check)
cargo fmt --manifest-path examples/rust-engine/Cargo.toml --check
cargo fmt --manifest-path examples/rust-engine-wheel/Cargo.toml --check
cargo fmt --manifest-path tests/support/native/panicking/Cargo.toml --check

say "Lints of Rust, and compiling its tests (the first time about 2 minutes on 2 cores)"
source scripts/clippy.sh
# By itself: the features that its tests want of tokio must not reach the others.
"$python" scripts/progress.py "environment, handoff, lifecycle, vllm, engine" \
    cargo build --locked --package dynamo-backend-environment --package dynamo-backend-handoff \
    --package dynamo-backend-lifecycle --package dynamo-backend-vllm --package dynamo-engine \
    --package dynamo-engine-abi --all-targets
"$python" scripts/progress.py worker \
    cargo build --locked --package dynamo-backend-worker --all-targets
# As a library for Rust: as one for Python it would take the place of what the wheel is made of.
"$python" scripts/progress.py "Python module" \
    cargo rustc --locked --package dynamo-backend-python --lib --crate-type rlib
