#!/usr/bin/env bash
# Measures the worker beside the reference; arguments go to benches/run.py.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

reference=$cache/bench-reference-venv

fill_reference() {
    say "Installing the reference (a minute, 310 MB)"
    "$reference/bin/python" -m pip install --quiet ai-dynamo-runtime==1.6.1 \
        --requirement scripts/interop-requirements.txt \
        --requirement benches/reference-requirements.txt
    "$reference/bin/python" -m pip install --quiet --no-deps ai-dynamo==1.6.1
}

ensure_venv "$reference" fill_reference \
    < <(cat scripts/interop-requirements.txt benches/reference-requirements.txt)

say "Compiling the load client and the Rust workers: about an hour the first time on 2 cores"
(cd benches/load && cargo build --release --locked)
source scripts/bench-venv.sh
"$bench/bin/python" scripts/install_wheel.py "$cache"/bench-dist/*.whl

BENCH_WHEEL=$(echo "$cache"/bench-dist/*.whl)
export BENCH_WHEEL
export BENCH_BINARIES=$CARGO_TARGET_DIR/release
export BENCH_PYTHON=$bench/bin/python
export BENCH_REFERENCE_PYTHON=$reference/bin/python
exec "$BENCH_PYTHON" benches/run.py "$@"
