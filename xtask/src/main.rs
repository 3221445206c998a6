//! `cargo xtask ...`: every gate, build and run of this project as one command.
//!
//! Each command is one file with `run(arguments) -> ExitCode`: 0 it worked, 1 it did not, 2 wrong usage.
use std::process::ExitCode;

mod arguments;
mod bench;
mod browser;
mod chaos;
mod coverage;
mod defects;
mod demo;
mod firmware;
mod fuzz;
mod kafka;
mod layers;
mod mutants;
mod running;
mod setup;
mod sh;
mod sim;
mod size;
mod test;

/// A command: its name, its usage line and what it does, and its entry.
type Command = (&'static str, &'static str, fn(&[String]) -> ExitCode);

const COMMANDS: &[Command] = &[
    ("demo", demo::USAGE, demo::run),
    ("test", test::USAGE, test::run),
    ("kafka", kafka::USAGE, kafka::run),
    ("fuzz", fuzz::USAGE, fuzz::run),
    ("sim", sim::USAGE, sim::run),
    ("chaos", chaos::USAGE, chaos::run),
    ("bench", bench::USAGE, bench::run),
    ("firmware", firmware::USAGE, firmware::run),
    ("browser", browser::USAGE, browser::run),
    ("size", size::USAGE, size::run),
    ("coverage", coverage::USAGE, coverage::run),
    ("layers", layers::USAGE, layers::run),
    ("mutants", mutants::USAGE, mutants::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => return usage("which command?"),
    };
    if matches!(name, "help" | "--help" | "-h") {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    }
    let Some((_, text, run)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        return usage(&format!("no command `{name}`"));
    };
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        println!("cargo xtask {text}");
        return ExitCode::SUCCESS;
    }
    run(rest)
}

fn usage(what: &str) -> ExitCode {
    eprint!("error: {what}\n\n{}", overview());
    ExitCode::from(2)
}

fn overview() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND\n\n");
    for (_, usage, _) in COMMANDS {
        text.push_str(&format!("  {}\n", usage.replace('\n', "\n  ")));
    }
    text
}
