//! What a run came to, as JSON and in words.
use super::histogram::Snapshot;
use crate::talk::{self, thousands};
use crate::usage::Usage;

/// What a run came to.
pub(super) struct Figures {
    /// Records that were tried.
    pub(super) records: u64,
    /// Records that were to be sent and were not tried.
    pub(super) not_tried: u64,
    pub(super) size: usize,
    /// Of the records tried, those that are not known to be written.
    pub(super) errors: u64,
    pub(super) seconds: f64,
    pub(super) latencies: Snapshot,
    pub(super) usage: Usage,
    pub(super) metrics: Vec<(&'static str, f64)>,
}

impl Figures {
    fn metric(&self, name: &str) -> u64 {
        let found = self.metrics.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, value)| *value as u64)
    }

    fn written(&self) -> u64 {
        self.records.saturating_sub(self.errors)
    }

    /// Of values that were written.
    fn bytes(&self) -> u64 {
        self.written().saturating_mul(self.size as u64)
    }

    fn records_per_second(&self) -> f64 {
        self.written() as f64 / self.seconds.max(1e-9)
    }

    fn mb_per_second(&self) -> f64 {
        self.bytes() as f64 / 1e6 / self.seconds.max(1e-9)
    }

    /// As one JSON object.
    pub(super) fn json(&self) -> String {
        let latency = &self.latencies;
        let object = serde_json::json!({
            "records": self.records,
            "bytes": self.bytes(),
            "errors": self.errors,
            "not_tried": self.not_tried,
            "seconds": self.seconds,
            "records_per_second": self.records_per_second(),
            "mb_per_second": self.mb_per_second(),
            "latency_ms": {
                "avg": latency.average_ms(),
                "p50": latency.quantile_ms(0.5),
                "p95": latency.quantile_ms(0.95),
                "p99": latency.quantile_ms(0.99),
                "p999": latency.quantile_ms(0.999),
                "max": latency.max_ms(),
            },
            "cpu_seconds": {"user": self.usage.user, "system": self.usage.system},
            "max_rss_bytes": self.usage.max_rss,
            "batches": self.metric("batches-ended-total"),
            "requests": self.metric("request-total"),
            "retries": self.metric("record-retry-total"),
        });
        format!("{object}\n")
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let latency = &self.latencies;
        format!(
            "{} {} of {} bytes in {:.2} s: {} written, {}, {}{}\n\
             {} records/s, {:.2} MB/s; {} batches in {} requests\n\
             latency ms: avg {:.2}, p50 {:.2}, p95 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}\n\
             processor {:.2} s user, {:.2} s system; at most {} resident\n",
            thousands(self.records),
            if self.records == 1 { "record" } else { "records" },
            self.size,
            self.seconds,
            thousands(self.written()),
            count(self.errors, "error", "errors"),
            count(self.metric("record-retry-total"), "retry", "retries"),
            match self.not_tried {
                0 => String::new(),
                not_tried => format!(", {} not tried", thousands(not_tried)),
            },
            thousands(self.records_per_second() as u64),
            self.mb_per_second(),
            thousands(self.metric("batches-ended-total")),
            thousands(self.metric("request-total")),
            latency.average_ms(),
            latency.quantile_ms(0.5),
            latency.quantile_ms(0.95),
            latency.quantile_ms(0.99),
            latency.quantile_ms(0.999),
            latency.max_ms(),
            self.usage.user,
            self.usage.system,
            talk::bytes(self.usage.max_rss as f64),
        )
    }
}

fn count(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { more })
}
