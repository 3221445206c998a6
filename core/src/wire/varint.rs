//! Variable-length integers of messages: unsigned, 32 bits. Those of records are [`batch`](crate::batch)'s.
//!
//! Reading is as lenient as Kafka's: a form longer than needed is taken, bits beyond the width are dropped,
//! and only a last byte that announces one more is refused. Source: `ByteUtils` of Apache Kafka 4.3.
use nom::{Err, IResult, Needed};

/// The longest form.
pub const MAX_LEN: usize = 5;

/// An encoded varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Varint {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Varint {
    /// Unsigned, seven bits a byte, least significant first.
    pub fn unsigned(value: u32) -> Self {
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

    /// Its bytes, 1 to 5.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for bits in 0..32 {
            for value in [(1_u32 << bits).wrapping_sub(1), 1 << bits, (1 << bits) | 1, u32::MAX] {
                assert_eq!(unsigned(Varint::unsigned(value).as_bytes()), Ok((&[][..], value)));
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
