//! Most records: no headers, a key under 64 bytes, a value under 4 KB. Each number before the value takes one
//! or two bytes, so all of them are put together in one 64-bit word and stored at once:
//!
//! ```text
//!   1-2      1         1-2               1-2           1
//! | length | 0 | timestamp delta | offset delta | key length | key... | value length | value... | 0 |
//! |<------------------ one word, at most 8 bytes ----------->|
//! ```
//! What lies behind a shorter word is overwritten by what follows it. The bytes are those of
//! [`record`](super::record), which takes every other case; on machines with 32-bit words it takes all, and
//! this is not compiled.
use super::varint::{copy, zigzag_long};

/// Beyond this a number takes three bytes.
const TWO_BYTES: u64 = 1 << 14;

/// The numbers before the key, put together from the last to the first.
#[derive(Clone, Copy)]
struct Word {
    bits: u64,
    bytes: usize,
}

impl Word {
    /// `number`, which is below [`TWO_BYTES`], before what there is.
    #[inline]
    const fn prepend(self, number: u64) -> Self {
        // At most 8 bytes, see the drawing.
        if number < 0x80 {
            Self { bits: self.bits << 8 | number, bytes: self.bytes.wrapping_add(1) }
        } else {
            Self { bits: self.bits << 16 | two_bytes(number), bytes: self.bytes.wrapping_add(2) }
        }
    }
}

/// The varint of a number that takes two bytes.
const fn two_bytes(number: u64) -> u64 {
    // The low seven bits once as they are, once one further up: there they belong to the second byte's place.
    (number & 0x7f) | 0x80 | (number & !0x7f) << 1
}

/// Writes all of a record at `start` but its value; answers where the record ends, and where its value goes.
/// `None` if it is not a short one, or comes too near to the buffer's end: the bytes from `start` on are
/// undefined then.
#[inline(always)] // once for records with a key and once for those without: a quarter of the instructions
pub(super) fn write<'a>(
    buf: &'a mut [u8],
    start: usize,
    key: Option<&[u8]>,
    value_len: usize,
    offset_delta: u32,
    timestamp_delta: i64,
) -> Option<(usize, &'a mut [u8])> {
    let timestamp = zigzag_long(timestamp_delta);
    let offset = u64::from(offset_delta) << 1;
    // A value below 4 KB, so that the record's length stays below 8 KB.
    if (timestamp | offset) >= TWO_BYTES || value_len >= 1 << 12 {
        return None;
    }
    let key_field = match key {
        Some(key) if key.len() < 1 << 6 => (key.len() as u64) << 1,
        Some(_) => return None,
        None => 1,
    };
    let key = key.unwrap_or_default();
    let head = Word { bits: key_field, bytes: 1 }.prepend(offset).prepend(timestamp).prepend(0);
    let value_field = Word { bits: 0, bytes: 0 }.prepend((value_len as u64) << 1);
    // No sum here passes 5000: see the limits above.
    let behind = value_field.bytes.wrapping_add(key.len()).wrapping_add(value_len).wrapping_add(1);
    let head = head.prepend((head.bytes.wrapping_add(behind) as u64) << 1);
    let end = start.wrapping_add(head.bytes).wrapping_add(behind);

    let room = buf.get_mut(start..)?;
    *room.first_chunk_mut::<16>()?.first_chunk_mut()? = head.bits.to_le_bytes();
    let (to, room) = room.get_mut(head.bytes..)?.split_at_mut_checked(key.len())?;
    copy(to, key);
    let [low, high, ..] = value_field.bits.to_le_bytes();
    *room.first_chunk_mut()? = [low, high];
    let (value, room) = room.get_mut(value_field.bytes..)?.split_at_mut_checked(value_len)?;
    *room.first_mut()? = 0;
    Some((end, value))
}
