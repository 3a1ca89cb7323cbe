# shellcheck shell=bash
# Sourced after env.sh: how a Python environment is made, and known to be still right.

[ -n "$base_python" ] || fail "Python 3.11 or newer is needed, and ${PYTHON:-python3} was not found"
"$base_python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, and $base_python is $("$base_python" --version 2>&1);" \
        "name another like this: make PYTHON=python3.12 ..."

# Makes the environment $1 and fills it by $2..., unless it was made for the same Python and the same
# requirements (standard input). Otherwise it is made anew: it never holds what nothing asks for.
ensure_venv() {
    local folder=$1 key
    shift
    key=$({ "$base_python" -c 'import sys; print(sys.version, sys.base_prefix)' && cat; } | sha256sum)
    [ "$(cat "$folder/key" 2>/dev/null)" != "$key" ] || return 0
    rm -rf "$folder"
    "$base_python" -m venv "$folder" ||
        fail "$base_python cannot make environments (see above): install its module venv, or name" \
            "another Python: make PYTHON=python3.12 ..."
    "$@"
    printf '%s\n' "$key" >"$folder/key"
}
