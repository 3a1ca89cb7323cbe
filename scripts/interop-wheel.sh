#!/usr/bin/env bash
# Builds the wheel of the reference's sidecars into the folder $1, with the profile $2 of cargo.
set -euo pipefail
source "$(dirname "$0")/env.sh"
out=$(realpath -m "$1") profile=$2
cd interop

say "Compiling the reference's sidecars: about 60 crates more, and Dynamo's again (the first time 20 minutes)"
cargo fetch --locked || fail_fetch "crates"
"$python" ../scripts/progress.py sidecars \
    cargo build --locked --profile "$profile" --package dynamo-sidecars --lib
rm -rf "$out.new"
"$python" ../scripts/progress.py wheel "$python" -m maturin build --locked --profile "$profile" \
    --strip false --compression-method stored --compatibility linux --auditwheel skip --out "$out.new"
mkdir -p "$out"
mv "$out.new"/*.whl "$out"
rmdir "$out.new"
ls "$out"/dynamo_sidecars-*.whl
