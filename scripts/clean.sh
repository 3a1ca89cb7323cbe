#!/usr/bin/env bash
# Removes what was built or installed in the cache folder, for all clones; the next build is long.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Removing what is in $cache"
# All but the lock, which whoever waits has open.
find "$cache" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
