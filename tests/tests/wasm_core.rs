//! The core compiled to wasm32 and run by Node under a scripted stream: the same counts, to the request and the turn, as
//! on this host.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test
use kurier_core::storage::Storage;
use kurier_wasm_core::Outcome;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// Why this cannot run here.
fn obstacle() -> Option<String> {
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !quiet(Command::new("node").arg("--version")) {
        return Some("`node` is missing".to_owned());
    }
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let installed =
        libraries.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    (!installed).then(|| format!("the target is missing: `rustup target add {TARGET}`"))
}

fn build() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-core");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "kurier-wasm-core", "--release", "--target", TARGET])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "the core does not build for {TARGET}");
    folder.join(TARGET).join("release").join("kurier_wasm_core.wasm")
}

fn in_node(module: &Path, records: u32, piece: u32) -> (Outcome, u64) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wasm_core.mjs");
    let output =
        Command::new("node").arg(script).arg(module).args([records, piece].map(|n| n.to_string())).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| u32::try_from(told[name].as_u64().unwrap()).unwrap();
    let outcome = Outcome {
        delivered: number("delivered"),
        failed: number("failed"),
        logged: number("logged"),
        requests: number("requests"),
        turns: number("turns"),
        status: number("status"),
    };
    (outcome, told["bits"].as_u64().unwrap())
}

#[test]
fn the_core_does_the_same_on_wasm32_as_here() {
    if let Some(why) = obstacle() {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1"), "must run in CI, but {why}");
        eprintln!("SKIPPED the_core_does_the_same_on_wasm32_as_here: {why}");
        return;
    }
    let module = build();
    for (records, piece) in [(2000, 8192), (500, 1), (500, 7), (500, 100)] {
        let (there, bits) = in_node(&module, records, piece);
        assert_eq!(bits, 32);
        assert_eq!(there.status, 0, "{records} records in pieces of {piece}: {there:?}");
        assert_eq!((there.delivered, there.failed, there.logged), (records, 0, records));
        let storage = Box::leak(Box::new(Storage::new()));
        assert_eq!(kurier_wasm_core::run(storage, records, piece), there);
    }
}
