//! `cargo xtask sim`: simulated histories of whole producers, built as they are fastest.
use crate::arguments::Arguments;
use crate::{setup, sh};
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
sim [--first-seed S] [--count N] [--threads T]
                                        N histories of a whole producer against a whole cluster, in virtual
                                        time, with faults; S is 1, N 10000 and T the processors unless
                                        they are given, T is at most 64
sim --seed S [--records N] [--faults BITS] [--topics N] [--brokers N] [--troubles N]
                                        one of them, line by line, or with fewer records, kinds of faults,
                                        topics, brokers and faults
sim --smoltcp [--first-seed S] [--count N] [--threads T], sim --smoltcp --seed S
                                        the same over frames: the smoltcp adapter and smoltcp on a cable that loses,
                                        doubles, delays and damages them; N is 1000 unless it is given
sim --lean [--smoltcp] ...               the same, or one of them, as a device's producer that leaves out the core's features:
                                        all of them but its counters
sim --wasm32 [--lean] [--smoltcp] ...    the same, or one of them, as a WebAssembly module in Node, where a `usize` has 32 bits, as on
                                        a device; on one thread
sim --defects [--smoltcp] [--first-seed S] [--count N] [--threads T] [--defect NAME]
                                        a core with deliberate defects, one at a time: each must be caught
                                        within N histories, 3000 unless it is given
sim --defects [--smoltcp] --defect NAME --seed S
                                        one history with one defect, line by line";

/// What makes a history smaller than its seed does.
const LIMITS: [&str; 5] = ["--records", "--faults", "--topics", "--brokers", "--troubles"];

/// What the options forbid one another, and how large they may be; in words. The programs check it, too: this is before they
/// are built.
pub(crate) fn check(passed: &[String]) -> Result<(), String> {
    let value = |name: &str| -> Option<u64> {
        passed.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair[1].parse().ok())
    };
    let most = |name: &str| match name {
        "--threads" => 64,
        "--faults" => u64::from(u32::MAX),
        "--brokers" => u64::from(u16::MAX),
        "--count" => u64::MAX - value("--first-seed").unwrap_or(1),
        _ => u64::MAX,
    };
    for pair in passed.chunks(2) {
        let [name, text] = pair else { continue };
        let least = u64::from(name == "--count" || name == "--threads");
        if text.parse().is_ok_and(|number: u64| number < least || number > most(name)) {
            return Err(format!("{name} must be from {least} to {}", most(name)));
        }
        if value("--seed").is_some() && ["--first-seed", "--count", "--threads"].contains(&name.as_str()) {
            return Err(format!("--seed plays one history: {name} is for many"));
        }
    }
    Ok(())
}

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    if arguments.flag("--defects") {
        return crate::defects::run(arguments);
    }
    let (smoltcp, lean) = (arguments.flag("--smoltcp"), arguments.flag("--lean"));
    let wasm32 = arguments.flag("--wasm32");
    let mut passed: Vec<String> = Vec::new();
    for name in ["--first-seed", "--count", "--threads", "--seed"].into_iter().chain(LIMITS) {
        match arguments.value::<u64>(name) {
            Ok(Some(_)) if smoltcp && LIMITS.contains(&name) => {
                return arguments.wrong(&format!("{name} limits no history over smoltcp"));
            }
            Ok(Some(threads)) if wasm32 && name == "--threads" && threads != 1 => {
                return arguments.wrong("a WebAssembly module has one thread");
            }
            Ok(Some(value)) => passed.extend([name.to_owned(), value.to_string()]),
            Ok(None) => {}
            Err(code) => return code,
        }
    }
    if let Err(code) = arguments.end() {
        return code;
    }
    if let Err(what) = check(&passed) {
        return arguments.wrong(&what);
    }
    if !passed.iter().any(|word| word == "--count" || word == "--seed") {
        passed.extend(["--count".to_owned(), if smoltcp { "1000" } else { "10000" }.to_owned()]);
    }
    let mut command = sh::cargo();
    if wasm32 && let Err(failure) = setup::wasi(&mut command) {
        return sh::ended(Err(failure));
    }
    command.args(["run", "--release", "--quiet", "--package", "kurier-tests", "--bin", "sim"]);
    if wasm32 {
        command.args(["--target", setup::WASI]);
    }
    if wasm32 && !lean {
        // The client of servers is not for it.
        command.args(["--no-default-features", "--features", "whole"]);
    }
    if lean {
        crate::defects::built_for_a_short_run(command.arg("--no-default-features"));
    }
    command.arg("--");
    sh::ended(sh::run(command.args(smoltcp.then_some("--smoltcp")).args(&passed)))
}

#[cfg(test)]
mod tests {
    use super::check;

    fn is_taken(words: &str) -> bool {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        check(&words).is_ok()
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            "--count 0",
            "--threads 0",
            "--threads 65",
            "--seed 1 --count 10",
            "--threads 2 --seed 1",
            "--seed 1 --faults 4294967296",
            "--first-seed 18446744073709551615 --count 1",
        ] {
            assert!(!is_taken(words), "{words}");
        }
        for words in ["--count 1 --threads 64", "--seed 1 --faults 4294967295 --brokers 0", "--first-seed 5"]
        {
            assert!(is_taken(words), "{words}");
        }
    }
}
