//! `cargo xtask demo`: the shipped command's own demonstration, built with optimizations.
use crate::arguments::Arguments;
use crate::{kafka, setup, sh};
use kurier_kafka::{Kafka, Options};
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
demo [--kafka] [--seconds S]            this machine's telemetry through the core to the embedded broker,
                                        or to real Kafka, and back";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let real = arguments.flag("--kafka");
    let seconds =
        match arguments.value::<u32>("--seconds").and_then(|seconds| arguments.end().map(|()| seconds)) {
            Ok(seconds) => seconds,
            Err(code) => return code,
        };
    sh::ended(demo(real, seconds))
}

fn demo(real: bool, seconds: Option<u32>) -> Result<(), sh::Failure> {
    let mut command = sh::cargo();
    command.args(["run", "--release", "--quiet", "--package", "kurier-cli", "--", "demo"]);
    if let Some(seconds) = seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    if !real {
        return sh::run(&mut command);
    }
    let own = match kafka::address() {
        Some(_) => None,
        None => {
            setup::kafka()?;
            eprintln!("starting a real Kafka for the demonstration");
            Some(Kafka::start(Options::new())?)
        }
    };
    let bootstrap = own.as_ref().map(Kafka::bootstrap).or_else(kafka::address).unwrap_or_default();
    sh::run(command.args(["-b", &bootstrap]))
}
