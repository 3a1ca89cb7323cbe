#!/usr/bin/env bash
# Installs the wheel of `make build` into the Python environment that the first argument names, with
# the extras that the second names.
set -euo pipefail
venv=$(realpath -m "$1") extras=${2:-}
source "$(dirname "$0")/env.sh"

wheel=$(echo "$cache"/dist/*.whl)
pip=("$venv/bin/python" -m pip install --quiet --find-links "$cache/wheels")

say "Installing into $venv"
"${pip[@]}" --force-reinstall --no-deps "$wheel"
"${pip[@]}" "$wheel${extras:+[$extras]}" || fail_fetch "what the wheel needs"
"$venv/bin/dynamo-backend" --version
echo "This wheel is built for a quick start, without optimisation. For production: make wheel"
