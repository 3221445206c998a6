//! Runs the clients in turn and compares them; `cargo xtask bench` builds what it needs and calls it.
//!
//! A figure is the median over rounds, a round being one run of each client. Figures of one run may be compared
//! with each other; those of two runs only if the machine did the same at both times.
mod client;
mod instructions;
mod places;
mod table;
mod workload;

use client::Client;
use places::Place;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use table::Results;

/// What went wrong, in words.
type Failure = Box<dyn std::error::Error>;

struct Asked {
    quick: bool,
    json: bool,
    kafka: bool,
    only: Option<String>,
    programs: BTreeMap<String, PathBuf>,
}

fn main() -> ExitCode {
    match run(&read(std::env::args().skip(1))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `--quick`, `--json`, `--no-kafka`, `--only WORD`, and `NAME=PATH` for each program.
fn read(mut words: impl Iterator<Item = String>) -> Asked {
    let mut asked = Asked { quick: false, json: false, kafka: true, only: None, programs: BTreeMap::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => asked.quick = true,
            "--json" => asked.json = true,
            "--no-kafka" => asked.kafka = false,
            "--only" => asked.only = words.next(),
            other => {
                if let Some((name, path)) = other.split_once('=') {
                    asked.programs.insert(name.to_owned(), path.into());
                }
            }
        }
    }
    asked
}

fn run(asked: &Asked) -> Result<(), Failure> {
    let mut results = Results::default();
    let wanted = |name: &str| asked.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let clients = client::all(&asked.programs);
    let program = |name: &str| asked.programs.get(name).ok_or(format!("no program {name} was given"));
    let sink = Place::sink(program("sink")?)?;
    if wanted("instructions") {
        instructions::count(&asked.programs, &clients, &sink, &mut results)?;
    }
    everything(asked, &clients, &sink, &mut results)?;
    drop(sink);
    if asked.kafka && workload::ALL.iter().any(|workload| wanted(workload.name)) {
        let kafka = Place::kafka()?;
        eprintln!("warming up Kafka");
        if let Some(client) = clients.first() {
            let warm_up = workload::ALL.first().ok_or("no workloads")?;
            for _ in 0..3 {
                kafka.run(client, warm_up, 1_000_000)?;
            }
        }
        everything(asked, &clients, &kafka, &mut results)?;
    }
    results.headlines();
    let table = results.table();
    if asked.json {
        eprintln!("{table}");
        writeln!(std::io::stdout(), "{}", results.json())?;
    } else {
        writeln!(std::io::stdout(), "{table}")?;
    }
    Ok(())
}

/// Every workload at one place, the clients in turn.
fn everything(
    asked: &Asked,
    clients: &[Client],
    place: &Place,
    results: &mut Results,
) -> Result<(), Failure> {
    for workload in workload::ALL {
        if asked.only.as_ref().is_some_and(|only| !workload.name.contains(only.as_str())) {
            continue;
        }
        let records = workload.records(asked.quick, place.is_real());
        for round in 0..workload.rounds(asked.quick) {
            for client in clients.iter().filter(|client| !client.extra || workload.is_full_speed()) {
                let figures = place.run(client, workload, records)?;
                eprintln!(
                    "{} {} {} {}: {:.3} CPU s/M, {:.0} records/s",
                    place.name,
                    workload.name,
                    round + 1,
                    client.name,
                    figures.get("cpu_s_per_m").copied().unwrap_or(0.0),
                    figures.get("records_per_s").copied().unwrap_or(0.0),
                );
                for (figure, value) in figures {
                    results.add(place.name, workload.name, client.name, figure, value);
                }
            }
        }
    }
    Ok(())
}
