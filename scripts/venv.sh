#!/usr/bin/env bash
# The project's environment: what the package needs with its extras, and what builds it.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

wheels=$cache/wheels
requirements=$cache/requirements.txt
"$base_python" scripts/requirements.py llama-cpp metrics test >"$requirements" ||
    fail "the requirements in pyproject.toml could not be read (see above)"

fill() {
    # Built once and kept: another environment then takes the wheel.
    if ! compgen -G "$wheels/llama_cpp_python-*.whl" >/dev/null; then
        say "Compiling llama.cpp: about 10 minutes on 2 cores, once"
        "$python" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" \
            "$(grep '^llama-cpp-python' "$requirements")"
    fi
    say "Installing Python packages (a minute)"
    "$python" -m pip install --quiet --prefer-binary --find-links "$wheels" \
        --requirement "$requirements"
}

ensure_venv "$cache/venv" fill <"$requirements"
