#!/usr/bin/env bash
# Compiles llama.cpp and keeps its wheel: another environment then takes that. Interrupted, it goes on
# where it stopped.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

requirement=$("$base_python" scripts/requirements.py llama-cpp | grep '^llama-cpp-python')
wheels=$cache/wheels
done=$wheels/llama-cpp.requirement
[ "$(cat "$done" 2>/dev/null)" != "$requirement" ] || exit 0

work=$cache/llama-cpp
tools=$work/venv
if [ "$(cat "$work/requirement" 2>/dev/null)" != "$requirement" ]; then
    rm -rf "$work"
    mkdir -p "$work"
    echo "$requirement" >"$work/requirement"
fi

fill() {
    "$tools/bin/python" -m pip install --quiet ninja scikit-build-core || fail_fetch "ninja"
}

ensure_venv "$tools" fill <<<"ninja scikit-build-core"
pip=("$tools/bin/python" -m pip)

if [ ! -d "$work/source" ]; then
    rm -rf "$work/archive" "$work/unpacking"
    "${pip[@]}" download --quiet --no-deps --no-build-isolation --no-binary llama-cpp-python \
        --dest "$work/archive" "$requirement" || fail_fetch "llama.cpp"
    mkdir "$work/unpacking"
    tar --extract --strip-components 1 --directory "$work/unpacking" --file "$work/archive"/*.tar.gz
    mv "$work/unpacking" "$work/source"
fi

# Verbose: ninja's steps are what tells how far it is. Without its part for pictures.
"${pip[@]}" wheel --verbose --no-deps --no-build-isolation --wheel-dir "$wheels" \
    --config-settings build-dir="$work/build" \
    --config-settings cmake.define.LLAVA_BUILD=OFF \
    --config-settings cmake.define.CMAKE_PROJECT_llama.cpp_INCLUDE="$root/scripts/llama-cpp.cmake" \
    "$work/source"
echo "$requirement" >"$done"
rm -rf "$work"
