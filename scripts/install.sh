#!/usr/bin/env bash
# Installs the wheel that `make build` has made into the Python environment that the argument names.
set -euo pipefail
given=$1
[ -z "$given" ] || given=$(realpath -m "$given")
source "$(dirname "$0")/env.sh"

how="make one: python3 -m venv PATH"
[ -n "$given" ] || fail "which environment? make install VENV=path; to $how"
theirs=$given/bin/python
[ -x "$theirs" ] || fail "$given is no Python environment; to $how"
"$theirs" -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)' ||
    fail "$given is no environment but a Python that programs share; to $how"
"$theirs" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$given has $("$theirs" --version): Python 3.11 or newer is needed"
"$theirs" -m pip --version >/dev/null 2>&1 ||
    fail "$given has no pip; to have it: $theirs -m ensurepip"

say "Installing into $given"
"$theirs" -m pip install --quiet --force-reinstall --no-deps "$cache"/dist/*.whl
"$theirs" -m pip install --quiet --find-links "$cache/wheels" "$cache"/dist/*.whl ||
    fail_fetch "what the wheel needs"
"$given/bin/dynamo-backend" --version
cat <<EOF
This wheel is built for a quick start, without optimisation. For production: make wheel
EOF
