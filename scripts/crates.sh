#!/usr/bin/env bash
# Fetches and compiles what the compiled module is made of; maturin then has only to pack it.
set -euo pipefail
source "$(dirname "$0")/env.sh"

host=$(rustc -vV | sed -n 's/^host: //p')
cargo fetch --locked --target "$host" || fail_fetch "crates"
cargo build --locked --package dynamo-backend-python --lib
