//! Zigzag varints as records have them. 32 bits take 1 to 5 bytes, 64 bits 1 to 10; the low seven bits go first
//! and every byte but the last has its top bit set.
//!
//! Writing never panics: what does not fit is not written, but counted.
use crate::feature;

/// Small magnitudes to small numbers: 0, -1, 1, -2 become 0, 1, 2, 3.
pub(super) const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

/// The same in 64 bits.
pub(super) const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The zigzag form of a length or count. One beyond 31 bits has no such form; its record is refused
/// because of its size, whatever is answered here.
pub(super) fn zigzag_size(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX) << 1
}

/// Writes from the front of some room, and counts; without any room it only counts. So how long something will be is
/// answered by the code that writes it.
pub(super) struct Cursor<'a> {
    room: &'a mut [u8],
    /// Bytes that were to be written so far, whether there was room for them or not. Saturates.
    pub(super) count: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(room: &'a mut [u8]) -> Self {
        Self { room, count: 0 }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
    pub(super) fn byte(&mut self, byte: u8) {
        if let Some(place) = self.room.get_mut(self.count) {
            *place = byte;
        }
        self.skip(1);
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room.get_mut(self.count..).and_then(|rest| rest.get_mut(..bytes.len())) {
            copy(room, bytes);
        }
        self.skip(bytes.len());
    }

    /// Passes over `len` bytes, which are there already.
    pub(super) fn skip(&mut self, len: usize) {
        self.count = self.count.saturating_add(len);
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
    pub(super) fn varint(&mut self, value: u32) {
        if feature::TIMESTAMPS {
            // One loop for both.
            return self.varlong(u64::from(value));
        }
        let mut value = value;
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))] // counting, it is a few comparisons
    pub(super) fn varlong(&mut self, value: u64) {
        let mut value = value;
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }
}

/// Copies as much of `from` as `to` holds. Unlike `copy_from_slice` there is nothing to panic about, so no
/// panic is linked into a firmware; compilers make a `memcpy` of it all the same.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn written(value: u64) -> Vec<u8> {
        let mut buf = [0xee; 16];
        let mut out = Cursor::new(&mut buf);
        out.varlong(value);
        let count = out.count;
        assert!(buf[count..].iter().all(|byte| *byte == 0xee));
        buf[..count].to_vec()
    }

    #[test]
    fn a_number_takes_as_many_bytes_as_it_has_groups_of_seven_bits_and_they_count_where_there_is_no_room() {
        for bit in 0..64_u32 {
            for value in [1_u64 << bit, (1 << bit) - 1, (1 << bit) | 1] {
                let groups = (64 - value.leading_zeros()).div_ceil(7).max(1) as usize;
                assert_eq!(written(value).len(), groups, "{value}");
                let mut nowhere = Cursor::new(&mut []);
                nowhere.varlong(value);
                assert_eq!(nowhere.count, groups);
            }
        }
        assert_eq!(written(u64::MAX).len(), 10);
        assert_eq!(written(300), [0xac, 0x02]);
    }

    #[test]
    fn zigzag_folds_the_sign_into_the_lowest_bit() {
        assert_eq!([0, -1, 1, -2, i32::MAX, i32::MIN].map(zigzag), [0, 1, 2, 3, u32::MAX - 1, u32::MAX]);
        assert_eq!([-1, i64::MAX, i64::MIN].map(zigzag_long), [1, u64::MAX - 1, u64::MAX]);
        assert_eq!(zigzag_size(70), zigzag(70));
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut buf = [0xee; 3];
        let mut out = Cursor::new(&mut buf);
        out.byte(1);
        out.byte(2);
        out.bytes(b"34");
        out.byte(5);
        out.skip(1);
        assert_eq!(out.count, 6);
        assert_eq!(buf, [1, 2, 0xee]);
    }
}
