//! How the compiled module is linked.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ZIGBUILD_TARGET");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|it| it == value);
    // Where LLD is the linker of rustc, which zig replaces. What generic code was compiled to alike is
    // kept once.
    if is("PROFILE", "release")
        && is("TARGET", "x86_64-unknown-linux-gnu")
        && env::var_os("CARGO_ZIGBUILD_TARGET").is_none()
    {
        println!("cargo::rustc-link-arg-cdylib=-Wl,--icf=all");
    }
}
