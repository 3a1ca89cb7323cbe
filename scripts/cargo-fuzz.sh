#!/usr/bin/env bash
# Installs cargo-fuzz into the cache folder.
set -euo pipefail
source "$(dirname "$0")/env.sh"

version=0.13.2
folder=$cache/fuzz
[ "$("$folder/bin/cargo-fuzz" --version 2>/dev/null)" != "cargo-fuzz $version" ] || exit 0
CARGO_TARGET_DIR=$folder/target cargo install --locked --root "$folder" --version "$version" \
    cargo-fuzz || fail_fetch "cargo-fuzz"
