#!/usr/bin/env bash
# Installs the Debian packages that are missing for what the arguments name: `build`, `test`, `interop`.
set -euo pipefail
source "$(dirname "$0")/env.sh"

missing=()

# Notes the package $1 as missing unless the check $2... succeeds.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang.so'
}

has_python_headers() {
    "${base_python:-python3}" -c \
        'import os, sysconfig; os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))'
}

for purpose in "$@"; do
    case $purpose in
    build)
        need g++ command -v g++
        need cmake command -v cmake
        need pkg-config command -v pkg-config
        need protobuf-compiler command -v protoc
        need libclang-dev has_libclang
        need python3-venv "${base_python:-python3}" -c 'import ensurepip, venv'
        need curl command -v curl
        ;;
    test)
        need etcd-server command -v etcd
        need nats-server command -v nats-server
        need prometheus command -v promtool
        need valgrind command -v valgrind
        need python3-dev has_python_headers
        ;;
    interop)
        # The sidecars' protos import some of protoc's own, which Debian has apart.
        need libprotobuf-dev test -e /usr/include/google/protobuf/struct.proto
        ;;
    *) fail "unknown purpose '$purpose'; accepted: build, test, interop" ;;
    esac
done

[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null ||
    fail "not found: ${missing[*]} (names of Debian packages); install what provides them"

as_root=()
if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null || { command -v sudo && [ -t 0 ] && [ -z "${CI:-}" ]; } >/dev/null; then
        as_root=(sudo)
    else
        fail "Debian packages are missing. As root, run: apt-get install ${missing[*]}"
    fi
fi

say "Installing Debian packages: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o DPkg::Lock::Timeout=120)
"${apt[@]}" update </dev/null || fail_fetch "the lists of Debian packages"
# What goes wrong is said on standard error; the rest is three lines a package.
mkdir -p "$LOGS"
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" </dev/null >"$LOGS/debian.log" ||
    fail_fetch "Debian packages"

# Debian starts a server when it installs one; the tests start their own.
if [ -d /run/systemd/system ]; then
    for package in "${missing[@]}"; do
        case $package in
        etcd-server) "${as_root[@]}" systemctl disable --now etcd.service ;;
        nats-server) "${as_root[@]}" systemctl disable --now nats-server.service ;;
        prometheus) "${as_root[@]}" systemctl disable --now prometheus.service ;;
        esac
    done
fi
