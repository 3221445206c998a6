//! The records inside a batch, read one after the other.
//!
//! Source: `DefaultRecord.readFrom` of Kafka 4.3, with its leniencies: any negative length is null, and only the
//! end of a record is compared with its declared size.
use crate::batch::{Header, advance, split_first};
use crate::settings::TimestampType;

/// One record; its bytes are the batch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Its offset in the log.
    pub offset: i64,
    /// Unix ms; the broker's in a batch of LogAppendTime.
    pub timestamp: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// Its own sequence, -1 without idempotence.
    pub sequence: i32,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: RecordHeaders<'a>,
}

impl<'a> Record<'a> {
    /// The headers in order; keys may repeat, `None` is a null value.
    pub fn headers(&self) -> RecordHeaders<'a> {
        self.headers
    }
}

/// The records of batches as a fetch answers them, in order. Ends at the first batch that is damaged, compressed or
/// cut short, as the last one of an answer may be.
pub fn fetched_records(mut batches: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let each = std::iter::from_fn(move || {
        let (batch, rest) = split_first(batches).ok()??;
        batches = rest;
        let header = batch.header().filter(|header| header.compression == 0 && batch.crc_matches())?;
        Some(Records::new(header, batch.records()).map_while(Result::ok))
    });
    each.flatten()
}

/// The headers of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeaders<'a> {
    rest: &'a [u8],
    left: i32,
}

impl<'a> Iterator for RecordHeaders<'a> {
    /// Name and value.
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut cursor = Cursor { rest: self.rest };
        let key = cursor.bytes().ok()??;
        let value = cursor.bytes().ok()?;
        self.rest = cursor.rest;
        Some((key, value))
    }
}

/// What is wrong with a batch's records as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRecord {
    /// INVALID_RECORD.
    Invalid,
    /// A record's size is no varint: Kafka fails without a name for it, UNKNOWN_SERVER_ERROR.
    SizeIsNoVarint,
}

/// The records of a batch without compression. Ends after the first one that is damaged.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    cursor: Cursor<'a>,
    header: Header,
    left: i32,
}

impl<'a> Records<'a> {
    pub(crate) fn new(header: Header, records: &'a [u8]) -> Self {
        Self { cursor: Cursor { rest: records }, header, left: header.count }
    }

