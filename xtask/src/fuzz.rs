//! `fuzz`: every fuzz target for a while, from the inputs kept in the cache.
//!
//! The targets are libFuzzer's, instrumented by flags that the pinned compiler has: no other toolchain is needed. They
//! have no memory checker, because what they test has no unsafe code.
use crate::arguments::Arguments;
use crate::setup;
use crate::sh::{self, Failure};
use std::process::ExitCode;

pub(crate) const USAGE: &str =
    "fuzz [--seconds N] [--target NAME]\n    every fuzz target, N seconds each (default 60)";

/// Coverage instrumentation as libFuzzer wants it.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
const TARGETS: &[&str] = &["walker", "answers", "batch", "broker", "properties"];

pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let seconds = match arguments.value::<u32>("--seconds") {
        Ok(seconds) => seconds.unwrap_or(60),
        Err(code) => return code,
    };
    let only = match arguments.value::<String>("--target") {
        Ok(only) => only,
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    let targets: Vec<_> =
        TARGETS.iter().filter(|name| only.as_ref().is_none_or(|only| only == *name)).collect();
    if targets.is_empty() {
        return arguments.wrong(&format!("targets are {}", TARGETS.join(", ")));
    }
    for target in targets {
        if let Err(failure) = fuzz(target, seconds) {
            eprintln!("error: {failure}");
            return ExitCode::FAILURE;
        }
    }
    println!("fuzz: every target ran {seconds} s without a finding");
    ExitCode::SUCCESS
}

fn fuzz(target: &str, seconds: u32) -> Result<(), Failure> {
    // libFuzzer itself is C++, and compiled with the first target.
    setup::debian("c++", "g++")?;
    let folder = kurier_kafka::cache()?.join("fuzz").join(target);
    let (corpus, found) = (folder.join("corpus"), folder.join("found"));
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder).map_err(sh::failed(format!("cannot make {}", folder.display())))?;
    }
    let mut command = sh::cargo();
    command
        .args(["run", "--release", "--manifest-path", "tests/fuzz/Cargo.toml", "--target-dir", "target/fuzz"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--bin", target, "--"])
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", FLAGS);
    sh::run(&mut command)
}
