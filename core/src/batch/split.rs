//! A batch that is too large for its broker goes in pieces, out of the buffer it lies in.
//!
//! ```text
//!  | header | record 0 | record 1 | record 2 | record 3 | free            a piece is a prefix: the header is
//!  |<-------- piece -------------->|                                     written anew for it
//!
//!  | header | record 2'| record 3'| free                                 it is over: the rest slides down
//! ```
//! What slides counts its offsets from 0 again, which never takes more bytes. The base timestamp stays, so that
//! timestamps need not be rewritten. Not here: when to split, and what became of the pieces.
use super::builder::slide;
use super::layout::HEADER;
use super::meta::Builder;
use super::record::Deltas;
use super::varint::Cursor;

/// The fields of a record that depend on its batch.
struct Head {
    /// Bytes of the whole record, its length field included.
    size: usize,
    timestamp_delta: i64,
    /// Where the key's length lies, from the record's first byte.
    payload: usize,
}

/// Reads a zigzag varint of up to ten bytes at `at`, which moves behind it.
fn varlong(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0;
    for nth in 0..10_u32 {
        let byte = *bytes.get(*at)?;
        *at = at.saturating_add(1);
        value |= u64::from(byte & 0x7f).checked_shl(nth.saturating_mul(7)).unwrap_or(0);
        if byte < 0x80 {
            return Some((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg());
        }
    }
    None
}

fn head(bytes: &[u8], from: u32) -> Option<Head> {
    let bytes = bytes.get(from as usize..)?;
    let mut at = 0;
    let body = usize::try_from(varlong(bytes, &mut at)?).ok()?;
    let size = at.checked_add(body)?;
    at = at.saturating_add(1); // attributes
    let timestamp_delta = varlong(bytes, &mut at)?;
    varlong(bytes, &mut at)?;
    (at <= size && size <= bytes.len()).then_some(Head { size, timestamp_delta, payload: at })
}

/// [`HEADER`], as builders count.
const FRONT: u32 = 61;
const _: () = assert!(FRONT as usize == HEADER, "the header's size");

/// The first records of `whole` that take no more than `target` bytes together with a header; at least one.
pub fn prefix(buf: &[u8], whole: &Builder, target: u32) -> Builder {
    let mut piece = Builder { len: FRONT, count: 0, max_timestamp: -1, ..*whole };
    while piece.count < whole.count {
        let Some(record) = head(buf, piece.len) else { return *whole };
        let end = piece.len.saturating_add(u32::try_from(record.size).unwrap_or(u32::MAX));
        if piece.count > 0 && end > target {
            break;
        }
        piece.len = end;
        piece.count = piece.count.saturating_add(1);
        piece.max_timestamp =
            piece.max_timestamp.max(whole.base_timestamp.wrapping_add(record.timestamp_delta));
    }
    piece
}

/// Takes the first `count` records, which end at `len`, out of the batch that `whole` describes: the others slide
/// down to its header, whose fields are not written.
pub fn advance(buf: &mut [u8], whole: &mut Builder, len: u32, count: u32) {
    let mut rest = Builder { len: FRONT, count: 0, max_timestamp: -1, ..*whole };
    let mut from = len;
    while from < whole.len {
        let Some(record) = head(buf, from) else { break };
        let deltas = Deltas { offset: rest.count.cast_signed(), timestamp: record.timestamp_delta };
        let payload = record.size.saturating_sub(record.payload);
        // Never ahead of what is still to be read: the record was as long before, and lies further behind.
        let mut out = Cursor::new(buf.get_mut(rest.len as usize..).unwrap_or_default());
        deltas.begin(&mut out, payload);
        let before = out.count;
        slide(
            buf,
            (from as usize).saturating_add(record.payload),
            (rest.len as usize).saturating_add(before),
            payload,
        );
        let moved = u32::try_from(before.saturating_add(payload)).unwrap_or(u32::MAX);
        rest.len = rest.len.saturating_add(moved);
        rest.count = rest.count.saturating_add(1);
        rest.max_timestamp =
            rest.max_timestamp.max(whole.base_timestamp.wrapping_add(record.timestamp_delta));
        from = from.saturating_add(u32::try_from(record.size).unwrap_or(u32::MAX));
    }
    debug_assert_eq!(rest.count, whole.count.saturating_sub(count), "as many as are left");
    *whole = rest;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Record};
    use crate::time::Timestamp;
    use std::vec;
    use std::vec::Vec;

    fn record<'a>(nth: u32, bytes: &'a [u8], headers: &'a [Header<'a>]) -> (Record<'a>, Timestamp) {
        let value = &bytes[..(nth as usize * 7) % 90];
        let record = match nth % 4 {
            0 => Record::value(value),
            1 => Record::value(value).key(b"key"),
            2 => Record::tombstone(),
            _ => Record::value(value).headers(headers),
        };
        (record, Timestamp(1000 + i64::from(nth * 37 % 200) - 50))
    }

    fn batch(count: u32) -> (Vec<u8>, Builder) {
        let bytes: Vec<u8> = (0..=255).collect();
        let headers = [Header { name: "h", value: Some(b"x") }, Header { name: "i", value: None }];
        let mut buf = vec![0xaa; 61 + 200 * count as usize];
        let mut builder = Builder::new();
        for nth in 0..count {
            let (record, at) = record(nth, &bytes, &headers);
            builder.append(&mut buf, &record, at).unwrap();
        }
        (buf, builder)
    }

    #[cfg(feature = "reverse")]
    #[test]
    fn the_pieces_of_a_batch_are_its_records_in_order() {
        use super::super::read::Batch;
        use super::super::seal::{Stamp, seal};
        for (count, target) in [(2, 0), (5, 100), (70, 300), (300, 1000), (300, 8000), (9000, 200_000)] {
            let bytes: Vec<u8> = (0..=255).collect();
            let headers = [Header { name: "h", value: Some(b"x") }, Header { name: "i", value: None }];
            let (mut buf, mut rest) = batch(count);
            let mut nth = 0_u32;
            while rest.count > 0 {
                let piece = prefix(&buf, &rest, target);
                assert!(piece.count == 1 || piece.len <= target);
                let stamp = Stamp { producer_id: 1, epoch: 2, base_sequence: nth.cast_signed() };
                assert!(seal(&mut buf, &piece, Some(stamp), false, |_, _| 0));
                let sealed = buf[..piece.len as usize].to_vec();
                let (read, left) = Batch::parse(&sealed).unwrap();
                assert!(left.is_empty());
                let mut newest = -1;
                for (offset, seen) in (0..).zip(read.records()) {
                    let (seen, (sent, at)) = (seen.unwrap(), record(nth, &bytes, &headers));
                    assert_eq!((seen.key, seen.value, seen.timestamp), (sent.key, sent.value, at));
                    assert_eq!((seen.offset_delta, seen.headers.count()), (offset, sent.headers.len()));
                    newest = newest.max(at.0);
                    nth += 1;
                }
                assert_eq!(read.header.max_timestamp, newest);
                if piece.count == rest.count {
                    break;
                }
                let before = rest.len;
                advance(&mut buf, &mut rest, piece.len, piece.count);
                assert!(rest.len <= before - (piece.len - 61), "it got longer");
            }
            assert_eq!(nth, count);
        }
    }

    #[test]
    fn a_piece_has_one_record_at_least_and_all_if_they_fit() {
        let (buf, whole) = batch(10);
        assert_eq!(prefix(&buf, &whole, 0).count, 1);
        assert_eq!(prefix(&buf, &whole, whole.len), whole);
        assert_eq!(prefix(&buf, &whole, whole.len - 1).count, 9);
        let half = prefix(&buf, &whole, whole.len / 2);
        assert!(half.count > 1 && half.len <= whole.len / 2);
    }
}
