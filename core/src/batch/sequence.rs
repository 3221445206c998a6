//! Arithmetic of record sequences: 31 bits, so that 0 follows 2147483647.
//!
//! Source: KIP-98. Not for the -1 of a batch without idempotence, which is no sequence.

const MASK: u32 = i32::MAX.cast_unsigned();

/// The sequence `n` records after `sequence`.
pub const fn add(sequence: i32, n: u32) -> i32 {
    (sequence.cast_unsigned().wrapping_add(n) & MASK).cast_signed()
}

/// The sequence `n` records before `sequence`.
pub const fn sub(sequence: i32, n: u32) -> i32 {
    (sequence.cast_unsigned().wrapping_sub(n) & MASK).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_follows_the_greatest() {
        assert_eq!(add(0, 1), 1);
        assert_eq!(add(i32::MAX, 1), 0);
        assert_eq!(add(i32::MAX - 2, 5), 2);
        assert_eq!(sub(0, 1), i32::MAX);
        assert_eq!(sub(2, 5), i32::MAX - 2);
        assert_eq!(sub(add(77, 1 << 30), 1 << 30), 77);
    }
}
