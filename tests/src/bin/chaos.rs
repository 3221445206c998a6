//! `chaos --seconds N [--nodes N] [--seed S] [-- ARGUMENTS of kurier produce]`: see `kurier_tests::chaos`.
use kurier_tests::chaos::{Chaos, program};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (own, further) = given.split_at(given.iter().position(|word| word == "--").unwrap_or(given.len()));
    let mut numbers = [("--seconds", 60), ("--nodes", 3), ("--seed", 1)];
    for pair in own.chunks(2) {
        let known = pair.first().and_then(|name| numbers.iter_mut().find(|(known, _)| known == name));
        let value = pair.get(1).and_then(|value| value.parse().ok());
        let (Some(known), Some(value)) = (known, value) else {
            eprintln!(
                "error: unexpected {pair:?}\nusage: chaos [--seconds N] [--nodes N] [--seed S] [-- ARGUMENTS]"
            );
            return ExitCode::from(2);
        };
        known.1 = value;
    }
    let [seconds, nodes, seed] = numbers.map(|(_, value)| value);
    let verdict = program().and_then(|program| {
        let (nodes, arguments) =
            (u32::try_from(nodes).unwrap_or(3), further.iter().skip(1).cloned().collect());
        Chaos { program, nodes, time: Duration::from_secs(seconds), seed, arguments }.run()
    });
    match verdict {
        Ok(verdict) => {
            println!("{verdict}");
            if verdict.problems().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
