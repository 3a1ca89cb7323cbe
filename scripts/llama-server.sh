#!/usr/bin/env bash
# Compiles llama.cpp's own server from the sources of the package that the engine llama-cpp uses, against
# the libraries that are installed with it, and keeps it. About 10 minutes the first time on 2 cores.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

requirement=llama-cpp-python==$("$python" -c \
    'from importlib.metadata import version; print(version("llama-cpp-python"))')
installed=$("$python" -c 'import importlib.util as u; print(u.find_spec("llama_cpp").submodule_search_locations[0])')/lib
work=$cache/llama-server
[ "$(cat "$work/done" 2>/dev/null)" != "$requirement" ] || exit 0
if [ "$(cat "$work/requirement" 2>/dev/null)" != "$requirement" ]; then
    rm -rf "$work"
    mkdir -p "$work"
    echo "$requirement" >"$work/requirement"
fi

fill() {
    "$work/venv/bin/python" -m pip install --quiet cmake ninja scikit-build-core || fail_fetch "ninja"
}

ensure_venv "$work/venv" fill <<<"cmake ninja scikit-build-core"
if [ ! -d "$work/source" ]; then
    rm -rf "$work/archive" "$work/unpacking"
    "$work/venv/bin/python" -m pip download --quiet --no-deps --no-build-isolation \
        --no-binary llama-cpp-python --dest "$work/archive" "$requirement" || fail_fetch "llama.cpp"
    mkdir "$work/unpacking"
    tar --extract --strip-components 3 --directory "$work/unpacking" --file "$work/archive"/*.tar.gz \
        --wildcards '*/vendor/llama.cpp'
    # The model's library is there, and nothing is installed.
    sed -i 's/^add_subdirectory(src)$//; /^# install$/,$d' "$work/unpacking/CMakeLists.txt"
    mv "$work/unpacking" "$work/source"
fi

export PATH=$work/venv/bin:$PATH
cmake -G Ninja -S "$work/source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PROJECT_llama.cpp_INCLUDE="$root/scripts/llama-server.cmake" \
    -DLLAMA_SOURCE="$work/source" -DINSTALLED="$installed" \
    -DLLAMA_BUILD_COMMON=ON -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_UI=OFF \
    -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_TOOLS_INSTALL=OFF \
    -DLLAMA_BUILD_NUMBER=0 -DLLAMA_BUILD_COMMIT=package >"$work/configure.log"
ninja -C "$work/build" llama-server
echo "$requirement" >"$work/done"
