# shellcheck shell=bash disable=SC2154
# Sourced after env.sh and new-venv.sh: the environment that benches run in, and what they measure of
# ours: the wheel to hand out, in the folder bench-dist of the cache.

bench=$cache/bench-venv

fill_bench() {
    "$bench/bin/python" -m pip install --quiet --prefer-binary --requirement benches/requirements.txt
}

ensure_venv "$bench" fill_bench <benches/requirements.txt
rm -rf "$cache/bench-dist"
scripts/wheel.sh "$cache/bench-dist"
