//! Hands the linker the script of our own images.
use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=../../size/link.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    if let Err(error) = fs::copy("../../size/link.ld", out.join("link.ld")) {
        println!("cargo::error=link.ld: {error}");
    }
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.ld");
    println!("cargo::rustc-link-arg-bins=--emit-relocs");
}
