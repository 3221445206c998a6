//! What a caller hands in: a record that borrows its bytes.
use crate::time::Timestamp;

/// One header of a record. Names may repeat and keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, UTF-8; never null.
    pub name: &'a str,
    /// The value; `None` is Kafka's null, which is not the same as an empty one.
    pub value: Option<&'a [u8]>,
}

/// A record to send. Null (`None`) and empty are different things for keys and values: a null value is a
/// tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record<'a> {
    /// The key, or null. Without [`partition`](Self::partition) it chooses the partition.
    pub key: Option<&'a [u8]>,
    /// The value, or null (a tombstone).
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
    /// Unix milliseconds; `None` takes the host's clock, or none at all where there is no wall clock.
    pub timestamp: Option<Timestamp>,
    /// The partition, from 0, or the partitioner's choice.
    pub partition: Option<i32>,
}

impl<'a> Record<'a> {
    /// A record with this value and nothing else.
    pub const fn value(value: &'a [u8]) -> Self {
        Self { key: None, value: Some(value), headers: &[], timestamp: None, partition: None }
    }

    /// A record with a null value: on a compacted topic it removes the key that is set with [`key`](Self::key).
    pub const fn tombstone() -> Self {
        Self { key: None, value: None, headers: &[], timestamp: None, partition: None }
    }

    /// The same with a key.
    #[must_use]
    pub const fn key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// The same with headers.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// The same with a timestamp.
    #[must_use]
    pub const fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The same with a partition.
    #[must_use]
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }
}

/// A topic's handle: its index in the producer it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(pub u16);

/// Names one accepted record until its delivery: the batch's serial and the record's place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The batch's number within its producer; wraps after 2^32 batches.
    pub serial: u32,
    /// The record's place in its batch, from 0.
    pub index: u32,
}
