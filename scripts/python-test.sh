#!/usr/bin/env bash
# The Python tests, against the installed wheel; the arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# What the tests of Rust's examples run: as the lints and the Rust tests build it.
source scripts/clippy.sh
"$python" scripts/progress.py example \
    cargo build --locked --package dynamo-backend-worker --example reverse

# -P: what is imported is what was installed, and nothing of this folder.
pytest=("$python" -P -m pytest)
# Tests wait more than they compute: three for two cores. A file's tests stay together.
processes=$(($(nproc) * 3 / 2))
together=(--numprocesses $((processes < 12 ? processes : 12)) --dist loadfile --no-loadscope-reorder)
# By itself: a frontend that gets no processor for a fifth of a second is behind with who has left.
alone=(tests/interop/test_rolling_restarts.py tests/interop/test_rolling_controls.py)

say "Python tests against the installed wheel"
if [ $# -gt 0 ]; then
    exec "${pytest[@]}" "${together[@]}" "$@"
fi
"${pytest[@]}" "${alone[@]}"
"${pytest[@]}" "${together[@]}" "${alone[@]/#/--ignore=}"
