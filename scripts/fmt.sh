#!/usr/bin/env bash
# Formats all code, and mends what the linter can.
set -euo pipefail
source "$(dirname "$0")/env.sh"

cargo fmt --all
"$python" -m ruff check --fix-only --quiet .
"$python" -m ruff format .
