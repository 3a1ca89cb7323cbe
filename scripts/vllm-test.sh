#!/usr/bin/env bash
# The tests of the engine vllm, once with each tested release of vLLM, or with that of VLLM; the
# arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/env.sh"
scripts/interop-venv.sh

status=0
for release in ${VLLM:-0.31.0 0.32.0}; do
    say "Tests of the engine vllm with vLLM $release"
    scripts/vllm-run.sh "$release" -m pytest --override-ini=testpaths=tests/vllm_cpu "$@" || status=1
done
exit $status
