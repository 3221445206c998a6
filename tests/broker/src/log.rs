//! The log of one partition: batches as sent, with base offset, leader epoch and (LogAppendTime) timestamps
//! patched, and the memory of their producers.
//!
//! There is one log for all replicas, the leader's; what followers have of it is `replication`'s. Invariant: batches
//! lie in offset order without gaps, `start <= end`.
//! Source: `UnifiedLog.append`, `LogValidator` of Kafka 4.3. Inside a compressed batch nothing is looked at.
use std::collections::VecDeque;

use crate::batch::{Batch, Header, Stamp, ZSTD, stamped};
use crate::producer_state::{Producers, Verdict};
use crate::record::{BadRecord, Record, Records};
use crate::settings::{TimestampType, TopicConfig};
use kurier_core::wire::ErrorCode;

/// A batch in the log.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) base_offset: i64,
    /// The offset after its last record.
    pub(crate) end_offset: i64,
    pub(crate) bytes: Box<[u8]>,
}

/// One partition's log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    batches: VecDeque<Stored>,
    start: i64,
    end: i64,
    /// Sum of the batches' bytes.
    size: u64,
    pub(crate) producers: Producers,
}

/// Where a batch went, or had gone before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Append {
    pub(crate) base_offset: i64,
    /// The offset after its last record.
    pub(crate) end_offset: i64,
    /// The broker's time, or -1. A duplicate has its batch's greatest timestamp here, whatever its type.
    pub(crate) log_append_time: i64,
    pub(crate) duplicate: bool,
}

/// Why a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    /// Kafka tells its log start offset with some refusals and -1 with others.
    pub(crate) tells_log_start: bool,
    /// The records at fault (KIP-467), by their index in the batch.
    pub(crate) records: Vec<(i32, &'static str)>,
    /// Of the batch as a whole.
    pub(crate) message: Option<&'static str>,
    /// It is in the leader's log all the same: what failed is the waiting for the other replicas.
    pub(crate) appended: Option<Append>,
}

impl Refusal {
    /// Refused before the log was asked.
    pub(crate) fn early(error: ErrorCode) -> Self {
        Self { error, tells_log_start: false, records: Vec::new(), message: None, appended: None }
    }

    /// Refused by the log.
    fn by_log(error: ErrorCode) -> Self {
        Self { tells_log_start: true, ..Self::early(error) }
    }
}

impl Log {
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Judges a batch of a client and takes it if it is right.
    pub(crate) fn append(
        &mut self,
        batch: Batch<'_>,
        config: &TopicConfig,
        leader_epoch: i32,
        now: i64,
    ) -> Result<Append, Refusal> {
        let header = check_batch(batch, config)?;
        let found = if header.compression == 0 {
            check_records(batch, &header, config, now)?
        } else {
            header.max_timestamp
        };
        let max_timestamp = if config.timestamp_type == TimestampType::LogAppendTime { now } else { found };
        if header.has_producer_id() {
            match self.producers.check(&header) {
                Verdict::Append => {}
                Verdict::Duplicate(of) => {
                    return Ok(Append {
                        base_offset: of.base_offset,
                        end_offset: of.base_offset + i64::from(header.count),
                        log_append_time: of.timestamp,
                        duplicate: true,
                    });
                }
                Verdict::Refuse(error) => return Err(Refusal::by_log(error)),
            }
            self.producers.appended(&header, self.end, max_timestamp);
        }
        let base_offset = self.end;
        let stamp = Stamp { base_offset, leader_epoch, timestamp_type: config.timestamp_type, max_timestamp };
        self.push(stamped(batch, &header, stamp), i64::from(header.count));
        if let Some(retention) = config.retention_bytes {
            self.retain(retention);
        }
        let log_append_time = if config.timestamp_type == TimestampType::LogAppendTime { now } else { -1 };
        Ok(Append { base_offset, end_offset: self.end, log_append_time, duplicate: false })
    }

    fn push(&mut self, bytes: Box<[u8]>, count: i64) {
        let base_offset = self.end;
        self.end += count;
        self.size += bytes.len() as u64;
        self.batches.push_back(Stored { base_offset, end_offset: self.end, bytes });
    }

    /// Drops the oldest batches until `bytes` are not exceeded; the newest stays.
    fn retain(&mut self, bytes: u64) {
        while self.size > bytes && self.batches.len() > 1 {
            if let Some(oldest) = self.batches.pop_front() {
                self.size -= oldest.bytes.len() as u64;
                self.start = self.start.max(oldest.end_offset);
            }
        }
    }

