//! `cargo xtask kafka up|down`: real Apache Kafka on loopback that stays until it is told to go.
//!
//! Its data, logs and process ids are in one folder of the cache. There is at most one.
use crate::arguments::Arguments;
use crate::sh::{self, Failure, failed};
use crate::{firmware, setup};
use kurier_kafka::{Kafka, Listener, Options, Release};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How to use it.
pub(crate) const USAGE: &str = "\
kafka up [--nodes N] [--version V]      real Apache Kafka on loopback, from Maven; prints its address,
                                        and the one at which firmware in QEMU reaches it
kafka down                              stops it and removes its data";

/// Runs the command.
pub(crate) fn run(given: &[String]) -> ExitCode {
    let mut arguments = Arguments::new(USAGE, given);
    let done = match arguments.word() {
        Some("up") => {
            let (nodes, version) = match (arguments.value("--nodes"), arguments.value::<String>("--version"))
            {
                (Ok(nodes), Ok(version)) => (nodes.unwrap_or(1), version),
                (Err(code), _) | (_, Err(code)) => return code,
            };
            let version = version.unwrap_or_else(|| Release::DEFAULT.to_owned());
            if !(1..=9).contains(&nodes) {
                return arguments.wrong("--nodes is 1 to 9");
            }
            if let Err(failure) = Release::parse(&version) {
                return arguments.wrong(&failure.to_string());
            }
            if let Err(code) = arguments.end() {
                return code;
            }
            up(nodes, &version)
        }
        Some("down") => match arguments.end() {
            Ok(()) => down(),
            Err(code) => return code,
        },
        _ => return arguments.wrong("up or down?"),
    };
    sh::ended(done)
}

/// The address of the cluster that is up, if there is one.
pub(crate) fn address() -> Option<String> {
    let state = State::read()?;
    state.pids.iter().any(|pid| is_ours(*pid)).then_some(state.bootstrap)
}

/// What is known of the cluster that is up.
struct State {
    bootstrap: String,
    what: String,
    pids: Vec<u32>,
}

impl State {
    fn read() -> Option<Self> {
        let text = fs::read_to_string(folder().ok()?.join("state")).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        let (bootstrap, what) = (lines.next()?, lines.next()?);
        Some(Self { bootstrap, what, pids: lines.filter_map(|line| line.parse().ok()).collect() })
    }

    fn write(&self) -> Result<(), Failure> {
        let pids: Vec<_> = self.pids.iter().map(u32::to_string).collect();
        let text = format!("{}\n{}\n{}\n", self.bootstrap, self.what, pids.join("\n"));
        fs::write(folder()?.join("state"), text).map_err(failed("cannot note the processes"))
    }
}

fn up(nodes: u32, version: &str) -> Result<(), Failure> {
    let what = format!("Kafka {version}, {nodes} node(s)");
    if let (Some(bootstrap), Some(state)) = (address(), State::read()) {
        if state.what != what {
            return Err(Failure(format!("{} is up; first `cargo xtask kafka down`", state.what)));
        }
        println!("{bootstrap}");
        return Ok(());
    }
    setup::kafka()?;
    let folder = folder()?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed(folder.display()))?;
    }
    fs::create_dir_all(&folder).map_err(failed(folder.display()))?;
    let mut options = Options::new().nodes(nodes).version(version).folder(&folder).outlives();
    // Releases before that take no listeners by name.
    let guests = Release::parse(version)?.named_listeners();
    if guests {
        options = options.listener(Listener::new("GUEST", "PLAINTEXT").advertise(firmware::HOST, None));
    }
    let kafka = Kafka::start(options)?;
    let bootstrap = kafka.bootstrap();
    let guest_port = if guests { kafka.port(1, "GUEST") } else { None };
    State { bootstrap: bootstrap.clone(), what: what.clone(), pids: kafka.leave() }.write()?;
    eprintln!("{what} is up, data and logs in {}; `cargo xtask kafka down` ends it", folder.display());
    if let Some(port) = guest_port {
        eprintln!("a guest of QEMU's reaches it at {}:{port}: `cargo xtask firmware`", firmware::HOST);
    }
    println!("{bootstrap}");
    Ok(())
}

fn down() -> Result<(), Failure> {
    let Some(state) = State::read() else {
        eprintln!("no Kafka is up");
        return Ok(());
    };
    let running = || state.pids.iter().copied().filter(|pid| is_ours(*pid)).collect::<Vec<_>>();
    for (signal, patience) in [("TERM", 15), ("KILL", 5)] {
        let end = Instant::now() + Duration::from_secs(patience);
        for pid in running() {
            sh::output(sh::command("sh").args(["-c", &format!("kill -{signal} {pid}")]))?;
        }
        while !running().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    if !running().is_empty() {
        return Err(Failure(format!("processes {:?} do not end", running())));
    }
    let folder = folder()?;
    fs::remove_dir_all(&folder).map_err(failed(folder.display()))?;
    eprintln!("{} is down", state.what);
    Ok(())
}

/// Whether a process is one of the noted cluster; its number may have gone to another since.
fn is_ours(pid: u32) -> bool {
    let Ok(folder) = folder() else { return false };
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy())
}

fn folder() -> Result<PathBuf, Failure> {
    Ok(kurier_kafka::cache()?.join("kafka-up"))
}
