//! Switches the core's deliberate defects on, one after the other, and plays simulated histories until one goes
//! wrong: what the simulation does not catch, nobody can rely on it for. Built by `cargo xtask sim --defects`.
//!
//! `defects [--smoltcp] [--count N] [--first-seed S] [--threads T] [--defect NAME [--seed S]]`
use std::process::ExitCode;

#[cfg(not(kurier_defects))]
fn main() -> ExitCode {
    eprintln!("error: built without `--cfg kurier_defects`: use `cargo xtask sim --defects`");
    ExitCode::from(2)
}

#[cfg(kurier_defects)]
fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let options = match hunt::options(&given) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("error: {what}");
            return ExitCode::from(2);
        }
    };
    // Many a defect ends in a panic, which is as good a way to be caught as any.
    std::panic::set_hook(Box::new(|_| {}));
    let caught = options
        .one()
        .map_or_else(|| hunt::run(&options), |(defect, seed)| hunt::replay(&options, defect, seed));
    if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(kurier_defects)]
mod hunt {
    use kurier_core::defect::{self, Defect};
    use kurier_tests::sim::{self, Failure, Limit, Played, cable};
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Instant;

    pub(super) struct Options {
        count: u64,
        first: u64,
        threads: usize,
        only: Option<Defect>,
        seed: Option<u64>,
        smoltcp: bool,
    }

    impl Options {
        fn play(&self, seed: u64) -> Result<Played, Failure> {
            if self.smoltcp { cable::play(seed) } else { sim::play(seed, Limit::NONE) }
        }

        fn tell(&self, seed: u64) -> (Result<Played, Failure>, String) {
            if self.smoltcp { cable::tell(seed) } else { sim::tell(seed, Limit::NONE) }
        }

        fn line(&self, defect: Defect, seed: u64) -> String {
            let smoltcp = if self.smoltcp { " --smoltcp" } else { "" };
            format!("cargo xtask sim --defects{smoltcp} --defect {defect:?} --seed {seed}")
        }
    }

    pub(super) fn options(given: &[String]) -> Result<Options, String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (smoltcp, given) = match given.split_first() {
            Some((first, rest)) if first == "--smoltcp" => (true, rest),
            _ => (false, given),
        };
        let mut options = Options { count: 3000, first: 1, threads, only: None, seed: None, smoltcp };
        let mut many = None;
        for pair in given.chunks(2) {
            let [name, value] = pair else { return Err(format!("{} needs a value", pair.concat())) };
            if name == "--defect" {
                let found = Defect::ALL.iter().find(|defect| format!("{defect:?}") == *value);
                options.only = Some(*found.ok_or_else(|| format!("no defect `{value}`"))?);
                continue;
            }
            let number: u64 = value.parse().map_err(|_| format!("`{value}` is no value for {name}"))?;
            match name.as_str() {
                "--count" => options.count = number,
                "--first-seed" => options.first = number,
                "--threads" => options.threads = usize::try_from(number).unwrap_or(usize::MAX),
                "--seed" => options.seed = Some(number),
                _ => return Err(format!("unexpected `{name}`")),
            }
            if name != "--seed" {
                many = Some(name);
            }
        }
        sim::check(options.first, options.count, options.threads)?;
        match (options.seed, options.only, many) {
            (Some(_), None, _) => {
                Err("--seed plays one history with one defect: --defect is missing".to_owned())
            }
            (Some(_), _, Some(name)) => Err(format!("--seed plays one history: {name} is for many")),
            _ => Ok(options),
        }
    }

    impl Options {
        /// The one history that is to be played.
        pub(super) fn one(&self) -> Option<(Defect, u64)> {
            self.only.zip(self.seed)
        }
    }

    /// Plays one history line by line. Answers whether the defect was noticed, and only the defect.
    pub(super) fn replay(options: &Options, defect: Defect, seed: u64) -> bool {
        defect::set(Some(defect));
        let (played, text) = options.tell(seed);
        defect::set(None);
        println!("{text}");
        let own = options.play(seed).err();
        match &played {
            Ok(_) => println!("seed {seed} with {defect:?}: nothing went wrong"),
            Err(failure) => println!("seed {seed} with {defect:?}: {:?}: {}", failure.wrong, failure.what),
        }
        match &own {
            None => println!("seed {seed} without it: nothing went wrong"),
            Some(failure) => println!("seed {seed} without it: {:?}: {}", failure.wrong, failure.what),
        }
        println!("replay: {}", options.line(defect, seed));
        played.is_err() && own.is_none()
    }

    // Fewer would say little of the simulation.
    const _: () = assert!(Defect::ALL.len() >= 25);

    /// Answers whether each was caught.
    pub(super) fn run(options: &Options) -> bool {
        let started = Instant::now();
        let defects: Vec<Defect> = Defect::ALL
            .iter()
            .copied()
            .filter(|defect| options.only.is_none_or(|only| only == *defect))
            .collect();
        let mut escaped = Vec::new();
        for defect in &defects {
            let begun = Instant::now();
            let caught = catch(options, *defect);
            let (name, took) = (format!("{defect:?}"), begun.elapsed().as_secs_f64());
            match caught {
                Some(failure) => println!(
                    "{name:<24} {:>5}  {took:>5.1} s  {:<10} {:.90}\n{:24} replay: {}",
                    failure.seed - options.first + 1,
                    format!("{:?}", failure.wrong),
                    failure.what,
                    "",
                    options.line(*defect, failure.seed)
                ),
                None => {
                    println!("{name:<24}     -  {took:>5.1} s  NOT CAUGHT {}", defect.what());
                    escaped.push(name);
                }
            }
        }
        println!(
            "{} of {} defects caught within {} histories each, from seed {}, in {:.0} s",
            defects.len() - escaped.len(),
            defects.len(),
            options.count,
            options.first,
            started.elapsed().as_secs_f64()
        );
        if !escaped.is_empty() {
            println!("not caught: {}", escaped.join(", "));
        }
        escaped.is_empty()
    }

    /// The first history that goes wrong with the defect, and only with it.
    fn catch(options: &Options, defect: Defect) -> Option<Failure> {
        let mut from = 0;
        loop {
            defect::set(Some(defect));
            let failure = hunt(options, from);
            defect::set(None);
            let failure = failure?;
            let Err(own) = options.play(failure.seed) else { return Some(failure) };
            println!("seed {} goes wrong without any defect: {}", own.seed, own.what);
            from = failure.seed - options.first + 1;
        }
    }

    /// The first history that goes wrong: seeds are taken in order, so that threads make no difference.
    fn hunt(options: &Options, from: u64) -> Option<Failure> {
        let (next, found) = (AtomicU64::new(from), AtomicBool::new(false));
        let work = || loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= options.count || found.load(Ordering::Relaxed) {
                return None;
            }
            if let Err(failure) = options.play(options.first + n) {
                found.store(true, Ordering::Relaxed);
                return Some(failure);
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
            let caught = workers.into_iter().filter_map(|worker| worker.join().ok().flatten());
            caught.min_by_key(|failure| failure.seed)
        })
    }
}
