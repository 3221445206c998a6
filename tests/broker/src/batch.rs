//! A record batch of magic 2 as a broker looks at it: where it ends, its header, and its rewriting at the append.
//!
//! It is not the producer's builder, and shares no code with it: a mistake there must not be repeated here.
//! Invariant: nothing here panics on any bytes.
//!
//! ```text
//! 0 baseOffset 8 | 8 length 4 | 12 leaderEpoch 4 | 16 magic 1 | 17 crc 4 | 21 attributes 2 | 23 lastOffsetDelta 4
//! 27 baseTimestamp 8 | 35 maxTimestamp 8 | 43 producerId 8 | 51 producerEpoch 2 | 53 baseSequence 4 | 57 count 4
//! 61 records
//! ```
//! Source: `DefaultRecordBatch`, `ByteBufferLogInputStream` of Kafka 4.3.
use crate::settings::TimestampType;

/// Bytes before the first record.
pub(crate) const HEADER: usize = 61;
/// Base offset and length, which the length field does not count.
const LOG_OVERHEAD: usize = 12;
/// The length field is at least that of the smallest message of magic 0.
const MIN_LENGTH: i32 = 14;
/// Where the producer id ends.
pub(crate) const PRODUCER_ID_END: usize = 51;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;

const COMPRESSION: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// zstd's number in the attributes.
pub(crate) const ZSTD: i16 = 4;

/// Sizes or magic that no batch has: CORRUPT_MESSAGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupt;

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    bytes.get(at..)?.first_chunk().copied().map(i64::from_be_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().copied().map(i32::from_be_bytes)
}

fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    bytes.get(at..)?.first_chunk().copied().map(i16::from_be_bytes)
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value;
    }
}

/// The first batch of a record set and what follows it; `None` when too little is there, as at its end.
/// The batch may be of any magic from 0 to 2 and shorter than a header.
pub(crate) fn split_first(records: &[u8]) -> Result<Option<(Batch<'_>, &[u8])>, Corrupt> {
    let Some(length) = i32_at(records, 8) else { return Ok(None) };
    if length < MIN_LENGTH {
        return Err(Corrupt);
    }
    let Some(&magic) = records.get(16) else { return Ok(None) };
    if magic > 2 {
        return Err(Corrupt);
    }
    let size = usize::try_from(length).map_err(|_| Corrupt)?.saturating_add(LOG_OVERHEAD);
    Ok(records.split_at_checked(size).map(|(bytes, rest)| (Batch { bytes }, rest)))
}

/// One batch by its own length field; at least 26 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// A batch that was accepted before, whole.
    pub(crate) fn stored(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn magic(self) -> u8 {
        self.bytes.get(16).copied().unwrap_or_default()
    }

    /// The low byte of the attributes, the only one Kafka looks at.
    fn attributes(self) -> i16 {
        i16_at(self.bytes, ATTRIBUTES).unwrap_or_default() & 0xff
    }

    pub(crate) fn compression(self) -> i16 {
        self.attributes() & COMPRESSION
    }

    pub(crate) fn is_transactional(self) -> bool {
        // A message of an older magic has other things there.
        self.magic() == 2 && self.attributes() & TRANSACTIONAL != 0
    }

    pub(crate) fn base_offset(self) -> i64 {
        i64_at(self.bytes, 0).unwrap_or_default()
    }

    /// Whether the checksum is that of the bytes.
    pub(crate) fn crc_matches(self) -> bool {
        let stored = i32_at(self.bytes, CRC).unwrap_or_default().cast_unsigned();
        self.bytes.get(ATTRIBUTES..).is_some_and(|covered| crc32c::crc32c(covered) == stored)
    }

    /// The fixed fields; `None` if the batch is shorter than they are.
    pub(crate) fn header(self) -> Option<Header> {
        let b = self.bytes.first_chunk::<HEADER>()?.as_slice();
        let attributes = self.attributes();
        Some(Header {
            base_offset: i64_at(b, 0)?,
            timestamp_type: if attributes & LOG_APPEND_TIME == 0 {
                TimestampType::CreateTime
            } else {
                TimestampType::LogAppendTime
            },
            compression: attributes & COMPRESSION,
            is_transactional: attributes & TRANSACTIONAL != 0,
            is_control: attributes & CONTROL != 0,
            last_offset_delta: i32_at(b, 23)?,
            base_timestamp: i64_at(b, 27)?,
            max_timestamp: i64_at(b, 35)?,
            producer_id: i64_at(b, 43)?,
            producer_epoch: i16_at(b, 51)?,
            base_sequence: i32_at(b, 53)?,
            count: i32_at(b, 57)?,
        })
    }

    /// The bytes of the records.
    pub(crate) fn records(self) -> &'a [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }
}

