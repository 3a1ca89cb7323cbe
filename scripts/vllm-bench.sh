#!/usr/bin/env bash
# Measures the engine vllm beside the reference's worker; arguments go to benches/vllm/run.py.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh
source scripts/vllm-variables.sh

# What the reference is made for.
release=0.31.0

scripts/interop-venv.sh
source scripts/bench-venv.sh
# The next `make vllm-env` puts that of `make build` in its place again.
"$cache/vllm-$release/bin/python" scripts/install_wheel.py "$cache"/bench-dist/*.whl

export BENCH_VLLM=$release
export BENCH_VLLM_PYTHON=$cache/vllm-$release/bin/python
export BENCH_FRONTEND_PYTHON=$cache/frontend-1.6.1/bin/python
export BENCH_MODEL=$cache/models/tiny-llama
PYTHONPATH=benches exec "$bench/bin/python" benches/vllm/run.py "$@"
