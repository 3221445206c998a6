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
/// tombstone. Its key and partition are there with the feature `keys`, its headers with `headers`, its timestamp with
/// `timestamps`: all of them on, unless a device says `default-features = false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record<'a> {
    /// The key, or null. Without [`partition`](Self::partition) it chooses the partition.
    #[cfg(any(feature = "keys", test))]
    pub key: Option<&'a [u8]>,
    /// The value, or null (a tombstone).
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    #[cfg(any(feature = "headers", test))]
    pub headers: &'a [Header<'a>],
    /// Unix milliseconds; `None` takes the host's clock, or none at all where there is no wall clock.
    #[cfg(any(feature = "timestamps", test))]
    pub timestamp: Option<Timestamp>,
    /// The partition, from 0, or the partitioner's choice.
    #[cfg(any(feature = "keys", test))]
    pub partition: Option<i32>,
}

impl<'a> Record<'a> {
    const NOTHING: Self = Self {
        #[cfg(any(feature = "keys", test))]
        key: None,
        value: None,
        #[cfg(any(feature = "headers", test))]
        headers: &[],
        #[cfg(any(feature = "timestamps", test))]
        timestamp: None,
        #[cfg(any(feature = "keys", test))]
        partition: None,
    };

    /// A record with this value and nothing else.
    pub const fn value(value: &'a [u8]) -> Self {
        let mut record = Self::NOTHING;
        record.value = Some(value);
        record
    }

    /// A record with a null value: on a compacted topic it removes the key that is set with `key`.
    pub const fn tombstone() -> Self {
        Self::NOTHING
    }

    /// The same with a key.
    #[cfg(any(feature = "keys", test))]
    #[must_use]
    pub const fn key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// The same with headers.
    #[cfg(any(feature = "headers", test))]
    #[must_use]
    pub const fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// The same with a timestamp.
    #[cfg(any(feature = "timestamps", test))]
    #[must_use]
    pub const fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The same with a partition.
    #[cfg(any(feature = "keys", test))]
    #[must_use]
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Its key, where records may have one.
    pub(crate) const fn its_key(&self) -> Option<&'a [u8]> {
        #[cfg(any(feature = "keys", test))]
        return self.key;
        #[cfg(not(any(feature = "keys", test)))]
        None
    }

    /// Its own partition, where records may have one.
    pub(crate) const fn its_partition(&self) -> Option<i32> {
        #[cfg(any(feature = "keys", test))]
        return self.partition;
        #[cfg(not(any(feature = "keys", test)))]
        None
    }

    /// Its headers, where records may have some.
    pub(crate) const fn its_headers(&self) -> &'a [Header<'a>] {
        #[cfg(any(feature = "headers", test))]
        return self.headers;
        #[cfg(not(any(feature = "headers", test)))]
        &[]
    }

    /// Its timestamp, or none.
    pub(crate) fn its_timestamp(&self) -> Timestamp {
        #[cfg(any(feature = "timestamps", test))]
        return self.timestamp.unwrap_or(Timestamp::NONE);
        #[cfg(not(any(feature = "timestamps", test)))]
        Timestamp::NONE
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
