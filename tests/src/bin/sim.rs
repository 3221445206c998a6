//! Plays simulated histories: `sim --first-seed S --count N [--threads T]`, or one line by line: `sim --seed S`. With `--smoltcp`
//! those over frames.
use kurier_tests::sim::{self, Failure, Limit, Played, Wrong, cable};
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Prints a line. Who has read enough, and has gone away, is not told more.
macro_rules! say {
    ($($what:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

/// Failures after which it is enough.
const ENOUGH: usize = 8;

struct Options {
    first: u64,
    count: u64,
    threads: usize,
    seed: Option<u64>,
    limit: Limit,
    smoltcp: bool,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let options = match options(&given) {
        Ok(options) => options,
        Err(what) => {
            eprintln!(
                "error: {what}\nusage: sim [--smoltcp] --first-seed S --count N [--threads T] | sim --seed S [LIMITS] | sim --smoltcp --seed S\nlimits: --records N, --faults BITS, --topics N, --brokers N, --troubles N"
            );
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    match options.seed {
        Some(seed) => replay(&options, seed),
        None => many(&options),
    }
}

fn options(given: &[String]) -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (smoltcp, given) = match given.split_first() {
        Some((first, rest)) if first == "--smoltcp" => (true, rest),
        _ => (false, given),
    };
    let mut options = Options { first: 1, count: 1000, threads, seed: None, limit: Limit::NONE, smoltcp };
    let mut many = None;
    for pair in given.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair.concat())) };
        let number: u64 = value.parse().map_err(|_| format!("`{value}` is no value for {name}"))?;
        match name.as_str() {
            "--first-seed" => options.first = number,
            "--count" => options.count = number,
            "--threads" => options.threads = usize::try_from(number).unwrap_or(usize::MAX),
            "--seed" => options.seed = Some(number),
            _ if smoltcp => return Err(format!("unexpected `{name}`")),
            limit => match options.limit.set(limit, number) {
                Ok(true) => continue,
                Ok(false) => return Err(format!("unexpected `{name}`")),
                Err(_) => return Err(format!("{name} {number} is too large")),
            },
        }
        if name != "--seed" {
            many = Some(name);
        }
    }
    sim::check(options.first, options.count, options.threads)?;
    match (options.seed, many) {
        (Some(_), Some(name)) => Err(format!("--seed plays one history: {name} is for many")),
        _ => Ok(options),
    }
}

fn play(options: &Options, seed: u64) -> Result<Played, Failure> {
    if options.smoltcp { cable::play(seed) } else { sim::play(seed, options.limit) }
}

fn replay(options: &Options, seed: u64) -> ExitCode {
    let (played, text) = if options.smoltcp { cable::tell(seed) } else { sim::tell(seed, options.limit) };
    say!("{text}");
    match played {
        Ok(played) => {
            say!(
                "seed {seed}: nothing went wrong, {} polls, {} records written",
                played.polls,
                played.written
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            say!("seed {seed}: {:?}: {}", failure.wrong, failure.what);
            ExitCode::FAILURE
        }
    }
}

/// What has `cargo xtask sim` build the same: another core may play a seed to another end.
const fn build() -> &'static str {
    match (cfg!(feature = "whole"), cfg!(target_os = "wasi")) {
        (true, false) => "",
        (true, true) => " --wasm32",
        (false, false) => " --lean",
        (false, true) => " --wasm32 --lean",
    }
}

/// What many histories did.
#[derive(Default)]
struct Sum {
    polls: u64,
    written: u64,
    /// Histories in which no record was accepted, none was written, no fault struck.
    accepts_none: u64,
    writes_none: u64,
    calm: u64,
}

impl Sum {
    fn add(&mut self, one: &Played) {
        self.polls += one.polls;
        self.written += one.written;
        self.accepts_none += u64::from(one.accepted == 0);
        self.writes_none += u64::from(one.written == 0);
        self.calm += u64::from(!one.struck);
    }

    fn join(&mut self, other: &Self) {
        self.polls += other.polls;
        self.written += other.written;
        self.accepts_none += other.accepts_none;
        self.writes_none += other.writes_none;
        self.calm += other.calm;
    }
}

fn many(options: &Options) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let work = || {
        let (mut failures, mut sum, mut played) = (Vec::new(), Sum::default(), 0_u64);
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= options.count || failures.len() >= ENOUGH {
                return (failures, sum, played);
            }
            played += 1;
            match play(options, options.first + n) {
                Ok(one) => {
                    sum.add(&one);
                }
                Err(failure) => failures.push(failure),
            }
        }
    };
    let mut failures: Vec<Failure> = Vec::new();
    let (mut sum, mut played) = (Sum::default(), 0);
    let mut take = |(failed, one, count): (Vec<Failure>, Sum, u64)| {
        failures.extend(failed);
        sum.join(&one);
        played += count;
    };
    if options.threads == 1 {
        // WASI has no other threads.
        take(work());
    } else {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).for_each(&mut take);
        });
    }
    failures.sort_by_key(|failure| failure.seed);
    if let Some(first) = failures.first().filter(|_| options.smoltcp) {
        say!("\n{}\n", cable::tell(first.seed).1);
        say!("replay: cargo xtask sim{} --smoltcp --seed {}", build(), first.seed);
    } else if let Some(first) = failures.first() {
        let limit = sim::shrink(first.seed, first.wrong);
        say!("\n{}\n", sim::tell(first.seed, limit).1);
        say!("replay: cargo xtask sim{} --seed {}{limit}", build(), first.seed);
    }
    for failure in &failures {
        say!("seed {}: {:?}: {}", failure.seed, failure.wrong, failure.what);
    }
    let of = |wrong| failures.iter().filter(|failure| failure.wrong == wrong).count();
    let took = started.elapsed().as_secs_f64();
    say!(
        "simulated {played} histories: lost {}, duplicated {}, reordered {}, stuck {}, otherwise wrong {}",
        of(Wrong::Lost),
        of(Wrong::Duplicated),
        of(Wrong::Reordered),
        of(Wrong::Stuck),
        of(Wrong::Broken)
    );
    say!(
        "{:.0} histories a second on {} threads, {:.0} polls and {:.0} written records each",
        played as f64 / took,
        options.threads,
        sum.polls as f64 / played as f64,
        sum.written as f64 / played as f64
    );
    let share = |count: u64| count as f64 * 100.0 / played.max(1) as f64;
    say!(
        "{:.1} % without an accepted record, {:.1} % without a written one, {:.1} % in which no fault struck",
        share(sum.accepts_none),
        share(sum.writes_none),
        share(sum.calm)
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
