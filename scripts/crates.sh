#!/usr/bin/env bash
# Fetches and compiles what the compiled module is made of; maturin then has only to pack it.
set -euo pipefail
source "$(dirname "$0")/env.sh"

host=$(rustc -vV | sed -n 's/^host: //p')
cargo fetch --locked --target "$host" || fail_fetch "crates"

# By their times cargo takes the files of another clone for new ones, and dynamo-llm, which takes
# minutes, depends on these: their time is an old one where they are what was compiled last.
left_out=$(find rust/left-out -type f -exec sha256sum {} + | sort)
compiled=$CARGO_TARGET_DIR/left-out.sha256
time=now
[ "$(cat "$compiled" 2>/dev/null)" != "$left_out" ] || time=2000-01-01
find rust/left-out -type f -exec touch --date "$time" {} +
cargo build --locked --package google-cloud-storage
printf '%s\n' "$left_out" >"$compiled"

cargo build --locked --package dynamo-backend-python --lib
