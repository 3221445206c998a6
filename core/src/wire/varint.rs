//! Variable-length integers: unsigned 32 bits, and zigzag of 32 and 64 bits.
//!
//! Reading is as lenient as Kafka's: a form longer than needed is taken, bits beyond the width are dropped,
//! and only a last byte that announces one more is refused. Source: `ByteUtils` of Apache Kafka 4.3.
use nom::{Err, IResult, Needed, number::streaming::be_u8};

/// The longest form, that of 64 bits.
pub const MAX_LEN: usize = 10;

/// An encoded varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Varint {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Varint {
    /// Unsigned, seven bits a byte, least significant first.
    pub fn unsigned(value: u64) -> Self {
        let mut encoded = Self { bytes: [0; MAX_LEN], len: 0 };
        let mut rest = value;
        for byte in &mut encoded.bytes {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            encoded.len = encoded.len.saturating_add(1);
            if rest == 0 {
                *byte = low & 0x7f;
                break;
            }
            *byte = low | 0x80;
        }
        encoded
    }

    /// The same of 32 bits: half of the code where those are what a register holds.
    pub fn short(value: u32) -> Self {
        let mut encoded = Self { bytes: [0; MAX_LEN], len: 0 };
        let mut rest = value;
        for byte in &mut encoded.bytes {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            encoded.len = encoded.len.saturating_add(1);
            *byte = low | 0x80;
            if rest == 0 {
                *byte = low;
                break;
            }
        }
        encoded
    }

    /// Zigzag of 32 bits.
    pub fn zigzag32(value: i32) -> Self {
        Self::unsigned(u64::from((value.wrapping_shl(1) ^ (value >> 31)).cast_unsigned()))
    }

    /// Zigzag of 64 bits.
    pub fn zigzag64(value: i64) -> Self {
        Self::unsigned((value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned())
    }

    /// Its bytes, 1 to 10.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

/// Reads an unsigned varint of 32 bits from a stream.
///
/// # Errors
/// `Incomplete`, or `Failure` if the fifth byte announces a sixth.
pub fn unsigned(input: &[u8]) -> IResult<&[u8], u32, ()> {
    let (mut rest, mut value, mut shift) = (input, 0, 0);
    while let [byte, behind @ ..] = rest {
        // The fifth byte's upper bits fall off the top.
        value |= u32::from(byte & 0x7f).wrapping_shl(shift);
        rest = behind;
        if *byte < 0x80 {
            return Ok((rest, value));
        }
        shift = shift.wrapping_add(7);
        if shift > 28 {
            return Err(Err::Failure(()));
        }
    }
    Err(Err::Incomplete(Needed::Unknown))
}

/// Reads a zigzag varint of 32 bits from a stream.
///
/// # Errors
/// As [`unsigned`].
pub fn zigzag32(input: &[u8]) -> IResult<&[u8], i32, ()> {
    let (rest, value) = unsigned(input)?;
    Ok((rest, (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()))
}

/// Reads a zigzag varint of 64 bits from a stream.
///
/// # Errors
/// `Incomplete`, or `Failure` if the tenth byte announces an eleventh.
pub fn zigzag64(input: &[u8]) -> IResult<&[u8], i64, ()> {
    let (mut rest, mut value) = (input, 0u64);
    for shift in [0, 7, 14, 21, 28, 35, 42, 49, 56, 63] {
        let (after, byte) = be_u8(rest)?;
        rest = after;
        value |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if byte < 0x80 {
            return Ok((rest, (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()));
        }
    }
    Err(Err::Failure(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for bits in 0..64 {
            for value in [(1u64 << bits).wrapping_sub(1), 1 << bits, (1 << bits) | 1] {
                let signed = value.cast_signed();
                assert_eq!(zigzag64(Varint::zigzag64(signed).as_bytes()), Ok((&[][..], signed)));
                assert_eq!(zigzag64(Varint::zigzag64(!signed).as_bytes()), Ok((&[][..], !signed)));
                let Ok(narrow) = u32::try_from(value) else { continue };
                assert_eq!(Varint::short(narrow), Varint::unsigned(value));
                assert_eq!(unsigned(Varint::unsigned(value).as_bytes()), Ok((&[][..], narrow)));
                let signed = narrow.cast_signed();
                assert_eq!(zigzag32(Varint::zigzag32(signed).as_bytes()), Ok((&[][..], signed)));
            }
        }
    }

    #[test]
    fn longer_than_needed_is_taken_and_a_sixth_byte_is_refused() {
        assert_eq!(unsigned(&[0x80, 0x80, 0x80, 0x80, 0x00]), Ok((&[][..], 0)));
        assert_eq!(unsigned(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Ok((&[][..], u32::MAX)));
        assert_eq!(unsigned(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), Err(Err::Failure(())));
        assert!(matches!(unsigned(&[0x80, 0x80]), Err(Err::Incomplete(_))));
    }
}
