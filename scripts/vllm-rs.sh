#!/usr/bin/env bash
# vLLM's gRPC server, the program vllm-rs of its release $1, for the tests of the sidecars: in the cache
# folder, with what has it take the vLLM on a CPU for one of its own. It is in no wheel for a CPU.
set -euo pipefail
source "$(dirname "$0")/env.sh"

release=$1
folder=$cache/vllm-rs-$release
[ ! -f "$folder/key" ] || exit 0
scratch=$folder.new
rm -rf "$scratch" "$folder"
mkdir -p "$scratch/metadata/vllm-$release+cpu.dist-info"
say "Fetching vLLM's gRPC server (330 MB, of which 60 are kept)"
"$python" -m pip download --quiet --no-deps --only-binary :all: --dest "$scratch" "vllm==$release" ||
    fail_fetch "vLLM $release"
"$python" -m zipfile -e "$scratch"/vllm-*.whl "$scratch/wheel"
install -m 755 "$scratch/wheel/vllm/vllm-rs" "$scratch/vllm-rs"
rm -r "$scratch"/vllm-*.whl "$scratch/wheel"
# By this version it knows which of its libraries fits the processor.
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$release" \
    >"$scratch/metadata/vllm-$release+cpu.dist-info/METADATA"
touch "$scratch/key"
mv "$scratch" "$folder"
