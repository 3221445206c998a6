//! `cargo xtask sim`: simulated histories of whole producers, built as they are fastest.
use crate::arguments::Arguments;
use crate::sh;
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
sim [--first-seed S] [--count N] [--threads T]
                                        N histories of a whole producer against a whole cluster, in virtual
                                        time, with faults; S is 1 and N 10000 unless they are given
sim --seed S [--records N] [--faults BITS] [--topics N] [--brokers N] [--troubles N]
                                        one of them, line by line, or with fewer records, kinds of faults,
                                        topics, brokers and faults
sim --defects [--first-seed S] [--count N] [--threads T] [--defect NAME [--seed S]]
                                        a core with deliberate defects, one at a time: each must be caught
                                        within N histories, 3000 unless it is given";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    if arguments.flag("--defects") {
        return crate::defects::run(arguments);
    }
    let mut passed: Vec<String> = Vec::new();
    for name in [
        "--first-seed",
        "--count",
        "--threads",
        "--seed",
        "--records",
        "--faults",
        "--topics",
        "--brokers",
        "--troubles",
    ] {
        match arguments.value::<u64>(name) {
            Ok(Some(value)) => passed.extend([name.to_owned(), value.to_string()]),
            Ok(None) => {}
            Err(code) => return code,
        }
    }
    if let Err(code) = arguments.end() {
        return code;
    }
    if !passed.iter().any(|word| word == "--count" || word == "--seed") {
        passed.extend(["--count".to_owned(), "10000".to_owned()]);
    }
    let mut command = sh::cargo();
    command.args(["run", "--release", "--quiet", "--package", "kurier-tests", "--bin", "sim", "--"]);
    sh::ended(sh::run(command.args(&passed)))
}
