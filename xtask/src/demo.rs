//! `cargo xtask demo`: the shipped command's own demonstration, built with optimizations.
use crate::arguments::Arguments;
use crate::running::{Running, bound};
use crate::{browser, kafka, setup, sh};
use kurier_kafka::{Kafka, Options};
use std::path::Path;
use std::process::ExitCode;

/// How to use it.
pub(crate) const USAGE: &str = "\
demo [--web] [--kafka] [--seconds S]    this machine's telemetry through the core to the embedded broker,
                                        or to real Kafka, and back; --web: a page that streams its own, until
                                        it is interrupted";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let (real, web) = (arguments.flag("--kafka"), arguments.flag("--web"));
    let seconds =
        match arguments.value::<u32>("--seconds").and_then(|seconds| arguments.end().map(|()| seconds)) {
            Ok(seconds) => seconds,
            Err(code) => return code,
        };
    sh::ended(if web { page(real) } else { demo(real, seconds) })
}

/// The page in `wasm/demo`, with all that it needs on loopback.
fn page(real: bool) -> Result<(), sh::Failure> {
    browser::build()?;
    sh::run(sh::cargo().args(["build", "--release", "--quiet", "--package", "kurier-cli"]))?;
    let kurier = sh::target().join("release").join("kurier");
    let mut running = Running::default();
    let own = if real { own_kafka()? } else { None };
    let bootstrap = match own.as_ref().map(Kafka::bootstrap).or_else(|| kafka::address().filter(|_| real)) {
        Some(bootstrap) => bootstrap,
        None => {
            let mut broker = bound(&kurier);
            broker.args(["broker", "--listen", "127.0.0.1:0"]);
            running.start(broker)?
        }
    };
    let mut bridge = bound(&kurier);
    bridge.args(["bridge", "--listen", "127.0.0.1:0", "--allow-topic", "clicks*", "--allow-auto-create"]);
    bridge.args(["--bootstrap", &bootstrap]);
    let bridge = running.start(bridge)?;
    let mut site = bound(Path::new("node"));
    site.arg("wasm/demo/serve.mjs");
    let site = running.start(site)?;
    println!("open {site}?bridge={bridge}&bootstrap={bootstrap}");
    println!("read along: kcat -C -b {bootstrap} -t clicks-demo -f '%p %o %k %s\\n'");
    println!("Ctrl-C ends it");
    // Until one of them ends, which an interrupt sees to: it goes to all of them.
    running.await_last()
}

/// A real Kafka of our own, unless one is up.
fn own_kafka() -> Result<Option<Kafka>, sh::Failure> {
    if kafka::address().is_some() {
        return Ok(None);
    }
    setup::kafka()?;
    eprintln!("starting a real Kafka for the demonstration");
    Ok(Some(Kafka::start(Options::new())?))
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
    let own = own_kafka()?;
    let bootstrap = own.as_ref().map(Kafka::bootstrap).or_else(kafka::address).unwrap_or_default();
    sh::run(command.args(["-b", &bootstrap]))
}
