//! Zigzag varints as records have them: how long they will be, and the bytes. 32 bits take 1 to 5 bytes,
//! 64 bits 1 to 10; the low seven bits go first and every byte but the last has its top bit set.
//!
//! Writing never panics: what does not fit is not written. Whoever calls has counted first.
use crate::feature;
use core::mem::take;

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

/// Bytes that `value` takes.
pub(super) const fn size(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        0x20_0000..=0xfff_ffff => 4,
        _ => 5,
    }
}

/// Bytes that `value` takes.
pub(super) const fn size_long(value: u64) -> usize {
    let mut rest = value >> 7;
    let mut size: usize = 1;
    while rest != 0 {
        rest >>= 7;
        size = size.wrapping_add(1); // at most 10
    }
    size
}

/// Writes from the front of what is left of a slice.
pub(super) struct Cursor<'a> {
    rest: &'a mut [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(rest: &'a mut [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((front, rest)) = take(&mut self.rest).split_first_chunk_mut() {
            *front = bytes;
            self.rest = rest;
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some((front, rest)) = take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            copy(front, bytes);
            self.rest = rest;
        }
    }

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
                return self.array([low]);
            }
            self.array([low | 0x80]);
        }
    }

    pub(super) fn varlong(&mut self, value: u64) {
        let mut value = value;
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.array([low]);
            }
            self.array([low | 0x80]);
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
        let left = out.rest.len();
        buf[..16 - left].to_vec()
    }

    #[test]
    fn a_number_takes_as_many_bytes_as_counted() {
        for bit in 0..64 {
            for value in [1_u64 << bit, (1 << bit) - 1, (1 << bit) | 1] {
                assert_eq!(written(value).len(), size_long(value), "{value}");
                if let Ok(short) = u32::try_from(value) {
                    assert_eq!(size(short), size_long(value), "{value}");
                }
            }
        }
        assert_eq!(size_long(u64::MAX), 10);
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
        out.array([1, 2]);
        out.bytes(b"34");
        assert_eq!(out.rest.len(), 0);
        assert_eq!(buf, [1, 2, 0xee]);
    }
}
