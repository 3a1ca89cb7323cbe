# shellcheck shell=bash
# Sourced after env.sh: our crates are then compiled by clippy, which is rustc with lints. `cargo clippy`
# would check every crate of Dynamo once more (5 minutes); so, what is compiled already serves.

driver=$(rustc --print sysroot)/bin/clippy-driver
[ -x "$driver" ] || fail "clippy was not found; to have it: rustup component add clippy"
export RUSTC_WORKSPACE_WRAPPER=$driver
# The form in which cargo-clippy hands options to its driver.
export CLIPPY_ARGS=--deny__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
