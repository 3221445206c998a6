//! Appending records to a batch where it lies.
//!
//! A record's size is counted first, since it begins with it; then its bytes are written once, into their final
//! place. One that does not fit leaves undefined bytes behind the batch. The batch header's 61 bytes are left for
//! [`seal`](super::seal::seal). [`Builder`] is the whole state, the buffer is handed in with each call: always the
//! same one, with the same length.
use super::layout::HEADER;
use super::meta::Builder;
use super::record::{self, Around, Deltas};
#[cfg(target_pointer_width = "64")]
use super::{short, varint::copy};
use crate::feature;
use crate::record::{Header, Record};
use crate::time::Timestamp;
use core::cell::Cell;
use core::fmt;

/// The record does not fit into what is left of the batch's buffer. The batch is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record does not fit into what is left of the batch")
    }
}

impl core::error::Error for NoRoom {}

impl Builder {
    /// No records.
    pub const fn new() -> Self {
        Self { len: 0, count: 0, base_timestamp: 0, max_timestamp: 0 }
    }

    /// Whether it has no records.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends `record` to the batch in `buf`; answers its index in the batch. `timestamp` is in Unix
    /// milliseconds, at least -1; the one in `record` is not looked at.
    ///
    /// # Errors
    /// There is no room for it; the batch is as it was.
    pub fn append(
        &mut self,
        buf: &mut [u8],
        record: &Record<'_>,
        timestamp: Timestamp,
    ) -> Result<u32, NoRoom> {
        #[cfg(target_pointer_width = "64")]
        if let Some(index) = self.append_usual(buf, record, timestamp) {
            return Ok(index);
        }
        self.append_any(buf, record, record::payload_size(record), timestamp)
    }

    /// The same with a record whose [`payload_size`](record::payload_size) is known.
    pub(crate) fn append_counted(
        &mut self,
        buf: &mut [u8],
        record: &Record<'_>,
        payload: usize,
        timestamp: Timestamp,
    ) -> Result<u32, NoRoom> {
        #[cfg(target_pointer_width = "64")]
        if let Some(index) = self.append_usual(buf, record, timestamp) {
            return Ok(index);
        }
        self.append_any(buf, record, payload, timestamp)
    }

    /// `None` changes nothing, and is the answer for what is not as most records are.
    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    fn append_usual(&mut self, buf: &mut [u8], record: &Record<'_>, timestamp: Timestamp) -> Option<u32> {
        if record.value.is_none() || !record.its_headers().is_empty() {
            return None;
        }
        match record.its_key() {
            None => self.append_short::<false>(buf, record, timestamp),
            Some(_) => self.append_short::<true>(buf, record, timestamp),
        }
    }

    /// Most records, see [`short`]: compiled once for records with a key and once for those without, because
    /// together they want more registers than there are.
    #[cfg(target_pointer_width = "64")]
    #[inline(never)]
    fn append_short<const KEYED: bool>(
        &mut self,
        buf: &mut [u8],
        record: &Record<'_>,
        timestamp: Timestamp,
    ) -> Option<u32> {
        let key = KEYED.then(|| record.its_key().unwrap_or_default());
        self.write_short(buf, key, record.value.unwrap_or_default(), timestamp)
    }

    /// `None` changes nothing. That is the answer for the first record of a batch, too.
    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    fn write_short(
        &mut self,
        buf: &mut [u8],
        key: Option<&[u8]>,
        value: &[u8],
        timestamp: Timestamp,
    ) -> Option<u32> {
        let index = self.count;
        if index == 0 {
            return None;
        }
        let timestamp_delta = delta(timestamp, self.base_timestamp);
        let (end, to) = short::write(buf, self.len as usize, key, value.len(), index, timestamp_delta)?;
        self.len = i32::try_from(end).ok()?.cast_unsigned();
        if feature::TIMESTAMPS {
            self.max_timestamp = self.max_timestamp.max(timestamp.0);
        }
        self.count = index.wrapping_add(1);
        copy(to, value);
        Some(index)
    }

    #[cfg_attr(target_pointer_width = "64", cold, inline(never))]
    fn append_any(
        &mut self,
        buf: &mut [u8],
        record: &Record<'_>,
        payload: usize,
        timestamp: Timestamp,
    ) -> Result<u32, NoRoom> {
        let (start, at) = self.next(timestamp);
        let room = buf.get_mut(start..).ok_or(NoRoom)?;
        let len = room.len();
        let size = record::write(room, record, payload, at);
        if size > len {
            return Err(NoRoom);
        }
        self.commit(size, timestamp)
    }

