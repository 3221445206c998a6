//! Reading batches and their records where they lie: what a broker and the tests need, and a producer does not.
//!
//! The bytes are a peer's: whatever they are, the answer is a value or a [`BatchError`]. What this checks is
//! structure, as Kafka's own reader does; whether a batch is acceptable (its CRC, its sequence, the order of
//! its offsets) is for the caller to say. Compressed records are not read.
use super::layout::{
    ATTRIBUTES, BASE_OFFSET, BASE_SEQUENCE, BASE_TIMESTAMP, CODEC_MASK, CONTROL, CRC, HEADER,
    LAST_OFFSET_DELTA, LEADER_EPOCH, LENGTH, LOG_APPEND_TIME, LOG_OVERHEAD, MAGIC, MAGIC_2, MAX_TIMESTAMP,
    PRODUCER_EPOCH, PRODUCER_ID, RECORD_COUNT, TRANSACTIONAL,
};
use super::meta::Crc32c;
use super::sequence;
use super::varint::{Cursor, zigzag, zigzag_long};
use core::fmt;

mod records;
pub use records::{Headers, RecordView, Records, varint, varlong};

/// A varint of 32 bits as a producer writes it into a record, handed to `take`: 1 to 5 bytes (`ByteUtils.writeVarint` of Apache
/// Kafka 4.3).
pub fn write_varint<T>(value: i32, take: impl FnOnce(&[u8]) -> T) -> T {
    let mut bytes = [0; 5];
    let mut out = Cursor::new(&mut bytes);
    out.varint(zigzag(value));
    let len = out.count;
    take(bytes.get(..len).unwrap_or(&bytes))
}

/// The same of 64 bits: 1 to 10 bytes (`ByteUtils.writeVarlong`).
pub fn write_varlong<T>(value: i64, take: impl FnOnce(&[u8]) -> T) -> T {
    let mut bytes = [0; 10];
    let mut out = Cursor::new(&mut bytes);
    out.varlong(zigzag_long(value));
    let len = out.count;
    take(bytes.get(..len).unwrap_or(&bytes))
}

/// Why bytes are not a batch, or not a record of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// Fewer bytes than a header takes, or than its length field says.
    Truncated,
    /// The length field says less than a header takes.
    Length(i32),
    /// A format other than 2.
    Magic(u8),
    /// The records are compressed with this codec (1 gzip, 2 snappy, 3 lz4, 4 zstd).
    Compressed(i16),
    /// The header's count of records is negative, or not that of the records that follow.
    Count(i32),
    /// A record ends early, goes on after its last field, or has a length that cannot be.
    Record,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the record batch ends early"),
            Self::Length(length) => write!(f, "a record batch cannot have the length {length}"),
            Self::Magic(magic) => write!(f, "record format {magic} where 2 is expected"),
            Self::Compressed(codec) => write!(f, "the records are compressed (codec {codec})"),
            Self::Count(count) => write!(f, "the batch does not hold the {count} records that it says"),
            Self::Record => f.write_str("a record's lengths do not agree with its bytes"),
        }
    }
}

impl core::error::Error for BatchError {}

/// The fixed fields of a batch, see [`layout`](super::layout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes behind the length field; at least 49.
    pub length: i32,
    /// Leader epoch, -1 from a producer.
    pub leader_epoch: i32,
    /// The checksum as it stands there.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: i16,
    /// Index of the last record.
    pub last_offset_delta: i32,
    /// Timestamp of the first record.
    pub base_timestamp: i64,
    /// The greatest timestamp.
    pub max_timestamp: i64,
    /// Producer id, or -1.
    pub producer_id: i64,
    /// Producer epoch, or -1.
    pub producer_epoch: i16,
    /// The first record's sequence, or -1.
    pub base_sequence: i32,
    /// How many records it says to have.
    pub count: i32,
}

impl BatchHeader {
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 mean nothing.
    pub const fn codec(&self) -> i16 {
        self.attributes & CODEC_MASK
    }

    /// Whether all records have the time of the broker's append, which is the greatest timestamp.
    pub const fn log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether it is part of a transaction.
    pub const fn transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether it is a coordinator's marker rather than data.
    pub const fn control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// The last record's sequence; -1 without one.
    pub const fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            -1 => -1,
            base => sequence::add(base, self.last_offset_delta.cast_unsigned()),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            base_offset: i64::from_be_bytes(at(bytes, BASE_OFFSET)?),
            length: i32::from_be_bytes(at(bytes, LENGTH)?),
            leader_epoch: i32::from_be_bytes(at(bytes, LEADER_EPOCH)?),
            crc: u32::from_be_bytes(at(bytes, CRC)?),
            attributes: i16::from_be_bytes(at(bytes, ATTRIBUTES)?),
            last_offset_delta: i32::from_be_bytes(at(bytes, LAST_OFFSET_DELTA)?),
            base_timestamp: i64::from_be_bytes(at(bytes, BASE_TIMESTAMP)?),
            max_timestamp: i64::from_be_bytes(at(bytes, MAX_TIMESTAMP)?),
            producer_id: i64::from_be_bytes(at(bytes, PRODUCER_ID)?),
            producer_epoch: i16::from_be_bytes(at(bytes, PRODUCER_EPOCH)?),
            base_sequence: i32::from_be_bytes(at(bytes, BASE_SEQUENCE)?),
            count: i32::from_be_bytes(at(bytes, RECORD_COUNT)?),
        })
    }
}

