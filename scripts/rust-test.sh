#!/usr/bin/env bash
# The Rust tests; the arguments go to the test runner.
set -euo pipefail
source "$(dirname "$0")/env.sh"
# As for the lints, which have compiled the tests already.
source scripts/clippy.sh

if cargo nextest --version >/dev/null 2>&1; then
    run=(nextest run)
else
    run=(test --lib --bins --tests --examples)
fi
# By itself: the features that its tests want of tokio must not reach the others.
alone=(--package dynamo-backend-environment --package dynamo-backend-handoff
    --package dynamo-backend-lifecycle --package dynamo-backend-vllm
    --package dynamo-engine --package dynamo-engine-abi)
rest=(--package dynamo-backend-worker --package dynamo-backend-python)

say "Rust tests"
cargo "${run[@]}" --locked "${alone[@]}" "$@"
cargo "${run[@]}" --locked "${rest[@]}" "$@"

if (($# == 0)); then
    say "Every interleaving of two threads, by loom"
    cargo test --locked --package dynamo-backend-handoff --features loom --test interleavings
fi

say "Examples in the documentation of Rust"
cargo test --locked --doc --package dynamo-backend-lifecycle
cargo test --locked --doc --package dynamo-backend-worker
cargo test --locked --doc --package dynamo-engine
