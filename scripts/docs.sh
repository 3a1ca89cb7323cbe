#!/usr/bin/env bash
# Builds the site of docs/ in the cache folder; a warning, such as a link that leads nowhere, fails.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Building the site"
rm -rf "$cache/site"
"$python" -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --doctree-dir "$cache/doctrees" \
    --conf-dir docs . "$cache/site"
echo '<meta http-equiv="refresh" content="0; url=README.html">' >"$cache/site/index.html"
echo "$cache/site/index.html"