    /// Moves the log's start, as DeleteRecords does; batches wholly before it are dropped.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        self.start = offset.clamp(self.start, self.end);
        while self.batches.front().is_some_and(|batch| batch.end_offset <= self.start) {
            if let Some(oldest) = self.batches.pop_front() {
                self.size -= oldest.bytes.len() as u64;
            }
        }
    }

    /// Drops what lies from the batch of `offset` on, as a follower does that becomes leader without it; what is
    /// remembered of producers is read from what is left.
    pub(crate) fn truncate(&mut self, offset: i64) {
        while self.batches.back().is_some_and(|batch| batch.end_offset > offset) {
            if let Some(newest) = self.batches.pop_back() {
                self.size -= newest.bytes.len() as u64;
                self.end = newest.base_offset;
            }
        }
        self.start = self.start.min(self.end);
        self.producers.clear();
        for stored in &self.batches {
            let header = Batch::stored(&stored.bytes).header();
            if let Some(header) = header.filter(Header::has_producer_id) {
                self.producers.appended(&header, stored.base_offset, header.max_timestamp);
            }
        }
    }

    /// The batches from the one that holds `offset` on.
    pub(crate) fn batches_from(&self, offset: i64) -> impl Iterator<Item = &Stored> {
        let first = self.batches.partition_point(|batch| batch.end_offset <= offset);
        self.batches.range(first..)
    }

    /// Every record, oldest first; those of compressed batches are left out.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let start = self.start;
        self.batches.iter().flat_map(Stored::records).filter(move |record| record.offset >= start)
    }
}

impl Stored {
    /// Its records, unless they are compressed.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let batch = Batch::stored(&self.bytes);
        let header = batch.header().filter(|header| header.compression == 0);
        header
            .into_iter()
            .flat_map(move |header| Records::new(header, batch.records()).filter_map(Result::ok))
    }
}

/// The checks on a batch as a whole, in Kafka's order.
fn check_batch(batch: Batch<'_>, config: &TopicConfig) -> Result<Header, Refusal> {
    if batch.base_offset() != 0 {
        return Err(Refusal::by_log(ErrorCode::INVALID_RECORD));
    }
    let size = batch.bytes().len();
    if size > usize::try_from(config.max_message_bytes).unwrap_or(0) {
        return Err(Refusal::early(ErrorCode::MESSAGE_TOO_LARGE));
    }
    let Some(header) = batch.header().filter(|_| batch.crc_matches()) else {
        return Err(Refusal::early(ErrorCode::CORRUPT_MESSAGE));
    };
    if header.compression > ZSTD {
        return Err(Refusal::by_log(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    let counts = header.count > 0 && i64::from(header.last_offset_delta) + 1 == i64::from(header.count);
    let sequenced = !header.has_producer_id() || header.base_sequence >= 0;
    if counts && sequenced && !header.is_control {
        Ok(header)
    } else {
        Err(Refusal::by_log(ErrorCode::INVALID_RECORD))
    }
}

/// The checks on every record; the greatest timestamp if all are right.
fn check_records(batch: Batch<'_>, header: &Header, config: &TopicConfig, now: i64) -> Result<i64, Refusal> {
    let mut refused = Vec::new();
    let mut error = ErrorCode::INVALID_RECORD;
    let mut max_timestamp = -1;
    for (index, record) in (0i32..).zip(Records::new(*header, batch.records())) {
        let record = record.map_err(|bad| {
            Refusal::by_log(match bad {
                BadRecord::Invalid => ErrorCode::INVALID_RECORD,
                BadRecord::SizeIsNoVarint => ErrorCode::UNKNOWN_SERVER_ERROR,
            })
        })?;
        max_timestamp = max_timestamp.max(record.timestamp);
        if config.compact && record.key.is_none() {
            refused.push((index, "a compacted topic takes no record without a key"));
        } else if let Some(reason) = bad_timestamp(record.timestamp, header, config, now) {
            error = ErrorCode::INVALID_TIMESTAMP;
            refused.push((index, reason));
        }
    }
    if refused.is_empty() {
        return Ok(max_timestamp);
    }
    let message = if error == ErrorCode::INVALID_TIMESTAMP {
        "the timestamp of a record is not allowed"
    } else {
        "a record is not allowed"
    };
    Err(Refusal { records: refused, message: Some(message), ..Refusal::by_log(error) })
}

fn bad_timestamp(timestamp: i64, header: &Header, config: &TopicConfig, now: i64) -> Option<&'static str> {
    if config.timestamp_type == TimestampType::CreateTime && timestamp != -1 {
        let age = now.wrapping_sub(timestamp);
        let bad = age > config.timestamp_before_max_ms || age.wrapping_neg() > config.timestamp_after_max_ms;
        bad.then_some("the timestamp is too far from the broker's time")
    } else {
        let bad = header.timestamp_type == TimestampType::LogAppendTime;
        bad.then_some("a producer may not say that the timestamp is the broker's")
    }
}
