#!/usr/bin/env bash
# Fuzzes each target for so many seconds (300). What was found earlier is kept in the cache folder
# and is where the next run goes on.
set -euo pipefail
source "$(dirname "$0")/env.sh"

seconds=${1:-300}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "'$seconds' is no number of seconds; accepted: 1 or more"

source scripts/new-venv.sh

# Its flags would compile all of the project's own target folder again.
export CARGO_TARGET_DIR=$cache/fuzz/target
PATH=$cache/cargo-tools/bin:$PATH

say "Building the fuzz targets (the first time a minute or two)"
"$base_python" scripts/progress.py cargo-fuzz scripts/cargo-tool.sh cargo-fuzz "$cargo_fuzz"
# cargo-fuzz itself cannot be told that the versions are those of the file.
cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml || fail_fetch "crates"
# Without a sanitizer: there is no unsafe code to find faults in, and stable Rust can build it.
cargo fuzz build --sanitizer none

host=$(rustc -vV | sed -n 's/^host: //p')
for target in settings canary controls vllm; do
    say "Fuzzing $target for $seconds s"
    corpus=$cache/fuzz/corpus/$target
    found=$cache/fuzz/found/$target
    log=$cache/fuzz/$target.log
    run=$CARGO_TARGET_DIR/$host/release/$target
    mkdir -p "$corpus" "$found"
    if ! "$run" "$corpus" "fuzz/seeds/$target" -max_total_time="$seconds" -timeout=10 \
        -artifact_prefix="$found/" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n1)
        fail "$target found a fault. To see it again: $run ${input:-(no input was written)}"
    fi
    grep '^Done' "$log"
done
