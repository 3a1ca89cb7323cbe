#!/usr/bin/env bash
# The tests of the reference's sidecars, and the lints of what is theirs; the arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# Beside the project's environment, not in it: no other test is to find them.
scripts/interop-wheel.sh "$cache/sidecars-dist" dev
rm -rf "$cache/sidecars"
"$python" -m pip install --quiet --no-deps --target "$cache/sidecars" "$cache"/sidecars-dist/*.whl
scripts/vllm-rs.sh 0.32.0
source scripts/vllm-variables.sh

say "Types of the package, and of its compiled module against the stub"
MYPYPATH=python "$python" -m mypy --cache-dir .mypy_cache/interop interop/python
PYTHONPATH=$cache/sidecars "$python" -P -m mypy.stubtest dynamo_sidecars._sidecars

say "Tests of the adapter, and lints of its workspace"
(
    source scripts/clippy.sh
    cd interop
    cargo fmt --check
    "$python" ../scripts/progress.py lints cargo build --locked --package dynamo-sidecars --lib
    cargo test --locked --quiet --package dynamo-reference-engine
)

say "Tests of the sidecars"
exec "$python" -P -m pytest --override-ini=testpaths=tests/sidecars "$@"