    /// Appends a record whose value `write` puts straight into the batch; answers its index. `write` is given
    /// `max_len` bytes of undefined content and answers how many of them, from the front, are the value (more
    /// than `max_len` is taken as `max_len`). The batch is the same as if the value had been handed to
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// There is no room for a value of `max_len` bytes; `write` was not called, the batch is as it was.
    pub fn append_with(
        &mut self,
        buf: &mut [u8],
        key: Option<&[u8]>,
        headers: &[Header<'_>],
        timestamp: Timestamp,
        max_len: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<u32, NoRoom> {
        let (start, at) = self.next(timestamp);
        let around = Around { at, key, headers };
        let (reserved, size) = around.write(&mut [], max_len);
        let end = end(start, size).ok_or(NoRoom)?;
        let room = buf.get_mut(start..end as usize).ok_or(NoRoom)?;
        let value = room.get_mut(reserved..).and_then(|rest| rest.get_mut(..max_len)).ok_or(NoRoom)?;
        let len = write(value).min(max_len);
        self.close_gap(room, &around, timestamp, reserved, len)
    }

    /// Completes a record around a value of `len` bytes that lies at `reserved` in `room`. The lengths before
    /// it may take fewer bytes than those reserved for the longest value; then it slides down.
    fn close_gap(
        &mut self,
        room: &mut [u8],
        around: &Around<'_>,
        timestamp: Timestamp,
        reserved: usize,
        len: usize,
    ) -> Result<u32, NoRoom> {
        let (value, _) = around.write(&mut [], len);
        slide(room, reserved, value, len);
        let (_, size) = around.write(room, len);
        self.commit(size, timestamp)
    }

    /// Whether [`append`](Self::append) would find room in a buffer of `buf_len` bytes.
    pub fn fits(&self, buf_len: usize, record: &Record<'_>, timestamp: Timestamp) -> bool {
        let (start, at) = self.next(timestamp);
        let size = record::write(&mut [], record, record::payload_size(record), at);
        end(start, size).is_some_and(|end| end as usize <= buf_len)
    }

    /// Where the next record begins, and what it says because of that.
    fn next(&self, timestamp: Timestamp) -> (usize, Deltas) {
        let (start, base) = match self.count {
            0 => (HEADER, timestamp.0),
            _ => (self.len as usize, self.base_timestamp),
        };
        (start, Deltas { offset: self.count.cast_signed(), timestamp: delta(timestamp, base) })
    }

    /// Makes a record of `size` bytes that was written behind the others one of the batch.
    fn commit(&mut self, size: usize, timestamp: Timestamp) -> Result<u32, NoRoom> {
        let index = self.count;
        let start = if index == 0 { HEADER } else { self.len as usize };
        self.len = end(start, size).ok_or(NoRoom)?;
        self.count = index.wrapping_add(1);
        if feature::TIMESTAMPS {
            if index == 0 {
                (self.base_timestamp, self.max_timestamp) = (timestamp.0, -1);
            }
            self.max_timestamp = timestamp.0.max(self.max_timestamp);
        }
        Ok(index)
    }
}

/// How long after the first record. Wrapping is Kafka's rule: a reader adds it back the same way.
const fn delta(timestamp: Timestamp, base: i64) -> i64 {
    if feature::TIMESTAMPS { timestamp.0.wrapping_sub(base) } else { 0 }
}

/// A batch's length is an int32, and as every record takes seven bytes, so is the count.
fn end(start: usize, size: usize) -> Option<u32> {
    i32::try_from(start.saturating_add(size)).ok().map(i32::cast_unsigned)
}

/// Moves `len` bytes of `room` from `from` down to `to`.
pub(super) fn slide(room: &mut [u8], from: usize, to: usize, len: usize) {
    if from == to {
        return;
    }
    let cells = Cell::from_mut(room).as_slice_of_cells();
    let (Some(to), Some(from)) = (cells.get(to..), cells.get(from..)) else { return };
    for (to, from) in to.iter().zip(from).take(len) {
        to.set(from.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    const ROOM: usize = 20_000;

    fn pattern(len: usize) -> Vec<u8> {
        (0..=255).cycle().take(len).collect()
    }

    /// One record by the way that short ones take and by the way that all can take.
    fn both_ways(start: Builder, record: &Record<'_>, at: Timestamp) {
        let what = (record.key.map(<[u8]>::len), record.value.map(<[u8]>::len), at, start);
        let (mut short, mut general) = (start, start);
        let (mut one, mut two) = (vec![0xaa; ROOM], vec![0xbb; ROOM]);
        let index = short.append(&mut one, record, at);
        assert_eq!(index, general.append_any(&mut two, record, record::payload_size(record), at));
        assert_eq!((index, short), (Ok(start.count), general), "{what:?}");
        let (from, end) = (start.next(at).0, short.len as usize);
        assert_eq!(one[from..end], two[from..end], "{what:?}");
        assert!(one[..from].iter().all(|byte| *byte == 0xaa), "a byte before the record changed, {what:?}");

        let mut exact = start;
        assert_eq!(exact.append(&mut one[..end], record, at), index);
        assert_eq!(one[from..end], two[from..end], "in exactly as much room as it needs, {what:?}");
        let mut less = start;
        assert_eq!(less.append(&mut one[..end - 1], record, at), Err(NoRoom));
        assert_eq!(less, start);
    }

    #[test]
    fn short_records_have_the_bytes_of_the_general_way() {
        let bytes = pattern(9_000);
        let some = |len: Option<usize>| len.map(|len| &bytes[..len]);
        for key in [None, Some(0), Some(1), Some(63), Some(64)] {
            for value in
                [None, Some(0), Some(1), Some(51), Some(63), Some(64), Some(4095), Some(4096), Some(8200)]
            {
                let record = Record { key: some(key), value: some(value), ..Record::default() };
                for delta in [0, 1, -1, 63, 64, -65, 8191, 8192, -8193, i64::MAX - 7] {
                    for count in [0, 1, 63, 64, 8191, 8192, 1 << 20] {
                        let start = Builder { len: 100, count, base_timestamp: 7, max_timestamp: 8 };
                        both_ways(start, &record, Timestamp(7 + delta));
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_builder_is_all_zero_and_takes_the_first_timestamp() {
        assert_eq!(Builder::new(), Builder::default());
        let mut builder = Builder::new();
        let mut buf = [0; 128];
        assert_eq!(builder.append(&mut buf, &Record::tombstone(), Timestamp::NONE), Ok(0));
        assert_eq!(builder, Builder { len: 68, count: 1, base_timestamp: -1, max_timestamp: -1 });
        assert_eq!(builder.append(&mut buf, &Record::value(b""), Timestamp(40)), Ok(1));
        assert_eq!((builder.base_timestamp, builder.max_timestamp), (-1, 40));
        assert_eq!(buf[61..68], [12, 0, 0, 0, 1, 1, 0]);
        assert_eq!(buf[68..75], [12, 0, 82, 2, 1, 0, 0]);
    }

    #[test]
    fn a_batch_ends_at_31_bits() {
        let most = i32::MAX.cast_unsigned();
        let at = |len| Builder { len, count: 5, base_timestamp: 0, max_timestamp: 0 };
        assert!(at(most - 7).fits(usize::MAX, &Record::tombstone(), Timestamp(0)));
        assert!(!at(most - 6).fits(usize::MAX, &Record::tombstone(), Timestamp(0)));
        let (mut far, before) = (at(most - 7), at(most - 7));
        assert_eq!(far.append(&mut [0; 64], &Record::tombstone(), Timestamp(9)), Err(NoRoom));
        assert_eq!(far, before);
    }

    #[test]
    fn sizes_that_overflow_are_no_room() {
        let mut builder = Builder::new();
        let mut buf = [0; 128];
        for most in [129, 1 << 31, usize::MAX] {
            let write = |_: &mut [u8]| panic!("called without room");
            let index = builder.append_with(&mut buf, None, &[], Timestamp(0), most, write);
            assert_eq!((index, builder), (Err(NoRoom), Builder::new()));
        }
    }

    #[test]
    fn a_value_written_in_place_is_as_if_it_had_been_handed_in() {
        let headers = [Header { name: "h", value: Some(b"x") }];
        let bytes = pattern(9_000);
        let lens = [0, 1, 57, 58, 63, 64, 8120, 8183, 8184, 8192, 9000];
        for most in [0, 1, 63, 64, 65, 100, 8100, 8192, 8300, 9000] {
            for value in lens.iter().filter(|len| **len <= most).map(|len| &bytes[..*len]) {
                let (mut one, mut two) = (vec![1; ROOM], vec![2; ROOM]);
                let (mut in_place, mut handed) = (Builder::new(), Builder::new());
                for index in 0..2 {
                    let record = Record::value(value).key(b"key").headers(&headers);
                    assert_eq!(handed.append(&mut two, &record, Timestamp(9)), Ok(index));
                    let write = |room: &mut [u8]| {
                        assert_eq!(room.len(), most);
                        room[..value.len()].copy_from_slice(value);
                        value.len()
                    };
                    let key = Some(&b"key"[..]);
                    let done = in_place.append_with(&mut one, key, &headers, Timestamp(9), most, write);
                    assert_eq!((done, in_place), (Ok(index), handed));
                }
                let end = handed.len as usize;
                assert_eq!(one[61..end], two[61..end], "{} of {most}", value.len());
            }
        }
    }

    #[test]
    fn a_writer_that_claims_more_than_it_was_given_gets_what_it_was_given() {
        let mut buf = [0; 128];
        let mut builder = Builder::new();
        let write = |room: &mut [u8]| {
            room.fill(7);
            4
        };
        assert_eq!(builder.append_with(&mut buf, None, &[], Timestamp(0), 3, write), Ok(0));
        assert_eq!(buf[61..71], [18, 0, 0, 0, 1, 6, 7, 7, 7, 0]);
        assert_eq!(builder.len, 71);
    }
}
