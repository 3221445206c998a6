//! The records of a batch, one after the other, and their headers.
use super::{BatchError, BatchHeader};
use crate::time::Timestamp;

/// A record, where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// 0; no bit has a meaning yet.
    pub attributes: u8,
    /// Its index in the batch, as written there.
    pub offset_delta: i32,
    /// Its timestamp: its own, or that of the broker's append.
    pub timestamp: Timestamp,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: Headers<'a>,
}

/// The records of a batch, see [`Batch::records`](super::Batch::records).
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: BatchHeader,
    rest: Reader<'a>,
    seen: i32,
    error: Option<BatchError>,
    done: bool,
}

impl<'a> Records<'a> {
    pub(super) const fn new(header: BatchHeader, payload: &'a [u8]) -> Self {
        let error = match header.codec() {
            _ if header.count < 0 => Some(BatchError::Count(header.count)),
            0 => None,
            codec => Some(BatchError::Compressed(codec)),
        };
        Self { header, rest: Reader { rest: payload }, seen: 0, error, done: false }
    }

    fn step(&mut self) -> Result<Option<RecordView<'a>>, BatchError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let whole = self.seen == self.header.count;
        if whole != self.rest.rest.is_empty() {
            return Err(BatchError::Count(self.header.count));
        }
        if whole {
            return Ok(None);
        }
        self.seen = self.seen.saturating_add(1);
        self.rest.record(&self.header).map(Some).ok_or(BatchError::Record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// A record's headers: name (UTF-8 from a well-behaved producer) and value or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    rest: Reader<'a>,
    left: i32,
}

impl Headers<'_> {
    /// How many are still to come.
    pub const fn remaining(&self) -> i32 {
        self.left
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1).filter(|left| *left >= 0)?;
        Some((self.rest.field()??, self.rest.field()?))
    }
}

/// A varint of 32 bits as records have it, and how many bytes lie behind it; `None` if it does not end. A form longer than
/// needed is taken, up to 5 bytes (`ByteUtils.readVarint` of Apache Kafka 4.3).
pub fn varint(bytes: &[u8]) -> Option<(i32, usize)> {
    let mut reader = Reader { rest: bytes };
    Some((reader.varint()?, reader.rest.len()))
}

/// The same of 64 bits, up to 10 bytes (`ByteUtils.readVarlong`).
pub fn varlong(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut reader = Reader { rest: bytes };
    Some((reader.varlong()?, reader.rest.len()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// At most `most` bytes, over-long forms included; bits beyond the 64th are dropped.
    fn unsigned(&mut self, most: u32) -> Option<u64> {
        let mut value = 0;
        for at in 0..most {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(at.saturating_mul(7)).unwrap_or(0);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn varlong(&mut self) -> Option<i64> {
        let zigzag = self.unsigned(10)?;
        Some((zigzag >> 1).cast_signed() ^ (zigzag & 1).cast_signed().wrapping_neg())
    }

    fn varint(&mut self) -> Option<i32> {
        let [a, b, c, d, ..] = self.unsigned(5)?.to_le_bytes(); // bits beyond the 32nd are dropped
        let zigzag = u32::from_le_bytes([a, b, c, d]);
        Some((zigzag >> 1).cast_signed() ^ (zigzag & 1).cast_signed().wrapping_neg())
    }

    /// A length and that many bytes; null if it is negative.
    fn field(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Some(None),
        }
    }

    fn record(&mut self, header: &BatchHeader) -> Option<RecordView<'a>> {
        let body = self.varint().and_then(|len| usize::try_from(len).ok())?;
        let mut body = Reader { rest: self.take(body)? };
        let attributes = body.byte()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = body.field()?;
        let value = body.field()?;
        let left = body.varint().filter(|count| *count >= 0)?;
        let headers = Headers { rest: body, left };
        body.headers(left)?;
        let timestamp = if header.log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.wrapping_add(timestamp_delta)
        };
        let timestamp = Timestamp(timestamp);
        body.rest.is_empty().then_some(RecordView {
            attributes,
            offset_delta,
            timestamp,
            key,
            value,
            headers,
        })
    }

    /// Skips `count` headers. Each takes two bytes at least, so a count that cannot be ends this soon.
    fn headers(&mut self, count: i32) -> Option<()> {
        for _ in 0..count {
            self.field()??;
            self.field()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::two_records;
    use super::*;

    #[test]
    fn a_record_ends_where_its_length_says() {
        let bytes = two_records();
        let header = Batch::parse(&bytes).unwrap().0.header;
        let reads = |body: &[u8]| {
            let mut reader = Reader { rest: body };
            reader.record(&header).is_some() && reader.rest.is_empty()
        };
        // length 6: attributes, timestamp, offset, null key, null value, no headers
        assert!(reads(&[12, 0, 0, 0, 1, 1, 0]));
        assert!(!reads(&[14, 0, 0, 0, 1, 1, 0, 0]), "a byte left over");
        assert!(!reads(&[10, 0, 0, 0, 1, 1]), "no header count");
        assert!(!reads(&[1, 0, 0, 0, 1, 1, 0]), "negative length");
        assert!(!reads(&[12, 0, 0, 0, 1, 4, 0]), "a value beyond the record");
        assert!(!reads(&[12, 0, 0, 0, 1, 1, 1]), "a negative header count");
        assert!(!reads(&[14, 0, 0, 0, 1, 1, 2, 1]), "a header without a name");
        assert!(!reads(&[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]), "headers without end");
        assert!(reads(&[12, 0, 0, 0, 3, 1, 0]), "any negative length is null");
    }

    #[test]
    fn varints_may_be_longer_than_needed_but_not_than_their_width() {
        let varint = |bytes: &[u8]| Reader { rest: bytes }.varint();
        assert_eq!(varint(&[0x80, 0x80, 0x80, 0x80, 0x00]), Some(0));
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Some(i32::MIN));
        assert_eq!(varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(varint(&[0x80]), None);
        let varlong = |last: &[u8]| Reader { rest: &[&[0xff; 9][..], last].concat() }.varlong();
        assert_eq!(varlong(&[0x01]), Some(i64::MIN));
        assert_eq!(varlong(&[0x7f]), Some(i64::MIN));
        assert_eq!(varlong(&[0x80, 0x00]), None);
    }
}
