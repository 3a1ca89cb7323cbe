#!/usr/bin/env bash
# The demonstration, with what was built.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "Serving SmolLM2-135M-Instruct on port $1"
exec "$python" scripts/demo.py "$@"
