//! What tests ask a cluster behind its brokers' backs: what really lies in the logs.
use crate::batch::{Batch, Header};
use crate::cluster::Cluster;
use crate::log::Stored;
use crate::record::Record;

/// A batch in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedBatch<'a> {
    /// Its fixed fields.
    pub header: Header,
    /// All of it, as a fetch would give it.
    pub bytes: &'a [u8],
}

impl Cluster {
    /// Every record of a partition, oldest first. The records of compressed batches are left out.
    pub fn records(&self, topic: &str, partition: i32) -> impl Iterator<Item = Record<'_>> {
        self.partition(topic, partition).into_iter().flat_map(|partition| partition.log.records())
    }

    /// Every record that a partition has lost with a leader, in the order of the losses.
    pub fn lost(&self, topic: &str, partition: i32) -> impl Iterator<Item = Record<'_>> {
        let stored =
            self.partition(topic, partition).into_iter().flat_map(|partition| &partition.followers.lost);
        stored.flat_map(Stored::records)
    }

    /// Every batch of a partition, oldest first.
    pub fn batches(&self, topic: &str, partition: i32) -> impl Iterator<Item = LoggedBatch<'_>> {
        let stored =
            self.partition(topic, partition).into_iter().flat_map(|partition| partition.log.batches_from(0));
        stored.filter_map(|stored| {
            let batch = Batch::stored(&stored.bytes);
            batch.header().map(|header| LoggedBatch { header, bytes: batch.bytes() })
        })
    }

    /// The log's first offset.
    pub fn log_start(&self, topic: &str, partition: i32) -> Option<i64> {
        self.partition(topic, partition).map(|partition| partition.log.start())
    }

    /// The offset the next record gets; also the high watermark.
    pub fn log_end(&self, topic: &str, partition: i32) -> Option<i64> {
        self.partition(topic, partition).map(|partition| partition.log.end())
    }

    /// The bytes kept of a partition.
    pub fn log_size(&self, topic: &str, partition: i32) -> Option<u64> {
        self.partition(topic, partition).map(|partition| partition.log.size())
    }

    /// The idempotent producers a partition remembers: id, epoch, last sequence.
    pub fn producers(&self, topic: &str, partition: i32) -> impl Iterator<Item = (i64, i16, i32)> + '_ {
        self.partition(topic, partition).into_iter().flat_map(|partition| partition.log.producers.iter())
    }

    /// How many producer ids were handed out.
    pub fn producer_ids(&self) -> i64 {
        self.state.identities.next() - self.state.settings.first_producer_id
    }
}
