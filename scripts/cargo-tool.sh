#!/usr/bin/env bash
# Installs a program of cargo's, NAME VERSION [OPTIONS for cargo install ...], into the cache folder.
set -euo pipefail
source "$(dirname "$0")/env.sh"

name=$1 version=$2
shift 2
folder=$cache/cargo-tools
[ "$("$folder/bin/$name" --version 2>/dev/null)" != "$name $version" ] || exit 0
CARGO_TARGET_DIR=$folder/target cargo install --locked --root "$folder" --version "$version" "$@" \
    "$name" || fail_fetch "$name"
rm -rf "$folder/target"
