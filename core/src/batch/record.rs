//! One record: its size, known before a byte is written, and then its bytes in place.
//!
//! ```text
//! length varint | attributes 0 | timestamp delta varlong | offset delta varint
//!   | key length varint, -1 null | key | value length varint, -1 null | value
//!   | header count varint | per header: name length varint, name, value length varint, -1 null, value
//! ```
//! `length` counts what follows it. Everything is zigzag. Null and empty differ by that -1 alone.
use super::layout::{HEADER, MAX_RECORD_OVERHEAD};
use super::varint::{Cursor, size, size_long, zigzag, zigzag_long, zigzag_size};
use crate::feature;
use crate::record::{Header, Record};

/// Bytes of `record` in a batch, its own length field included. `offset_delta` is its index in the batch,
/// `timestamp_delta` the difference to the first record's timestamp in milliseconds.
///
/// Saturates; no batch has room for more than 2^31 - 1.
pub fn record_size(record: &Record<'_>, offset_delta: i32, timestamp_delta: i64) -> usize {
    let payload = payload_size(record.its_key(), record.value.map(<[u8]>::len), record.its_headers());
    let body = body_size(payload, offset_delta, timestamp_delta);
    size(zigzag_size(body)).saturating_add(body)
}

/// The most bytes that a batch with `record` alone can take, as Kafka's producer estimates it. It is what is
/// compared with `max.request.size`. Saturates.
pub fn upper_bound(record: &Record<'_>) -> usize {
    let payload = payload_size(record.its_key(), record.value.map(<[u8]>::len), record.its_headers());
    payload.saturating_add(const { HEADER + MAX_RECORD_OVERHEAD })
}

/// Key, value and headers as encoded.
pub(super) fn payload_size(key: Option<&[u8]>, value: Option<usize>, headers: &[Header<'_>]) -> usize {
    let fields = field_size(key.map(<[u8]>::len)).saturating_add(field_size(value));
    if headers.is_empty() { fields.saturating_add(1) } else { fields.saturating_add(headers_size(headers)) }
}

fn headers_size(headers: &[Header<'_>]) -> usize {
    headers.iter().fold(size(zigzag_size(headers.len())), |sum, header| {
        sum.saturating_add(field_size(Some(header.name.len())))
            .saturating_add(field_size(header.value.map(<[u8]>::len)))
    })
}

fn field_size(len: Option<usize>) -> usize {
    len.map_or(1, |len| size(zigzag_size(len)).saturating_add(len))
}

/// Everything behind the length field.
pub(super) fn body_size(payload: usize, offset_delta: i32, timestamp_delta: i64) -> usize {
    payload
        .saturating_add(1)
        .saturating_add(size(zigzag(offset_delta)))
        .saturating_add(size_long(zigzag_long(timestamp_delta)))
}

/// Where a record goes and what its first fields say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Everything behind the length field, bytes.
    pub(super) body: usize,
    pub(super) offset_delta: i32,
    pub(super) timestamp_delta: i64,
}

impl Head {
    /// Bytes before the value's own: all the fields up to the value's length.
    pub(super) fn size(&self, key: Option<&[u8]>, value: usize) -> usize {
        size(zigzag_size(self.body))
            .saturating_add(body_size(0, self.offset_delta, self.timestamp_delta))
            .saturating_add(field_size(key.map(<[u8]>::len)))
            .saturating_add(size(zigzag_size(value)))
    }

    /// Writes what comes before the value's bytes.
    pub(super) fn write(&self, out: &mut Cursor<'_>, key: Option<&[u8]>, value: Option<usize>) {
        out.varint(zigzag_size(self.body));
        out.array([0]);
        if feature::TIMESTAMPS {
            out.varlong(zigzag_long(self.timestamp_delta));
        } else {
            out.array([0]);
        }
        out.varint(zigzag(self.offset_delta));
        write_field(out, key);
        write_len(out, value);
    }
}

/// Writes what comes behind the value's bytes.
pub(super) fn write_headers(out: &mut Cursor<'_>, headers: &[Header<'_>]) {
    out.varint(zigzag_size(headers.len()));
    for header in headers {
        write_field(out, Some(header.name.as_bytes()));
        write_field(out, header.value);
    }
}

fn write_len(out: &mut Cursor<'_>, len: Option<usize>) {
    out.varint(len.map_or(zigzag(-1), zigzag_size));
}

fn write_field(out: &mut Cursor<'_>, bytes: Option<&[u8]>) {
    write_len(out, bytes.map(<[u8]>::len));
    if let Some(bytes) = bytes {
        out.bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_record_takes_seven_bytes() {
        assert_eq!(record_size(&Record::tombstone(), 0, 0), 7);
        assert_eq!(record_size(&Record::value(b""), 0, 0), 7);
        assert_eq!(record_size(&Record::value(b"").key(b""), 0, 0), 7);
    }

    #[test]
    fn each_number_counts_with_its_own_length() {
        let value = [0; 100];
        let record = Record::value(&value);
        let size = record_size(&record, 0, 0);
        assert_eq!(size, 2 + 1 + 1 + 1 + 1 + 2 + 100 + 1);
        assert_eq!(record_size(&record, 64, 0), size + 1);
        assert_eq!(record_size(&record, 0, -65), size + 1);
        assert_eq!(record_size(&record, 0, i64::MIN), size + 9);
        let headers = [Header { name: "ab", value: Some(&value) }, Header { name: "", value: None }];
        assert_eq!(record_size(&record.headers(&headers), 0, 0), size + (1 + 2 + 2 + 100) + (1 + 1));
    }

    #[test]
    fn the_upper_bound_is_61_and_21_beside_what_the_caller_gave() {
        assert_eq!(upper_bound(&Record::value(b"").key(b"k")), 61 + 21 + 2 + 1 + 1);
    }
}
