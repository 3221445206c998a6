//! `mutants`: cargo-mutants over the parts of the core that no mistake may go unnoticed in. Each mutant is one small change of
//! the code, held against the core's own tests, the scenarios and the simulation of the tests. By hand: it takes hours.
use crate::arguments::Arguments;
use crate::sh::{self, Failure};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const USAGE: &str = "\
mutants [--only FILES] [--shard K/N]    small changes of the core's code, one at a time: some test must notice each.
                                        FILES is a pattern, else idempotence, accumulator, sender and batch; K of N
                                        pieces, from 0. Survivors are listed in target/mutants/mutants.out";

const VERSION: &str = "27.1.0";
const FILES: &[&str] = &[
    "core/src/idempotence/*.rs",
    "core/src/accumulator/*.rs",
    "core/src/sender/*.rs",
    "core/src/batch/*.rs",
];

pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let read = (|| Ok((arguments.value::<String>("--only")?, arguments.value::<String>("--shard")?)))();
    let (only, shard) = match read {
        Ok(read) => read,
        Err(code) => return code,
    };
    if let Err(code) = arguments.end() {
        return code;
    }
    sh::ended(mutate(only.as_deref(), shard.as_deref()))
}

fn mutate(only: Option<&str>, shard: Option<&str>) -> Result<(), Failure> {
    let tool = tool()?;
    let output = sh::target().join("mutants");
    std::fs::create_dir_all(&output).map_err(sh::failed(format!("cannot make {}", output.display())))?;
    let mut command = sh::command(tool);
    command.args(["mutants", "--package", "kurier-core", "--colors", "never", "-j", "1", "--timeout", "120"]);
    // A table that is made while compiling may be made for ever, and lints that would stop it are capped below.
    command.args(["--build-timeout", "300"]);
    for file in only.map_or(FILES.to_vec(), |only| vec![only]) {
        command.args(["--file", file]);
    }
    if let Some(shard) = shard {
        command.args(["--shard", shard, "--sharding", "round-robin"]);
    }
    // Of the core's tests and of those beside it what is fast, and built for each mutant.
    let tests = ["--package=kurier-tests", "--lib", "--test=scenarios", "--test=simulation"];
    command.args(tests.iter().map(|test| format!("--cargo-arg={test}")));
    // A change that leaves something unused is still a change.
    command.args(["--cap-lints", "true", "--output"]).arg(output);
    sh::run(&mut command)
}

/// The tool, installed where the gate keeps its own.
fn tool() -> Result<PathBuf, Failure> {
    let cache = kurier_kafka::cache()?;
    let tool = cache.join("tools/bin/cargo-mutants");
    let known = sh::output(sh::command(&tool).args(["mutants", "--version"])).unwrap_or_default();
    if known.trim() != format!("cargo-mutants {VERSION}") {
        let mut install = sh::cargo();
        install
            .args([
                "install",
                "--quiet",
                "--locked",
                "--force",
                "--version",
                VERSION,
                "cargo-mutants",
                "--root",
            ])
            .arg(cache.join("tools"))
            // It mostly waits for the compiler: not worth its optimised build.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off");
        sh::run(&mut install)?;
    }
    Ok(tool)
}
