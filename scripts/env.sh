# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: where things are kept, and the one environment of all cargo calls.
# What differs between two calls of cargo is compiled twice, so nothing may.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dynamo-backend-common
python=$cache/venv/bin/python

mkdir -p "$cache"
cd "$root" || exit

# The Python that environments are made from is the shell's own choice, also for the scripts that one
# of these calls with the PATH below.
base_python=$(command -v "${PYTHON:-python3}") && export PYTHON=$base_python || base_python=

# The rest of PATH depends on the machine, not on the shell: a build script of Dynamo's runs again
# when PATH differs, and dynamo-llm, which takes minutes, depends on it.
machine_path() {
    local user=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin cargo tool found
    local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    cargo=$(PATH=$user command -v cargo) && path=$(dirname "$cargo"):$path
    for tool in c++ cmake pkg-config protoc git curl etcd nats-server prometheus promtool; do
        PATH=$path command -v "$tool" >/dev/null || ! found=$(PATH=$user command -v "$tool") ||
            path=$path:$(dirname "$found")
    done
    printf '%s' "$path"
}
PATH=$(machine_path)

# Outside the checkout, so that a fresh clone need not compile again what an older one did.
export CARGO_TARGET_DIR=$cache/target
export PYO3_BUILD_EXTENSION_MODULE=1

# Told what Python the module is for, PyO3 does not look for one: maturin would write a description
# of its own and name it to cargo, and plain cargo would then compile PyO3 anew.
export PYO3_CONFIG_FILE=$cache/pyo3-config.txt
cmp -s scripts/pyo3-config.txt "$PYO3_CONFIG_FILE" || cp scripts/pyo3-config.txt "$PYO3_CONFIG_FILE"

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
unset PYTHONPATH PYTHONHOME

# A registry that stops answering ends a download after minutes, not never.
export PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-30} CARGO_HTTP_TIMEOUT=${CARGO_HTTP_TIMEOUT:-30}

export LOGS=$cache/logs

cargo_about=0.9.3
cargo_fuzz=0.13.2

# Says what begins now.
say() {
    printf '\n==> %s\n' "$*"
}

# Ends with what was wrong and what to do about it.
fail() {
    printf '\nerror: %s\n' "$*" >&2
    exit 1
}

# Ends with what could not be had; the program that was to fetch it has said why.
fail_fetch() {
    fail "$1 could not be fetched or installed; the reason is above. If it is the network, call again" \
        "later: what has arrived is kept"
}

# The room that is left for the cache, in MB.
free_megabytes() {
    df --output=avail --block-size=1M "$cache" | tail -n1 | tr -d ' '
}