/// A whole batch, where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its fixed fields.
    pub header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The first batch in `bytes`, and what lies behind it.
    ///
    /// # Errors
    /// It is cut off, of another format, or its length cannot be. Of another format wins over cut off where
    /// both can be told, since older formats have shorter headers.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BatchError> {
        match bytes.get(MAGIC) {
            Some(&MAGIC_2) => {}
            Some(&other) => return Err(BatchError::Magic(other)),
            None => return Err(BatchError::Truncated),
        }
        let header = BatchHeader::parse(bytes).ok_or(BatchError::Truncated)?;
        let size = u32::try_from(header.length)
            .ok()
            .and_then(|length| usize::try_from(length.saturating_add(LOG_OVERHEAD)).ok())
            .filter(|size| *size >= HEADER)
            .ok_or(BatchError::Length(header.length))?;
        let (bytes, rest) = bytes.split_at_checked(size).ok_or(BatchError::Truncated)?;
        Ok((Self { header, bytes }, rest))
    }

    /// All its bytes, from the base offset to the last record's last.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the checksum is that of the bytes.
    pub fn crc_matches(&self, crc: Crc32c) -> bool {
        crc(0, self.bytes.get(ATTRIBUTES..).unwrap_or_default()) == self.header.crc
    }

    /// The bytes behind the header: the records, or what a codec made of them.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// Its records, in order. The last item is an error if there is damage, or records are missing or left
    /// over; those before it stand.
    pub fn records(&self) -> Records<'a> {
        Records::new(self.header, self.payload())
    }
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::meta::Builder;
    use super::super::seal::{Stamp, seal};
    use super::*;
    use crate::record::{Header, Record};
    use crate::time::Timestamp;
    use std::vec::Vec;

    fn no_crc(_: u32, _: &[u8]) -> u32 {
        0
    }

    pub(super) fn two_records() -> Vec<u8> {
        let mut buf = [0; 256];
        let mut builder = Builder::new();
        let headers = [Header { name: "n", value: None }, Header { name: "m", value: Some(b"") }];
        let record = Record::value(b"v").key(b"").headers(&headers);
        builder.append(&mut buf, &record, Timestamp(5)).unwrap();
        builder.append(&mut buf, &Record::tombstone(), Timestamp(3)).unwrap();
        let stamp = Stamp { producer_id: 9, epoch: 2, base_sequence: i32::MAX };
        assert!(seal(&mut buf, &builder, Some(stamp), true, no_crc));
        buf[..builder.len as usize].to_vec()
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = two_records();
        let (batch, rest) = Batch::parse(&bytes).unwrap();
        assert!(rest.is_empty() && batch.crc_matches(no_crc));
        let header = batch.header;
        assert_eq!((header.producer_id, header.producer_epoch, header.last_sequence()), (9, 2, 0));
        assert!(header.transactional() && !header.control() && !header.log_append_time());
        let records: Vec<_> = batch.records().map(Result::unwrap).collect();
        assert_eq!((records[0].key, records[0].value), (Some(&b""[..]), Some(&b"v"[..])));
        assert_eq!((records[1].key, records[1].value), (None, None));
        assert_eq!((records[0].timestamp.0, records[1].timestamp.0), (5, 3));
        let headers: Vec<_> = records[0].headers.collect();
        assert_eq!(headers, [(&b"n"[..], None), (&b"m"[..], Some(&b""[..]))]);
    }

    #[test]
    fn append_time_replaces_each_timestamp() {
        let mut bytes = two_records();
        bytes[ATTRIBUTES + 1] |= 8;
        bytes[MAX_TIMESTAMP..][..8].copy_from_slice(&77_i64.to_be_bytes());
        let (batch, _) = Batch::parse(&bytes).unwrap();
        assert!(batch.records().all(|record| record.unwrap().timestamp == Timestamp(77)));
    }

    #[test]
    fn a_header_that_cannot_be_is_refused() {
        let bytes = two_records();
        let with = |at: usize, field: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[at..at + field.len()].copy_from_slice(field);
            Batch::parse(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(MAGIC, &[1]), BatchError::Magic(1));
        assert_eq!(with(LENGTH, &48_i32.to_be_bytes()), BatchError::Length(48));
        assert_eq!(with(LENGTH, &(-1_i32).to_be_bytes()), BatchError::Length(-1));
        assert_eq!(with(LENGTH, &i32::MAX.to_be_bytes()), BatchError::Truncated);
        assert_eq!(Batch::parse(&bytes[..60]).unwrap_err(), BatchError::Truncated);
        assert_eq!(Batch::parse(&[]).unwrap_err(), BatchError::Truncated);
    }

    #[test]
    fn a_count_that_is_not_that_of_the_records_is_told_after_them() {
        for (count, good) in [(0, 0), (1, 1), (3, 2), (-1, 0), (i32::MAX, 2)] {
            let mut bytes = two_records();
            bytes[RECORD_COUNT..][..4].copy_from_slice(&i32::to_be_bytes(count));
            let (batch, _) = Batch::parse(&bytes).unwrap();
            let records: Vec<_> = batch.records().collect();
            assert_eq!(records.len(), good + 1, "{count}");
            assert_eq!(records[good], Err(BatchError::Count(count)));
            assert!(records[..good].iter().all(Result::is_ok));
        }
    }
}
