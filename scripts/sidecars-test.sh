#!/usr/bin/env bash
# The tests of the reference's sidecars; the arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# Beside the project's environment, not in it: no other test is to find them.
scripts/interop-wheel.sh "$cache/sidecars-dist" dev
rm -rf "$cache/sidecars"
"$python" -m pip install --quiet --no-deps --target "$cache/sidecars" "$cache"/sidecars-dist/*.whl
scripts/vllm-rs.sh 0.32.0
source scripts/vllm-variables.sh

say "Tests of the sidecars"
exec "$python" -P -m pytest --override-ini=testpaths=tests/sidecars "$@"
