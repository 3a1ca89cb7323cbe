#!/usr/bin/env bash
# Measures the engine llama-cpp beside llama.cpp's own server; arguments go to benches/llama_cpp/run.py.
set -euo pipefail
source "$(dirname "$0")/env.sh"

scripts/llama-server.sh
export BENCH_PYTHON=$python
export BENCH_LLAMA_SERVER=$cache/llama-server/build/bin/llama-server
BENCH_MODEL=$("$python" -c 'from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
print(ModelFile().path)')
export BENCH_MODEL
PYTHONPATH=benches exec "$python" benches/llama_cpp/run.py "$@"
