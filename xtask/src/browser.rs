//! `cargo xtask browser`: the package for pages, built, and run in Chromium and Node.
use crate::arguments::Arguments;
use crate::setup;
use crate::sh::{self, Failure, failed};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// How to use it.
pub(crate) const USAGE: &str = "\
browser [--build | --kafka]             the npm package, and its tests in headless Chromium and Node through the
                                        bridge; --build only builds it, --kafka takes real Kafka instead of the
                                        embedded broker";

const TARGET: &str = "wasm32-unknown-unknown";

/// What rustc uses by itself, and every browser of the last years has.
const FEATURES: [&str; 7] = [
    "bulk-memory",
    "bulk-memory-opt",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// What makes the module small. Nothing but the far end of the stack, a megabyte away, is in the lowest 1024 bytes; the features'
/// section is for linkers.
const SMALLER: [&str; 5] = ["--low-memory-unused", "-Oz", "--gufa", "-Oz", "--strip-target-features"];

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let (only_build, real) = (arguments.flag("--build"), arguments.flag("--kafka"));
    if let Err(code) = arguments.end() {
        return code;
    }
    let done = if only_build {
        build()
    } else {
        ready()
            .and_then(|()| if real { setup::kafka() } else { Ok(()) })
            .and_then(|()| sh::run(&mut tests_of_pages(real)))
    };
    sh::ended(done)
}

fn tests() -> PathBuf {
    sh::top().join("tests").join("browser")
}

/// Builds the package in its folder.
pub(crate) fn build() -> Result<(), Failure> {
    setup::node(TARGET)?;
    setup::npm(&tests())?;
    sh::run(sh::cargo().args([
        "build",
        "--quiet",
        "--locked",
        "--profile",
        "page",
        "--target",
        TARGET,
        "--package",
        "kurier-wasm",
    ]))?;
    let module = sh::target().join(TARGET).join("page").join("kurier_wasm.wasm");
    let tool = sh::target().join("bindgen");
    let mut cargo = sh::cargo();
    cargo.args(["build", "--quiet", "--locked", "--release", "--manifest-path", "wasm/bindgen/Cargo.toml"]);
    sh::run(cargo.arg("--target-dir").arg(&tool))?;
    let generated = sh::top().join("wasm").join("generated");
    std::fs::create_dir_all(&generated).map_err(failed(generated.display()))?;
    let mut bindgen = sh::command(tool.join("release").join("kurier-bindgen"));
    sh::run(bindgen.arg(&module).arg(&generated))?;
    let wasm = generated.join("kurier_wasm_bg.wasm");
    let mut opt = sh::command(tests().join("node_modules").join(".bin").join("wasm-opt"));
    opt.args(SMALLER)
        .args(FEATURES.map(|feature| format!("--enable-{feature}")))
        .arg("-o")
        .arg(&wasm)
        .arg(&wasm);
    sh::run(&mut opt)?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        std::fs::copy(sh::top().join(licence), sh::top().join("wasm").join(licence))
            .map_err(failed(licence))?;
    }
    Ok(())
}

/// What the tests of pages need on this machine, and the package itself.
pub(crate) fn ready() -> Result<(), Failure> {
    setup::debian("chromium", "chromium")?;
    setup::debian("kcat", "kcat")?;
    setup::debian("websockify", "websockify")?;
    build()?;
    sh::run(sh::cargo().args(["build", "--quiet", "--package", "kurier-cli"]))
}

/// The tests, as one suite of cargo's.
pub(crate) fn tests_of_pages(real: bool) -> Command {
    let (features, name) = if real { ("browser,real-kafka", "real_pages") } else { ("browser", "browser") };
    let mut tests = sh::cargo();
    tests.args(["test", "--no-fail-fast", "--package", "kurier-tests", "--features", features]);
    // One at a time: each is a browser and a cluster.
    tests.args(["--test", name, "--", "--test-threads=1"]);
    tests.env("KURIER", sh::target().join("debug").join("kurier"));
    tests
}
