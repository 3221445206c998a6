//! The `kurier` command: produce to Kafka from a shell, measure it, look at a cluster, run one for development.
//!
//! Each subcommand is a module; [`args`] holds the command line, [`exit`] the exit status. What is said goes
//! to stderr, what is asked for to stdout.
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

mod api_names;
mod args;
mod bridge;
mod broker;
mod demo;
mod exit;
mod input;
mod ledger;
mod link;
mod metadata;
mod pace;
mod perf;
mod produce;
mod report;
mod same_file;
mod setup;
mod signals;
mod talk;
mod usage;

use args::{Cli, Command};
use exit::Status;

fn main() -> ExitCode {
    // clap itself ends wrong usage with 2.
    match run(Cli::parse().command) {
        Ok(status) => status.into(),
        Err(error) => {
            talk::say(format_args!("error: {error}"));
            error.status.into()
        }
    }
}

fn run(command: Command) -> Result<Status, exit::Error> {
    match command {
        Command::Produce(args) => produce::run(args),
        Command::Perf(args) => perf::run(args),
        Command::Metadata(args) => metadata::run(&args),
        Command::Broker(args) => broker::run(&args),
        Command::Bridge(args) => bridge::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "kurier", &mut std::io::stdout());
            Ok(Status::Written)
        }
    }
}
