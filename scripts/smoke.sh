#!/usr/bin/env bash
# Tries a wheel that is to be handed out, the one that the argument names or the one in dist/, in the
# Python that PYTHON names.
set -euo pipefail
given=${1:-}
[ -z "$given" ] || given=$(realpath -m "$given")
source "$(dirname "$0")/env.sh"

wheel=${given:-$(compgen -G 'dist/dynamo_backend_common-*.whl' || true)}
[ -f "$wheel" ] || fail "there is no wheel ${given:-in dist/}: make wheel builds one"
[ -n "$base_python" ] || fail "${PYTHON:-python3} was not found"

say "Trying ${wheel##*/} in $("$base_python" --version)"
"$base_python" scripts/smoke.py "$wheel"
