//! `cargo xtask sim --defects`: the simulation against a core with deliberate defects. Each must be caught.
//!
//! Built with `--cfg kurier_defects` in a target folder of its own, so that other builds stay as they are.
use crate::arguments::Arguments;
use crate::sh;
use std::process::{Command, ExitCode};

/// Runs the command; `--defects` was taken.
pub(crate) fn run(mut arguments: Arguments<'_>) -> ExitCode {
    let smoltcp = arguments.flag("--smoltcp");
    let mut passed: Vec<String> = Vec::new();
    for name in ["--first-seed", "--count", "--threads", "--seed"] {
        match arguments.value::<u64>(name) {
            Ok(Some(value)) => passed.extend([name.to_owned(), value.to_string()]),
            Ok(None) => {}
            Err(code) => return code,
        }
    }
    let seed = passed.iter().any(|word| word == "--seed");
    match arguments.value::<String>("--defect") {
        Ok(Some(value)) => passed.extend(["--defect".to_owned(), value]),
        Ok(None) if seed => {
            return arguments.wrong("--seed plays one history with one defect: --defect is missing");
        }
        Ok(None) => {}
        Err(code) => return code,
    }
    if let Err(code) = arguments.end() {
        return code;
    }
    if let Err(what) = crate::sim::check(&passed) {
        return arguments.wrong(&what);
    }
    let own = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sh::top().join("target"), Into::into);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = sh::cargo();
    command
        .env("CARGO_TARGET_DIR", own.join("defects"))
        .env("RUSTFLAGS", format!("{flags} --cfg kurier_defects"))
        .args(["run", "--release", "--quiet", "--package", "kurier-tests", "--bin", "defects", "--"])
        .args(smoltcp.then_some("--smoltcp"))
        .args(&passed);
    match sh::run(built_for_a_short_run(&mut command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A build for a run of a minute at most: not worth the best there is.
pub(crate) fn built_for_a_short_run(command: &mut Command) -> &mut Command {
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
}
