//! Fixed-width tokens and the length prefixes, read from a stream.
//!
//! A token is the least that is read at once, at most [`MAX_TOKEN`] bytes. Everything longer (texts, record
//! sets, unknown tags) is passed on in the pieces in which it arrives.
use super::varint;
use nom::{
    IResult, Parser,
    combinator::map,
    number::streaming::{be_i8, be_i16, be_i32, be_i64},
};

/// Bytes of the longest token, a UUID. What is left over by "need more" is shorter.
pub const MAX_TOKEN: usize = 16;

/// What to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// One byte; any but 0 is 1.
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    /// Unsigned varint of 32 bits.
    Varint,
    /// Tag and size of a tagged field: the tag in the upper half.
    Tag,
}

/// Reads one token as a number.
pub(super) fn token(token: Token, input: &[u8]) -> IResult<&[u8], i64, ()> {
    match token {
        Token::Bool => map(be_i8, |byte| i64::from(byte != 0)).parse(input),
        Token::Int8 => map(be_i8, i64::from).parse(input),
        Token::Int16 => map(be_i16, i64::from).parse(input),
        Token::Int32 => map(be_i32, i64::from).parse(input),
        Token::Int64 => be_i64(input),
        Token::Varint => map(varint::unsigned, i64::from).parse(input),
        Token::Tag => map((varint::unsigned, varint::unsigned), |(tag, size)| {
            (u64::from(tag) << 32 | u64::from(size)).cast_signed()
        })
        .parse(input),
    }
}
