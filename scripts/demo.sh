#!/usr/bin/env bash
# Builds what is not built yet, and shows it: the argument is the port.
set -euo pipefail
port=$1
source "$(dirname "$0")/env.sh"

# Before the build, which is long the first time. A port that is none, the server refuses itself.
! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null ||
    fail "port $port is in use; choose another: make demo PORT=9000"
scripts/alone.sh make --no-print-directory ALONE=1 build

say "Serving SmolLM2-135M-Instruct on port $port"
exec "$python" scripts/demo.py "$port"
