//! What a command needs on this machine: installed where that can be done without a question, else explained.
use crate::sh::{self, Failure};
use std::path::Path;
use std::process::Command;

/// Makes sure that `program` is there, from Debian's `package` if need be and possible.
pub(crate) fn debian(program: &str, package: &str) -> Result<(), Failure> {
    if sh::exists(program) {
        return Ok(());
    }
    let advice = format!("`{program}` is missing: install the package `{package}`");
    let root = sh::output(sh::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let sudo = || sh::output(sh::command("sudo").args(["-n", "true"])).is_ok();
    if !sh::exists("apt-get") || !(root || sudo()) {
        return Err(Failure(advice));
    }
    let apt = |words: &[&str]| {
        let mut command = sh::command(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["-n", "apt-get"]);
        }
        sh::run(
            command.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null()),
        )
    };
    apt(&["update", "-q"])?;
    apt(&["install", "-q", "-y", "--no-install-recommends", package])?;
    if sh::exists(program) { Ok(()) } else { Err(Failure(advice)) }
}

/// Makes sure that the compiler has the libraries of `target`.
pub(crate) fn target(target: &str) -> Result<(), Failure> {
    let libraries = sh::output(sh::command("rustc").args(["--print", "target-libdir", "--target", target]))?;
    if !Path::new(libraries.trim()).is_dir() {
        sh::run(sh::command("rustup").args(["target", "add", target]))?;
    }
    Ok(())
}

/// Makes sure that the core can be built for `target` and run by Node.
pub(crate) fn node(target: &str) -> Result<(), Failure> {
    self::target(target)?;
    debian("node", "nodejs")
}

/// The target that has a `usize` of 32 bits and Rust's own library.
pub(crate) const WASI: &str = "wasm32-wasip1";

/// Makes sure that modules of [`WASI`] can be built and run by Node, and has `cargo` do so.
pub(crate) fn wasi(cargo: &mut Command) -> Result<(), Failure> {
    node(WASI)?;
    let script = sh::top().join("xtask/src/wasi.mjs");
    cargo.args([
        "--config",
        &format!("target.{WASI}.runner=['node', '--no-warnings', '{}']", script.display()),
    ]);
    Ok(())
}

/// Makes sure that the packages which `folder`'s lock file names are there.
pub(crate) fn npm(folder: &Path) -> Result<(), Failure> {
    debian("npm", "npm")?;
    // npm's own note of what it has installed; older than the lock file it says nothing.
    let changed = |file: &str| folder.join(file).metadata().and_then(|meta| meta.modified()).ok();
    if changed("node_modules/.package-lock.json") >= changed("package-lock.json") {
        return Ok(());
    }
    sh::run(
        sh::command("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder),
    )
}

/// Makes sure that real Kafka can run and be read back.
pub(crate) fn kafka() -> Result<(), Failure> {
    debian("kcat", "kcat")?;
    kurier_kafka::obstacle().map_or(Ok(()), |why| Err(Failure(why)))
}
