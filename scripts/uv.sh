# shellcheck shell=bash disable=SC2034,SC2154
# Sourced after new-venv.sh: uv, which has the files of one package once on the disk, however many
# environments it is in.

uv=$cache/uv/bin/uv
export UV_CACHE_DIR=$cache/uv-cache UV_LINK_MODE=hardlink UV_NO_CONFIG=1 UV_NO_PROGRESS=1
export UV_HTTP_TIMEOUT=$PIP_DEFAULT_TIMEOUT

fill_uv() {
    "$cache/uv/bin/python" -m pip install --quiet uv==0.13.9 || fail_fetch "uv"
}

ensure_venv "$cache/uv" fill_uv <<<"uv==0.13.9"