    fn read(&mut self) -> Result<Record<'a>, BadRecord> {
        let size = match self.cursor.varint() {
            Ok(size) => size,
            Err(Damage::Underflow) => return Err(BadRecord::Invalid),
            Err(Damage::TooLong) => return Err(BadRecord::SizeIsNoVarint),
        };
        let size = usize::try_from(size).map_err(|_| BadRecord::Invalid)?;
        // Fields may run over the record's own end; that shows when its size is compared.
        let before = self.cursor.rest.len();
        if before < size {
            return Err(BadRecord::Invalid);
        }
        let record = self.fields().map_err(|_| BadRecord::Invalid)?;
        if before - self.cursor.rest.len() != size {
            return Err(BadRecord::Invalid);
        }
        Ok(record)
    }

    fn fields(&mut self) -> Result<Record<'a>, Damage> {
        let header = &self.header;
        let cursor = &mut self.cursor;
        cursor.byte()?;
        let timestamp = match header.timestamp_type {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(cursor.varlong()?),
            TimestampType::LogAppendTime => {
                cursor.varlong()?;
                header.max_timestamp
            }
        };
        let offset_delta = cursor.varint()?;
        let key = cursor.bytes()?;
        let value = cursor.bytes()?;
        let count = cursor.varint()?;
        if count < 0 || count as usize > cursor.rest.len() {
            return Err(Damage::TooLong);
        }
        let headers = RecordHeaders { rest: cursor.rest, left: count };
        for _ in 0..count {
            cursor.bytes()?.ok_or(Damage::TooLong)?;
            cursor.bytes()?;
        }
        Ok(Record {
            offset: header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            sequence: if header.base_sequence >= 0 {
                advance(header.base_sequence, offset_delta)
            } else {
                -1
            },
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let mut record = self.read();
        if self.left == 0 && !self.cursor.rest.is_empty() {
            record = record.and(Err(BadRecord::Invalid));
        }
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Underflow,
    TooLong,
}

#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Result<u8, Damage> {
        let (&byte, rest) = self.rest.split_first().ok_or(Damage::Underflow)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The raw bits of a varint of up to `MAX` bytes; most have one.
    #[inline]
    fn raw<const MAX: u32>(&mut self) -> Result<u64, Damage> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long::<MAX>(),
        }
    }

    fn long<const MAX: u32>(&mut self) -> Result<u64, Damage> {
        let mut value = 0u64;
        for i in 0..MAX {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(7 * i).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::TooLong)
    }

    #[inline]
    fn varint(&mut self) -> Result<i32, Damage> {
        let raw = self.raw::<5>()? as u32;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, Damage> {
        let raw = self.raw::<10>()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// A varint length and as many bytes; any negative length is null.
    fn bytes(&mut self) -> Result<Option<&'a [u8]>, Damage> {
        let Ok(len) = usize::try_from(self.varint()?) else { return Ok(None) };
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Damage::Underflow)?;
        self.rest = rest;
        Ok(Some(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::testing::{BatchBuilder, TestRecord};

    fn records(bytes: &[u8]) -> Vec<Result<Record<'_>, BadRecord>> {
        let (batch, _): (Batch<'_>, _) = split_first(bytes).unwrap().unwrap();
        Records::new(batch.header().unwrap(), batch.records()).collect()
    }

    #[test]
    fn records_read_back_with_null_and_empty_apart() {
        let bytes = BatchBuilder::new()
            .producer(9, 1, i32::MAX)
            .timestamp(1000)
            .record(TestRecord::new().key(b"k").value(b"v").header(b"h", None).header(b"h", Some(b"")))
            .record(TestRecord::new().key(b"").timestamp(998))
            .build();
        let all = records(&bytes);
        let [Ok(first), Ok(second)] = all[..] else { panic!("{all:?}") };
        assert_eq!(
            (first.key, first.value, first.sequence, first.timestamp),
            (Some(&b"k"[..]), Some(&b"v"[..]), i32::MAX, 1000)
        );
        assert_eq!(first.headers().collect::<Vec<_>>(), [(&b"h"[..], None), (&b"h"[..], Some(&b""[..]))]);
        assert_eq!(
            (second.key, second.value, second.sequence, second.timestamp),
            (Some(&b""[..]), None, 0, 998)
        );
        assert_eq!(second.offset, 1);
    }

    #[test]
    fn fetched_batches_are_read_up_to_one_that_is_cut_short_or_damaged() {
        let batch = |value: &[u8]| BatchBuilder::new().value(value).value(b"2").build();
        let bytes = [batch(b"a"), batch(b"b"), batch(b"c")].concat();
        let values = |bytes: &[u8]| -> Vec<Vec<u8>> {
            fetched_records(bytes).map(|record| record.value.unwrap_or_default().to_vec()).collect()
        };
        assert_eq!(values(&bytes), [b"a", b"2", b"b", b"2", b"c", b"2"]);
        assert_eq!(values(&bytes[..bytes.len() - 1]), [b"a", b"2", b"b", b"2"]);
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 3 + 70] ^= 1;
        assert_eq!(values(&damaged), [b"a", b"2"]);
    }

    #[test]
    fn a_count_above_or_below_the_records_is_invalid() {
        let mut bytes = BatchBuilder::new().value(b"a").value(b"b").build();
        bytes[60] = 3;
        assert_eq!(records(&bytes).last(), Some(&Err(BadRecord::Invalid)));
        bytes[60] = 1;
        assert_eq!(records(&bytes).last(), Some(&Err(BadRecord::Invalid)));
    }

    #[test]
    fn a_size_that_is_no_varint_has_no_name() {
        let mut bytes = BatchBuilder::new().value(b"abcdef").build();
        bytes[61..66].fill(0xff);
        assert_eq!(records(&bytes), [Err(BadRecord::SizeIsNoVarint)]);
    }

    #[test]
    fn a_record_may_not_be_longer_or_shorter_than_its_size() {
        let good = BatchBuilder::new().value(b"abcdef").build();
        for size in [good[61] - 2, good[61] + 2] {
            let mut bytes = good.clone();
            bytes[61] = size;
            assert_eq!(records(&bytes), [Err(BadRecord::Invalid)]);
        }
    }
}
