//! `cargo xtask browser`: the package for pages, built, and run in Chromium and Node.
use crate::arguments::Arguments;
use crate::setup;
use crate::sh::{self, Failure, failed};
use std::path::PathBuf;
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
browser [--build] [--kafka HOST:PORT]   the npm package, and its tests in headless Chromium and Node through the
                                        bridge; --build only builds it, --kafka uses this broker instead of the
                                        embedded one (its topics must be there, or made when asked for)";

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

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let only_build = arguments.flag("--build");
    let kafka = match arguments.value::<String>("--kafka").and_then(|kafka| arguments.end().map(|()| kafka)) {
        Ok(kafka) => kafka,
        Err(code) => return code,
    };
    sh::ended(build().and_then(|()| if only_build { Ok(()) } else { test(kafka) }))
}

fn tests() -> PathBuf {
    sh::top().join("tests").join("browser")
}

/// Builds the package in its folder.
pub(crate) fn build() -> Result<(), Failure> {
    setup::node(TARGET)?;
    setup::npm(&tests())?;
    sh::run(sh::cargo().args([
        "build", "--quiet", "--locked", "--profile", "page", "--target", TARGET, "--package", "kurier-wasm",
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
    opt.arg("-Oz").args(FEATURES.map(|feature| format!("--enable-{feature}"))).arg("-o").arg(&wasm).arg(&wasm);
    sh::run(&mut opt)?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        std::fs::copy(sh::top().join(licence), sh::top().join("wasm").join(licence)).map_err(failed(licence))?;
    }
    Ok(())
}

fn test(kafka: Option<String>) -> Result<(), Failure> {
    sh::run(&mut command(kafka)?)
}

/// The tests, with what they need.
pub(crate) fn command(kafka: Option<String>) -> Result<std::process::Command, Failure> {
    setup::debian("chromium", "chromium")?;
    setup::debian("kcat", "kcat")?;
    sh::run(sh::cargo().args(["build", "--quiet", "--package", "kurier-cli"]))?;
    let mut node = sh::command("node");
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]);
    for file in ["page.test.mjs", "node.test.mjs", "package.test.mjs"] {
        node.arg(tests().join(file));
    }
    node.env("KURIER", sh::target().join("debug").join("kurier"));
    if let Some(kafka) = kafka {
        node.env("KURIER_KAFKA", kafka);
    }
    Ok(node)
}
