#!/usr/bin/env bash
# Removes what was built or installed in the cache folder, for all clones; the next build is long.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Removing $cache"
rm -rf "$cache" dist
