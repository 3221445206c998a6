//! What was counted, in the text format of Prometheus. Nothing of it names a client, a topic or a record.
use crate::refusal::Kind;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only its readers look at: no order with anything else is needed.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of a bridge since its start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Count,
    pub(crate) requests: Count,
    pub(crate) throttled: Count,
    pub(crate) bytes_up: Count,
    pub(crate) bytes_down: Count,
    pub(crate) vanished: Count,
    refusals: [Count; Kind::ALL.len()],
}

impl Metrics {
    pub(crate) fn refused(&self, kind: Kind) {
        if let Some(count) =
            Kind::ALL.iter().position(|k| *k == kind).and_then(|index| self.refusals.get(index))
        {
            count.add(1);
        }
    }

    pub(crate) fn refusals(&self, kind: Kind) -> u64 {
        let found = Kind::ALL.iter().zip(&self.refusals).find(|(k, _)| **k == kind);
        found.map_or(0, |(_, count)| count.value())
    }

    /// All of it, with the number of connections that are open now.
    pub(crate) fn text(&self, open: usize) -> String {
        let mut text = String::new();
        let counters = [
            ("connections", "WebSockets that were opened", &self.connections),
            ("requests", "Requests that were let through", &self.requests),
            ("throttled", "Requests that waited for --max-requests-per-second", &self.throttled),
            ("request_bytes", "Bytes sent to brokers", &self.bytes_up),
            ("answer_bytes", "Bytes sent to clients", &self.bytes_down),
            ("vanished", "Connections that clients have left without a word", &self.vanished),
        ];
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# HELP kurier_bridge_open Connections that are open.\n# TYPE kurier_bridge_open gauge\nkurier_bridge_open {open}"
        );
        for (name, help, count) in counters {
            let _ = writeln!(
                text,
                "# HELP kurier_bridge_{name}_total {help}.\n# TYPE kurier_bridge_{name}_total counter\nkurier_bridge_{name}_total {}",
                count.value()
            );
        }
        let _ = writeln!(
            text,
            "# HELP kurier_bridge_refusals_total Connections that the bridge has ended.\n# TYPE kurier_bridge_refusals_total counter"
        );
        for kind in Kind::ALL {
            let _ = writeln!(
                text,
                "kurier_bridge_refusals_total{{reason=\"{}\"}} {}",
                kind.name(),
                self.refusals(kind)
            );
        }
        text
    }
}
