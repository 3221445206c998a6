//! What a program of the benchmark says of itself when it is done, as one line of JSON. The only file here with
//! `unsafe`: the processor time of a process is told by getrusage(2), and nowhere else as exactly.
#![allow(unsafe_code)]
use crate::options::Options;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records acknowledged.
    pub acked: u64,
    /// Records that ended otherwise.
    pub failed: u64,
    /// Unix time in µs of the first acknowledgement.
    pub first: u64,
    /// From the first `send` to the last acknowledgement.
    pub took: Duration,
    /// From `send` to the report, of each record; empty where it was not asked for.
    pub latencies: Vec<Duration>,
}

/// Unix time in µs.
pub fn unix_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Prints the line.
pub fn print(client: &str, options: &Options, mut outcome: Outcome) {
    outcome.latencies.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let quantile = |percent: usize| {
        let last = outcome.latencies.len().saturating_sub(1);
        let at = (outcome.latencies.len() * percent / 100).min(last);
        outcome.latencies.get(at).copied().map_or(0.0, millis)
    };
    let (user, system) = processor_seconds();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name));
        rest.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let line = json!({
        "client": client,
        "records": outcome.acked,
        "failed": outcome.failed,
        "seconds": outcome.took.as_secs_f64(),
        "cpu_user": user,
        "cpu_system": system,
        "p50_ms": quantile(50),
        "p99_ms": quantile(99),
        "first_ack_ms": millis(Duration::from_micros(outcome.first.saturating_sub(options.started))),
        "rss_bytes": field("VmRSS:") * 1024,
        "max_rss_bytes": field("VmHWM:") * 1024,
        "threads": field("Threads:"),
    });
    println!("{line}");
}

/// Seconds of user and system time of this process since it began.
fn processor_seconds() -> (f64, f64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, which the call fills and does not keep; all zero bits are one too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}
