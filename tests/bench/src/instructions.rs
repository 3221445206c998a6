//! Instructions for each record, counted by callgrind: exact, and the same on a busy machine.
//!
//! Each program runs twice; the difference of the two counts over that of the records leaves its start out, and the
//! first use of its memory.
use crate::Failure;
use crate::client::Client;
use crate::places::Place;
use crate::table::Results;
use crate::workload;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Counts what there are programs for; without valgrind it says so and counts nothing.
pub(crate) fn count(
    programs: &BTreeMap<String, PathBuf>,
    clients: &[Client],
    sink: &Place,
    results: &mut Results,
) -> Result<(), Failure> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("instructions are not counted: install valgrind");
        return Ok(());
    }
    for (figure, program) in [("encode.ir_per_record", "encode-ir"), ("produce.ir_per_record", "produce-ir")]
    {
        if let Some(program) = programs.get(program) {
            let count = |records: u64| instructions(program, &[records.to_string()]);
            results.headline(figure, per_record(count, 300_000, 600_000)?);
        }
    }
    // Whole processes with their sockets. A Go program does not run under valgrind.
    let plain = workload::ALL.first().ok_or("no workloads")?;
    for client in clients.iter().filter(|client| client.name != "franz_go") {
        let count = |records: u64| {
            let mut words = sink.options(plain, records).words();
            words.extend(client.arguments.iter().map(|&word| word.to_owned()));
            instructions(&client.program, &words)
        };
        let figure = format!("process.{}.ir_per_record", client.name);
        results.headline(&figure, per_record(count, 300_000, 600_000)?);
    }
    Ok(())
}

fn per_record(count: impl Fn(u64) -> Result<f64, Failure>, few: u64, many: u64) -> Result<f64, Failure> {
    Ok((count(many)? - count(few)?) / (many - few) as f64)
}

fn instructions(program: &Path, arguments: &[String]) -> Result<f64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(arguments);
    let output = valgrind.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    match collected.and_then(|(_, count)| count.trim().parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("callgrind on {}: {}\n{said}", program.display(), output.status).into()),
    }
}
