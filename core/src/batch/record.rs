//! One record: its bytes in place, and, counted by the same code before a byte is written, its size.
//!
//! ```text
//! length varint | attributes 0 | timestamp delta varlong | offset delta varint
//!   | key length varint, -1 null | key | value length varint, -1 null | value
//!   | header count varint | per header: name length varint, name, value length varint, -1 null, value
//! ```
//! `length` counts what follows it. Everything is zigzag. Null and empty differ by that -1 alone.
use super::layout::{HEADER, MAX_RECORD_OVERHEAD};
use super::varint::{Cursor, zigzag, zigzag_long, zigzag_size};
use crate::feature;
use crate::record::{Header, Record};

/// What of a record depends on the batch it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deltas {
    /// Its index in the batch.
    pub(super) offset: i32,
    /// Milliseconds after the first record.
    pub(super) timestamp: i64,
}

impl Deltas {
    /// Writes what comes before the key of a record with so many bytes of key, value and headers.
    pub(super) fn begin(self, out: &mut Cursor<'_>, payload: usize) {
        let mut counted = Cursor::new(&mut []);
        self.write(&mut counted);
        counted.skip(payload);
        out.varint(zigzag_size(counted.count));
        self.write(out);
    }

    /// Writes what comes between a record's length and its key.
    fn write(self, out: &mut Cursor<'_>) {
        out.byte(0); // attributes
        if feature::TIMESTAMPS {
            out.varlong(zigzag_long(self.timestamp));
        } else {
            out.byte(0);
        }
        out.varint(zigzag(self.offset));
    }
}

/// Bytes of `record` in a batch, its own length field included. `offset_delta` is its index in the batch,
/// `timestamp_delta` the difference to the first record's timestamp in milliseconds.
///
/// Saturates; no batch has room for more than 2^31 - 1.
pub fn record_size(record: &Record<'_>, offset_delta: i32, timestamp_delta: i64) -> usize {
    let at = Deltas { offset: offset_delta, timestamp: timestamp_delta };
    write(&mut [], record, payload_size(record), at)
}

/// The most bytes that a batch with `record` alone can take, as Kafka's producer estimates it. It is what is
/// compared with `max.request.size`. Saturates.
pub fn upper_bound(record: &Record<'_>) -> usize {
    upper_bound_of(payload_size(record))
}

/// The same of a record whose [`payload_size`] was counted.
pub(crate) fn upper_bound_of(payload: usize) -> usize {
    payload.saturating_add(const { HEADER + MAX_RECORD_OVERHEAD })
}

/// Bytes of key, value and headers: what is the same in every batch.
pub(crate) fn payload_size(record: &Record<'_>) -> usize {
    let mut out = Cursor::new(&mut []);
    write_payload(&mut out, record);
    out.count
}

/// Writes `record`, whose [`payload_size`] is `payload`, to the front of `room`; answers how many bytes it takes. If that is
/// more than there are, those in `room` are undefined.
pub(super) fn write(room: &mut [u8], record: &Record<'_>, payload: usize, at: Deltas) -> usize {
    let mut out = Cursor::new(room);
    at.begin(&mut out, payload);
    write_payload(&mut out, record);
    out.count
}

#[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
fn write_payload(out: &mut Cursor<'_>, record: &Record<'_>) {
    write_field(out, record.its_key());
    write_field(out, record.value);
    write_headers(out, record.its_headers());
}

/// A record whose value somebody else puts into its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) at: Deltas,
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: &'a [Header<'a>],
}

impl Around<'_> {
    /// Writes what is around a value of `len` bytes to the front of `room`; answers where the value's place is, and how
    /// many bytes the record takes. If that is more than there are, those in `room` are undefined.
    pub(super) fn write(&self, room: &mut [u8], len: usize) -> (usize, usize) {
        let mut counted = Cursor::new(&mut []);
        self.write_payload(&mut counted, len);
        let mut out = Cursor::new(room);
        self.at.begin(&mut out, counted.count);
        (self.write_payload(&mut out, len), out.count)
    }

    fn write_payload(&self, out: &mut Cursor<'_>, len: usize) -> usize {
        write_field(out, self.key);
        write_len(out, Some(len));
        let value = out.count;
        out.skip(len);
        write_headers(out, self.headers);
        value
    }
}

/// Writes what comes behind the value's bytes.
#[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
fn write_headers(out: &mut Cursor<'_>, headers: &[Header<'_>]) {
    out.varint(zigzag_size(headers.len()));
    for header in headers {
        write_field(out, Some(header.name.as_bytes()));
        write_field(out, header.value);
    }
}

#[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
fn write_len(out: &mut Cursor<'_>, len: Option<usize>) {
    out.varint(len.map_or(zigzag(-1), zigzag_size));
}

#[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
fn write_field(out: &mut Cursor<'_>, bytes: Option<&[u8]>) {
    write_len(out, bytes.map(<[u8]>::len));
    out.bytes(bytes.unwrap_or_default());
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
