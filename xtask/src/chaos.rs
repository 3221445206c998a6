//! `cargo xtask chaos`: the command on a real cluster under failures; the program is `chaos` of the tests.
use crate::arguments::Arguments;
use crate::{setup, sh};
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
chaos [--seconds N] [--nodes N] [--seed S] [-- ARGUMENTS]
                                        the real command at full rate on real brokers (3) that are killed, paused
                                        and reassigned, over links that are cut, for N seconds (60); its report
                                        against the log, read by kcat. ARGUMENTS go to kurier produce: with
                                        `-X acks=1 -X enable.idempotence=false` it is to fail";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let (own, further) = given.split_at(given.iter().position(|word| word == "--").unwrap_or(given.len()));
    let mut arguments = Arguments::new(USAGE, own);
    let mut passed: Vec<String> = Vec::new();
    for name in ["--seconds", "--nodes", "--seed"] {
        match arguments.value::<u64>(name) {
            Ok(Some(nodes)) if name == "--nodes" && !(3..=9).contains(&nodes) => {
                return arguments.wrong("--nodes is 3 to 9");
            }
            Ok(Some(value)) => passed.extend([name.to_owned(), value.to_string()]),
            Ok(None) => {}
            Err(code) => return code,
        }
    }
    if let Err(code) = arguments.end() {
        return code;
    }
    let mut command = sh::cargo();
    command.args(["run", "--release", "--quiet", "--package", "kurier-tests", "--bin", "chaos", "--"]);
    command.args(&passed).args(further);
    match setup::kafka().and_then(|()| sh::run(&mut command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
