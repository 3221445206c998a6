//! What is compiled in, as constants: a host that needs less leaves cargo features out. All of them are on unless it says
//! `default-features = false`; `docs/footprint.md` says what each costs, and what a producer without it does instead.
//!
//! Constants and not `#[cfg]`: whatever the features are, all of the code is checked. What a constant excludes is not
//! linked.

/// `pieces`: a batch that was too large for its broker goes in pieces; without it such a batch fails.
pub(crate) const PIECES: bool = cfg!(feature = "pieces");
/// `notes`: what the broker says about a refusal is kept for the delivery: its message, and which records are to blame.
pub(crate) const NOTES: bool = cfg!(feature = "notes");
/// `acks-zero`: the setting `acks=0`.
pub(crate) const ACKS_ZERO: bool = cfg!(feature = "acks-zero");
/// `leader-hints`: the leader that a refusal names is followed at once (KIP-951), instead of after metadata.
pub(crate) const HINTS: bool = cfg!(feature = "leader-hints");
/// `adaptive`: records without a key prefer partitions with short queues; without it each is as likely.
pub(crate) const ADAPTIVE: bool = cfg!(feature = "adaptive");
/// `old-brokers`: those before Kafka 2.8, which speak no flexible versions of all messages.
pub(crate) const OLD_BROKERS: bool = cfg!(feature = "old-brokers");
/// `topic-ids`: Metadata 10 and Produce 13 and above, which name topics by their ids, and let a broker send its clients back
/// to the bootstrap servers (KIP-1102).
pub(crate) const TOPIC_IDS: bool = cfg!(feature = "topic-ids");
/// `shared-requests`: a request carries batches of several partitions; without it, one batch.
pub(crate) const SHARED: bool = cfg!(feature = "shared-requests");
/// `timestamps`: records have one; without it, none that a broker would keep.
pub(crate) const TIMESTAMPS: bool = cfg!(any(feature = "timestamps", test));
/// `idle`: links and topics that were not used for long are given up.
pub(crate) const IDLE: bool = cfg!(feature = "idle");
/// `trouble`: why a link was given up last.
pub(crate) const TROUBLE: bool = cfg!(feature = "trouble");
/// `pipelining`: up to five requests of a link, and batches of a partition, in flight; without it, one.
pub(crate) const PIPELINING: bool = cfg!(feature = "pipelining");
