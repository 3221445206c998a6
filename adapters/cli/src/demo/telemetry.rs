//! This machine's telemetry: processor, memory and network, from `/proc` on Linux; elsewhere what this process
//! itself uses.
use crate::usage::Usage;
use std::time::Instant;

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counters {
    /// Ticks of all processors, and of those the busy ones.
    total: u64,
    busy: u64,
    received: u64,
    sent: u64,
}

/// What a machine does now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// 0 to 100, of all processors together, since the last sample.
    pub(super) cpu_percent: f64,
    /// Bytes.
    pub(super) memory_used: u64,
    /// Bytes; 0 if not known.
    pub(super) memory_total: u64,
    /// Bytes in a second since the last sample.
    pub(super) received_per_second: f64,
    /// Bytes in a second since the last sample.
    pub(super) sent_per_second: f64,
}

/// Takes samples; each tells what happened since the one before.
pub(super) struct Telemetry {
    host: String,
    before: Counters,
    at: Instant,
}

fn proc(file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{file}")).unwrap_or_default()
}

impl Telemetry {
    /// Counts from now on.
    pub(super) fn begin() -> Self {
        let host = proc("sys/kernel/hostname").trim().to_owned();
        let host = if host.is_empty() { "localhost".to_owned() } else { host };
        Self { host, before: counters(), at: Instant::now() }
    }

    /// What happened since the last sample.
    pub(super) fn sample(&mut self) -> Sample {
        let (now, at) = (counters(), Instant::now());
        let seconds = at.duration_since(self.at).as_secs_f64().max(0.001);
        let (before, _) = (std::mem::replace(&mut self.before, now), std::mem::replace(&mut self.at, at));
        let (used, total) = memory(&proc("meminfo")).unwrap_or_else(|| (Usage::now().max_rss, 0));
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let ticks = now.total.saturating_sub(before.total).max(1) as f64;
        Sample {
            cpu_percent: (now.busy.saturating_sub(before.busy) as f64 / ticks * 100.0).min(100.0),
            memory_used: used,
            memory_total: total,
            received_per_second: rate(now.received, before.received),
            sent_per_second: rate(now.sent, before.sent),
        }
    }

    /// A sample as records: key and JSON value.
    pub(super) fn records(&self, sample: &Sample) -> [(&'static str, String); 3] {
        use serde_json::json;
        let host = &self.host;
        let tenth = |number: f64| (number * 10.0).round() / 10.0;
        [
            ("cpu", json!({"host": host, "percent": tenth(sample.cpu_percent)})),
            ("memory", json!({"host": host, "used": sample.memory_used, "total": sample.memory_total})),
            (
                "network",
                json!({"host": host, "received_per_second": tenth(sample.received_per_second),
                       "sent_per_second": tenth(sample.sent_per_second)}),
            ),
        ]
        .map(|(key, value)| (key, value.to_string()))
    }
}

fn counters() -> Counters {
    let (total, busy) = processor(&proc("stat")).unwrap_or_else(|| {
        // Microseconds of this process, as if there were one processor.
        let usage = Usage::now();
        let busy = ((usage.user + usage.system) * 1e6) as u64;
        (0, busy)
    });
    let (received, sent) = network(&proc("net/dev"));
    Counters { total, busy, received, sent }
}

/// Ticks of `/proc/stat`: all, and busy ones.
fn processor(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    // user nice system idle iowait irq softirq steal; guest time is counted in user already.
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0);
    let total: u64 = ticks.iter().sum();
    Some((total, total.saturating_sub(idle)))
}

/// Bytes of `/proc/meminfo`: used, and all.
fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let of = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let total = of("MemTotal")?;
    Some((total.saturating_sub(of("MemAvailable")?), total))
}

/// Bytes of `/proc/net/dev` over all interfaces: received, and sent.
fn network(dev: &str) -> (u64, u64) {
    let (mut received, mut sent) = (0u64, 0u64);
    for (_, counters) in dev.lines().filter_map(|line| line.split_once(':')) {
        let number =
            |at| counters.split_whitespace().nth(at).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        received = received.saturating_add(number(0));
        sent = sent.saturating_add(number(8));
    }
    (received, sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "cpu  10 1 5 80 4 0 0 0 3 0\ncpu0 1 1 1 1\n";
        assert_eq!(processor(stat), Some((100, 16)));
        assert_eq!(processor(""), None);
        let meminfo = "MemTotal:       2000 kB\nMemFree:  1 kB\nMemAvailable:    500 kB\n";
        assert_eq!(memory(meminfo), Some((1500 * 1024, 2000 * 1024)));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
        let dev = "Inter-| Receive | Transmit\n face |bytes packets\n    lo: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n  eth0: 5 1 0 0 0 0 0 0 7 1 0\n";
        assert_eq!(network(dev), (105, 207));
    }

    #[test]
    fn a_sample_makes_three_keyed_records() {
        let mut telemetry = Telemetry::begin();
        let sample = telemetry.sample();
        assert!((0.0..=100.0).contains(&sample.cpu_percent), "{sample:?}");
        let records = telemetry.records(&sample);
        assert_eq!(records.each_ref().map(|(key, _)| *key), ["cpu", "memory", "network"]);
        for (_, value) in &records {
            let value: serde_json::Value = serde_json::from_str(value).unwrap();
            assert!(value["host"].is_string(), "{value}");
        }
    }
}
