//! Counters of what the send half did, from which a host makes Kafka's metrics. They wrap.

/// A counter that wraps: 64 bits wide, 32 on a machine of 32 bits.
#[cfg(target_pointer_width = "64")]
pub type Count = u64;
/// A counter that wraps: 64 bits wide, 32 on a machine of 32 bits.
#[cfg(not(target_pointer_width = "64"))]
pub type Count = u32;

/// What was done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
