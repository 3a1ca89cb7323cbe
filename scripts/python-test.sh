#!/usr/bin/env bash
# The Python tests, against the installed wheel; the arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Python tests against the installed wheel"
# -P: what is imported is what was installed, and nothing of this folder.
# Tests wait more than they compute: three for two cores. A file's tests stay together.
processes=$(($(nproc) * 3 / 2))
exec "$python" -P -m pytest --numprocesses $((processes < 12 ? processes : 12)) --dist loadfile --no-loadscope-reorder \
    "$@"