/// The fixed fields of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The first record's offset.
    pub base_offset: i64,
    /// Whose timestamps the records carry.
    pub timestamp_type: TimestampType,
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression: i16,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// A transaction's marker.
    pub is_control: bool,
    /// The last record's offset, relative.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to, Unix ms.
    pub base_timestamp: i64,
    /// The greatest timestamp, or the broker's, Unix ms.
    pub max_timestamp: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// -1 without idempotence.
    pub base_sequence: i32,
    /// How many records.
    pub count: i32,
}

impl Header {
    /// The last record's sequence, -1 without.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == -1 { -1 } else { advance(self.base_sequence, self.last_offset_delta) }
    }

    /// Whether an idempotent producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > -1
    }
}

/// `sequence` + `by`, which begins at 0 again after 2^31 - 1.
pub(crate) fn advance(sequence: i32, by: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(by) {
        by.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1)
    } else {
        sequence.wrapping_add(by)
    }
}

/// What the log writes into a batch that it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) base_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) max_timestamp: i64,
}

/// The batch as it lies in the log. Its CRC is computed again only if a field under it changed.
pub(crate) fn stamped(batch: Batch<'_>, header: &Header, stamp: Stamp) -> Box<[u8]> {
    let mut bytes: Box<[u8]> = batch.bytes.into();
    put(&mut bytes, 0, stamp.base_offset.to_be_bytes());
    put(&mut bytes, 12, stamp.leader_epoch.to_be_bytes());
    if stamp.timestamp_type != header.timestamp_type || stamp.max_timestamp != header.max_timestamp {
        let kept = batch.attributes() & (COMPRESSION | TRANSACTIONAL | CONTROL | DELETE_HORIZON);
        let of_type = if stamp.timestamp_type == TimestampType::LogAppendTime { LOG_APPEND_TIME } else { 0 };
        put(&mut bytes, ATTRIBUTES, (kept | of_type).to_be_bytes());
        put(&mut bytes, 35, stamp.max_timestamp.to_be_bytes());
        let crc = crc32c::crc32c(bytes.get(ATTRIBUTES..).unwrap_or_default());
        put(&mut bytes, CRC, crc.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::BatchBuilder;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(advance(i32::MAX, 1), 0);
        assert_eq!(advance(i32::MAX - 1, 3), 1);
        assert_eq!(advance(5, 0), 5);
    }

    #[test]
    fn a_batch_ends_where_its_length_says() {
        let bytes = BatchBuilder::new().value(b"a").build();
        let mut two = bytes.clone();
        two.extend_from_slice(&bytes);
        let (first, rest) = split_first(&two).unwrap().unwrap();
        assert_eq!((first.bytes(), rest), (&bytes[..], &bytes[..]));
        assert!(split_first(&bytes[..bytes.len() - 1]).unwrap().is_none());
        assert!(split_first(&[]).unwrap().is_none());
    }

    #[test]
    fn an_impossible_length_or_magic_is_corrupt() {
        let mut bytes = BatchBuilder::new().value(b"a").build();
        bytes[16] = 3;
        assert_eq!(split_first(&bytes).unwrap_err(), Corrupt);
        bytes[16] = 2;
        put(&mut bytes, 8, 13i32.to_be_bytes());
        assert_eq!(split_first(&bytes).unwrap_err(), Corrupt);
    }

    #[test]
    fn stamping_keeps_the_crc_right() {
        let bytes = BatchBuilder::new().timestamp(1000).value(b"a").build();
        let (batch, _) = split_first(&bytes).unwrap().unwrap();
        let header = batch.header().unwrap();
        let stamp = Stamp {
            base_offset: 7,
            leader_epoch: 3,
            timestamp_type: TimestampType::CreateTime,
            max_timestamp: 1000,
        };
        let same = stamped(batch, &header, stamp);
        assert_eq!(same[17..], bytes[17..]);
        let appended = stamped(
            batch,
            &header,
            Stamp { timestamp_type: TimestampType::LogAppendTime, max_timestamp: 5000, ..stamp },
        );
        let appended = Batch::stored(&appended);
        assert!(appended.crc_matches());
        let header = appended.header().unwrap();
        assert_eq!((header.base_offset, header.max_timestamp), (7, 5000));
        assert_eq!(header.timestamp_type, TimestampType::LogAppendTime);
    }
}
