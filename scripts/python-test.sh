#!/usr/bin/env bash
# The Python tests, against the installed wheel; the arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Python tests against the installed wheel"
# -P: what is imported is what was installed, and nothing of this folder.
exec "$python" -P -m pytest "$@"
