#!/usr/bin/env bash
# Checks what nothing here can install: the Rust toolchain, which is the developer's own choice, and
# room for what is built.
set -euo pipefail
source "$(dirname "$0")/env.sh"

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
how="install it from https://rustup.rs, or run 'rustup update stable'"

command -v cargo >/dev/null || fail "cargo was not found: Rust $wanted or newer is needed; $how"
found=$(rustc --version | cut -d' ' -f2)
oldest=$(printf '%s\n' "$wanted" "${found%%-*}" | sort --version-sort | head -n1)
[ "$oldest" = "$wanted" ] || fail "Rust $found was found: $wanted or newer is needed; $how"

# 8 GB for all, less what an interrupted call has left.
needed=1000
if [ ! -d "$cache/dist" ]; then
    left=$((8000 - $(du --summarize --block-size=1M "$cache" | cut -f1)))
    needed=$((left > needed ? left : needed))
fi
free=$(free_megabytes)
[ "$free" -ge "$needed" ] ||
    fail "the disk of $cache has $free MB left, and building takes $needed: free some room," \
        "or choose another place: XDG_CACHE_HOME=PATH make ..."
