#!/usr/bin/env bash
# Runs Python with vLLM on a CPU: vllm-run.sh RELEASE ARGUMENT..., with what vLLM has to be told here.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/vllm-variables.sh

interpreter=$cache/vllm-$1/bin/python
[ -x "$interpreter" ] || fail "there is no environment with vLLM $1: make vllm-env"
exec "$interpreter" -P "${@:2}"
