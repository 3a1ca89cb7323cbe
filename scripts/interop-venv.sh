#!/usr/bin/env bash
# The environment of the interoperability tests: Dynamo's own frontend, for a process of its own.
# Nothing of it is imported by the package. FRONTEND names another release than the one it is made for.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

release=${FRONTEND:-1.6.1}
frontend=ai-dynamo==$release
interop=$cache/frontend-$release
requirements=scripts/interop-requirements.txt

fill() {
    "$interop/bin/python" -m pip install --quiet "ai-dynamo-runtime==$release" \
        --requirement "$requirements" ||
        fail_fetch "what $frontend needs"
    "$interop/bin/python" -m pip install --quiet --no-deps "$frontend" || fail_fetch "$frontend"
    "$interop/bin/python" -m dynamo.frontend --help >/dev/null ||
        fail "$frontend does not start: a requirement is missing in $requirements (see above)"
}

ensure_venv "$interop" fill < <(cat "$requirements" && echo "$frontend")
