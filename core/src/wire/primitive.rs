//! Fixed-width tokens and the length prefixes, read from a stream.
//!
//! A token is the least that is read at once, at most [`MAX_TOKEN`] bytes. Everything longer (texts, record
//! sets, unknown tags) is passed on in the pieces in which it arrives.
use super::varint;
use nom::{Err, IResult, Needed};

/// Bytes of the longest token, a UUID. What is left over by "need more" is shorter.
pub const MAX_TOKEN: usize = 16;

/// What to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// Signed, big-endian, of so many bytes (1 to 8).
    Int(u8),
    /// Unsigned varint of 32 bits.
    Varint,
    /// Tag and size of a tagged field: the tag in the upper half.
    Tag,
}

/// Reads one token as a number.
pub(super) fn token(token: Token, input: &[u8]) -> IResult<&[u8], i64, ()> {
    match token {
        Token::Int(width) => {
            // nom's `take` would leave a panic in the program.
            let (bytes, rest) =
                input.split_at_checked(usize::from(width)).ok_or(Err::Incomplete(Needed::Unknown))?;
            Ok((rest, int(bytes)))
        }
        Token::Varint => {
            let (rest, value) = varint::unsigned(input)?;
            Ok((rest, i64::from(value)))
        }
        Token::Tag => {
            let (rest, tag) = varint::unsigned(input)?;
            let (rest, size) = varint::unsigned(rest)?;
            Ok((rest, (u64::from(tag) << 32 | u64::from(size)).cast_signed()))
        }
    }
}

/// All widths at once: nom's `be_i16` to `be_i64` are a loop each, and flash is dear.
fn int(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let sign = if negative { -1 } else { 0 };
    bytes.iter().fold(sign, |value: i64, byte| value << 8 | i64::from(*byte))
}
