//! Whole producers against a whole cluster, in virtual time, with faults: one history for each seed.
//!
//! Single-threaded, no sleeps, no clock: the same seed gives the same history to the same event. An oracle compares
//! what the user was told with what the logs hold in the end. What it cannot see: real sockets, real brokers.
pub mod cable;
mod content;
mod crash;
mod dice;
mod door;
mod fault;
mod frames;
mod gremlin;
mod inject;
mod malform;
mod memory;
mod net;
mod notes;
mod odd;
mod oracle;
mod order;
mod pipe;
mod scenario;
mod sharpen;
mod timeline;
mod user;
mod watch;
mod wire;
mod world;

pub use oracle::Wrong;
pub use scenario::Limit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use timeline::Timeline;
use world::World;

/// A history that went as it should.
#[derive(Debug, Clone, Copy, Default)]
pub struct Played {
    /// Calls of the producer's `poll`.
    pub polls: u64,
    /// Records accepted.
    pub accepted: u64,
    /// Records acknowledged.
    pub written: u64,
    /// A fault struck while there was something to do.
    pub struck: bool,
}

/// A history that went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What it was made from.
    pub seed: u64,
    /// In which way.
    pub wrong: Wrong,
    /// In words.
    pub what: String,
}

/// Threads that play at a time, at most.
pub const MOST_THREADS: usize = 64;

/// Looks at what a command that plays many histories was asked for.
///
/// # Errors
/// There is nothing to play, or nobody to play it; in words.
pub fn check(first: u64, count: u64, threads: usize) -> Result<(), String> {
    if count == 0 || first.checked_add(count).is_none() {
        return Err(format!("--count must be from 1 to {}", u64::MAX - first));
    }
    if threads == 0 || threads > MOST_THREADS {
        return Err(format!("--threads must be from 1 to {MOST_THREADS}"));
    }
    Ok(())
}

/// Plays the history of `seed`.
///
/// # Errors
/// A promise was broken.
pub fn play(seed: u64, limit: Limit) -> Result<Played, Failure> {
    run(seed, limit, &Timeline::new(false))
}

/// Plays it again and tells it line by line.
pub fn tell(seed: u64, limit: Limit) -> (Result<Played, Failure>, String) {
    let timeline = Timeline::new(true);
    let played = run(seed, limit, &timeline);
    (played, timeline.text())
}

/// The smallest history of `seed` that goes wrong in the same way: fewer kinds of faults, fewer records, topics, brokers
/// and faults.
pub fn shrink(seed: u64, wrong: Wrong) -> Limit {
    let mut limit = Limit::NONE;
    let fails = |limit: Limit| play(seed, limit).is_err_and(|failure| failure.wrong == wrong);
    for bit in 0..32 {
        let less = Limit { faults: limit.faults & !(1 << bit), ..limit };
        if fails(less) {
            limit = less;
        }
    }
    let lower = |limit: Limit, less: &dyn Fn(Limit, u64) -> Limit, to: &[u64]| {
        to.iter().map(|n| less(limit, *n)).find(|less| fails(*less)).unwrap_or(limit)
    };
    limit = lower(limit, &|all, records| Limit { records, ..all }, FEWER);
    limit = lower(limit, &|all, n| Limit { topics: n as usize, ..all }, &FEWER[..3]);
    limit = lower(limit, &|all, n| Limit { brokers: n as u16, ..all }, &FEWER[..4]);
    lower(limit, &|all, troubles| Limit { troubles, ..all }, FEWER)
}

/// Numbers of records or faults that are tried.
const FEWER: &[u64] = &[1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 45, 60, 90];

fn run(seed: u64, limit: Limit, timeline: &Timeline) -> Result<Played, Failure> {
    judged(seed, timeline, || {
        let mut world = World::new(seed, limit, timeline.clone())?;
        world.play()?;
        Ok(Played {
            polls: world.polls,
            accepted: world.user.accepted,
            written: world.oracle.written,
            struck: world.was_struck(),
        })
    })
}

/// Plays a history, in which a panic is wrong, too.
fn judged(
    seed: u64,
    timeline: &Timeline,
    play: impl FnOnce() -> Result<Played, oracle::Finding>,
) -> Result<Played, Failure> {
    let found = match catch_unwind(AssertUnwindSafe(play)) {
        Ok(Ok(played)) => return Ok(played),
        Ok(Err(found)) => found,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            (Wrong::Broken, format!("panic: {}", text.unwrap_or_default()))
        }
    };
    timeline.note(|| format!("WRONG   {:?}: {}", found.0, found.1));
    Err(Failure { seed, wrong: found.0, what: found.1 })
}
