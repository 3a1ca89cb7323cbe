#!/usr/bin/env bash
# The environments with vLLM on a CPU, one per release that is tested: vllm-RELEASE in the cache folder,
# each with the wheel of `make build`. The reference is in that of the release which it is made for.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh
source scripts/uv.sh

tiny_model=$cache/models/tiny-llama

# Writes the tiny model with the Python $1, where it is not as its script has it.
make_tiny_model() {
    local script=tests/vllm_cpu/make_tiny_model.py
    ! cmp --quiet "$script" "$tiny_model/made-by.py" || return 0
    rm -rf "$tiny_model.new"
    "$1" "$script" "$tiny_model.new"
    cp "$script" "$tiny_model.new/made-by.py"
    rm -rf "$tiny_model"
    mv "$tiny_model.new" "$tiny_model"
}

# Fills the environment of release $1, and tries it.
fill() {
    local release=$1 python=$cache/vllm-$1/bin/python versions=scripts/vllm-$1.txt
    # As listed: the metadata ask for a torch that PyPI does not have.
    "$uv" pip install --quiet --python "$python" --no-deps --requirement "$versions" ||
        fail_fetch "vLLM $release"
    # What is imported here is compiled for good: each start has three processes that import it.
    unset PYTHONDONTWRITEBYTECODE
    make_tiny_model "$python"
    "$base_python" scripts/progress.py "vLLM $release" \
        scripts/vllm-run.sh "$release" tests/vllm_cpu/generate.py "$tiny_model"
    ! grep --quiet '^ai-dynamo==' "$versions" ||
        "$base_python" scripts/progress.py "the reference" \
            scripts/vllm-run.sh "$release" -m dynamo.vllm --help
}

[ -d "$cache/vllm-0.31.0" ] || [ "$(free_megabytes)" -ge 8000 ] ||
    fail "the disk of $cache has $(free_megabytes) MB left, and vLLM takes 8000: free some room"
mkdir -p "$cache/models"
for release in 0.31.0 0.32.0; do
    environment=$cache/vllm-$release
    [ -f "$environment/key" ] || say "Installing vLLM $release, and starting it once"
    ensure_venv "$environment" fill "$release" <"scripts/vllm-$release.txt"
    make_tiny_model "$environment/bin/python"
    "$environment/bin/python" scripts/install_wheel.py "$cache"/dist/*.whl
done
