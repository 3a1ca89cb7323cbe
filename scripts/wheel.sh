#!/usr/bin/env bash
# Builds what is handed out, into dist/ or the folder that the argument names: the source
# distribution, and from it, so that it is known to build, the wheel for Linux with glibc 2.28 or newer.
set -euo pipefail
source "$(dirname "$0")/env.sh"
source scripts/new-venv.sh

out=$(realpath -m "${1:-dist}")
tools=$cache/wheel-venv
machine=$(uname -m)
policy=manylinux_2_28

fill() {
    "$tools/bin/python" -m pip install --quiet --requirement scripts/wheel-requirements.txt ||
        fail_fetch "what builds wheels"
}

ensure_venv "$tools" fill <scripts/wheel-requirements.txt
PATH=$tools/bin:$cache/cargo-tools/bin:$PATH

say "Collecting the licences of what is linked: 5 minutes the first time, 2 after that"
# For every platform: cargo-about leaves none out.
cargo fetch --quiet --locked || fail_fetch "crates"
"$tools/bin/python" scripts/progress.py cargo-about \
    scripts/cargo-tool.sh cargo-about "$cargo_about" --features cli
cargo about generate --fail --frozen --manifest-path rust/python/Cargo.toml \
    --config scripts/licences.toml scripts/licences.hbs --output-file THIRD-PARTY-LICENSES.txt
cargo metadata --frozen --format-version 1 --filter-platform "$machine-unknown-linux-gnu" |
    "$tools/bin/python" scripts/bundled_licences.py >>THIRD-PARTY-LICENSES.txt

say "Building the source distribution"
rm -rf "$cache/handed-out"
"$tools/bin/python" scripts/progress.py sdist maturin sdist --out "$cache/handed-out"
mkdir "$cache/handed-out/source"
# Not of the times in the archive, which are always the same: cargo would not see what changed.
tar --extract --touch --strip-components 1 --directory "$cache/handed-out/source" \
    --file "$cache"/handed-out/*.tar.gz

say "Building the wheel from it: about 25 minutes the first time on 2 cores, 10 after that"
# zig links against the glibc that it is told, whatever this machine has. nixl-sys calls g++ by that
# name: its C++ has to be of the same library as all other.
cat >"$tools/bin/g++" <<EOF
#!/bin/sh
exec "$tools/bin/maturin" zig c++ -- -fno-sanitize=all -target $machine-linux-gnu.2.28 "\$@"
EOF
chmod +x "$tools/bin/g++"
export CARGO_TARGET_DIR=$cache/wheel-target
export CARGO_ZIGBUILD_CACHE_DIR=$cache/zig/build ZIG_GLOBAL_CACHE_DIR=$cache/zig/cache
(cd "$cache/handed-out/source" && "$tools/bin/python" \
    "$root/scripts/progress.py" wheel maturin build --release --locked --strip true --zig \
    --target "$machine-unknown-linux-gnu" --compatibility "$policy" \
    --compression-level 9 --out "$cache/handed-out")

wheel=$(echo "$cache"/handed-out/*.whl)
auditwheel show --json "$wheel" | "$tools/bin/python" scripts/check_wheel.py "${policy}_$machine"
scripts/smoke.sh "$wheel"

mkdir -p "$out"
rm -f "$out"/dynamo_backend_common-*
mv "$cache"/handed-out/*.whl "$cache"/handed-out/*.tar.gz "$out"
ls -lh "$out"/*.whl "$out"/*.tar.gz
