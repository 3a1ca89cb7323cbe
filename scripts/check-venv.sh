#!/usr/bin/env bash
# Checks that the argument names a Python environment that the wheel can be installed into.
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
