//! Counters of what the send half did, from which a host makes Kafka's metrics. They wrap.

/// A counter that wraps: 64 bits wide, 32 on a machine of 32 bits.
#[cfg(target_pointer_width = "64")]
pub type Count = u64;
/// A counter that wraps: 64 bits wide, 32 on a machine of 32 bits.
#[cfg(not(target_pointer_width = "64"))]
pub type Count = u32;

/// What was done since the start; all zero without the feature `stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Produce requests begun.
    pub requests: Count,
    /// Batches put into requests, retries included.
    pub batches: Count,
    /// Bytes of those batches.
    pub bytes: Count,
    /// Records in those batches.
    pub records: Count,
    /// Batches that were sent again.
    pub retries: Count,
    /// Records of those.
    pub record_retries: Count,
    /// Batches that went on in pieces, because their broker called them too large.
    pub splits: Count,
    /// Records that failed.
    pub record_errors: Count,
    /// Links opened.
    pub connections_opened: Count,
    /// Links closed.
    pub connections_closed: Count,
    /// Metadata answers taken.
    pub metadata_updates: Count,
    /// Milliseconds of throttling that brokers asked for.
    pub throttle_ms: Count,
    /// The longest of them.
    pub throttle_max_ms: u32,
    /// Milliseconds from opening a batch to putting it into its first request, summed over batches.
    pub queue_ms: Count,
    /// Batches those are of.
    pub queued: Count,
    /// The longest of them.
    pub queue_max_ms: u32,
    /// Milliseconds from sending a produce request to its answer, summed.
    pub latency_ms: Count,
    /// Produce answers those are of.
    pub answers: Count,
    /// The longest of them.
    pub latency_max_ms: u32,
}

impl Stats {
    /// Nothing was done yet.
    pub const NONE: Self = Self {
        requests: 0,
        batches: 0,
        bytes: 0,
        records: 0,
        retries: 0,
        record_retries: 0,
        splits: 0,
        record_errors: 0,
        connections_opened: 0,
        connections_closed: 0,
        metadata_updates: 0,
        throttle_ms: 0,
        throttle_max_ms: 0,
        queue_ms: 0,
        queued: 0,
        queue_max_ms: 0,
        latency_ms: 0,
        answers: 0,
        latency_max_ms: 0,
    };
}

impl Default for Stats {
    fn default() -> Self {
        Self::NONE
    }
}

/// The counters of a send half: there only with the feature `stats`.
#[derive(Debug)]
pub(super) struct Counters {
    #[cfg(feature = "stats")]
    stats: Stats,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            #[cfg(feature = "stats")]
            stats: Stats::NONE,
        }
    }

    /// Counts so many more of something.
    #[cfg_attr(not(feature = "stats"), allow(unused_variables, clippy::unused_self))]
    pub(super) fn add(&mut self, what: impl FnOnce(&mut Stats) -> &mut Count, more: u32) {
        #[cfg(feature = "stats")]
        {
            let count = what(&mut self.stats);
            *count = count.wrapping_add(Count::from(more));
        }
    }

    /// Takes note of a time, in ms, if it is the longest so far.
    #[cfg_attr(not(feature = "stats"), allow(unused_variables, clippy::unused_self))]
    pub(super) fn longest(&mut self, what: impl FnOnce(&mut Stats) -> &mut u32, ms: u32) {
        #[cfg(feature = "stats")]
        {
            let longest = what(&mut self.stats);
            *longest = ms.max(*longest);
        }
    }

    #[cfg(feature = "stats")]
    pub(super) const fn read(&self) -> &Stats {
        &self.stats
    }

    #[cfg(not(feature = "stats"))]
    pub(super) const fn read(&self) -> &Stats {
        &Stats::NONE
    }
}

#[cfg(all(test, feature = "stats"))]
mod tests {
    use super::*;

    #[test]
    fn a_counter_wraps() {
        let mut counters = Counters::new();
        counters.stats.bytes = Count::MAX;
        counters.add(|stats| &mut stats.bytes, 3);
        counters.longest(|stats| &mut stats.queue_max_ms, 7);
        counters.longest(|stats| &mut stats.queue_max_ms, 5);
        assert_eq!((counters.read().bytes, counters.read().queue_max_ms), (2, 7));
    }
}
