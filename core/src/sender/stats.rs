//! Counters of what the send half did, from which a host makes Kafka's metrics. They wrap.

/// What was done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Produce requests begun.
    pub requests: u64,
    /// Batches put into requests, retries included.
    pub batches: u64,
    /// Bytes of those batches.
    pub bytes: u64,
    /// Records in those batches.
    pub records: u64,
    /// Batches that were sent again.
    pub retries: u64,
    /// Records of those.
    pub record_retries: u64,
    /// Records that failed.
    pub record_errors: u64,
    /// Links opened.
    pub connections_opened: u64,
    /// Links closed.
    pub connections_closed: u64,
    /// Metadata answers taken.
    pub metadata_updates: u64,
    /// Milliseconds of throttling that brokers asked for.
    pub throttle_ms: u64,
    /// The longest of them.
    pub throttle_max_ms: u32,
    /// Milliseconds from opening a batch to putting it into its first request, summed over batches.
    pub queue_ms: u64,
    /// Batches those are of.
    pub queued: u64,
    /// The longest of them.
    pub queue_max_ms: u32,
    /// Milliseconds from sending a produce request to its answer, summed.
    pub latency_ms: u64,
    /// Produce answers those are of.
    pub answers: u64,
    /// The longest of them.
    pub latency_max_ms: u32,
}
