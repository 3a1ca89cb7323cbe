#!/usr/bin/env bash
# The project's environment: what the package needs with its extras, and what builds, tests and documents it.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

requirements=$cache/requirements.txt
"$base_python" scripts/requirements.py llama-cpp metrics smollm2 test docs >"$requirements" ||
    fail "the requirements in pyproject.toml could not be read (see above)"

fill() {
    scripts/llama-cpp.sh
    "$python" -m pip install --quiet --prefer-binary --find-links "$cache/wheels" \
        --requirement "$requirements" --constraint scripts/constraints.txt ||
        fail_fetch "Python packages"
}

ensure_venv "$cache/venv" fill < <(cat "$requirements" scripts/constraints.txt)
