//! The bytes of a walk: tokens and pieces taken from the front of the input, never beyond the frame.
use super::{Damage, Stop, Walker};
use crate::feature;
use crate::wire::primitive::{Token, token};
use nom::{Err, IResult, Needed};

/// What fits into an int32.
const MAX_LENGTH: u32 = 0x7fff_ffff;

impl Walker {
    /// What has arrived of the `chunk` bytes; empty only if there are none.
    pub(super) fn piece<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8], Stop> {
        if input.is_empty() && self.chunk > 0 {
            return Err(Stop::More);
        }
        let len = usize::try_from(self.chunk).unwrap_or(usize::MAX).min(input.len());
        let (chunk, rest) = input.split_at_checked(len).ok_or(Stop::More)?;
        *input = rest;
        // `len` is at most `chunk`, and `chunk` at most `left`.
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.chunk = self.chunk.saturating_sub(len);
        self.left = self.left.saturating_sub(len);
        Ok(chunk)
    }

    /// A length or count; `None` is null.
    pub(super) fn length(&mut self, input: &mut &[u8], classic: Token) -> Result<Option<u32>, Stop> {
        // A compact length is one more than it says: zero is null.
        let (token, one) =
            if !feature::OLD_BROKERS || self.flexible { (Token::Varint, 1) } else { (classic, 0) };
        let length = self.token(input, token)?.checked_sub(one);
        // Above 2^31 - 1 it is negative to Kafka, and null as well.
        Ok(length.and_then(|length| u32::try_from(length).ok()).filter(|length| *length <= MAX_LENGTH))
    }

    pub(super) fn token(&mut self, input: &mut &[u8], kind: Token) -> Result<i64, Stop> {
        self.read(input, |seen| token(kind, seen))
    }

    pub(super) fn uuid<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8; 16], Stop> {
        // nom's `take` splits where it has checked, and the compiler keeps the panic of a split that goes wrong.
        self.read(input, |seen| match seen.split_first_chunk() {
            Some((uuid, rest)) => Ok((rest, uuid)),
            None => Err(Err::Incomplete(Needed::Unknown)),
        })
    }

    /// One token, by one of nom's streaming parsers.
    fn read<'a, T>(
        &mut self,
        input: &mut &'a [u8],
        mut parser: impl FnMut(&'a [u8]) -> IResult<&'a [u8], T, ()>,
    ) -> Result<T, Stop> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        // What follows the frame is out of sight.
        let seen = input.get(..left).unwrap_or(input);
        match parser(seen) {
            Ok((rest, value)) => {
                let len = seen.len().saturating_sub(rest.len());
                *input = input.get(len..).unwrap_or_default();
                self.left = self.left.saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
                Ok(value)
            }
            Err(Err::Incomplete(_)) if seen.len() < left => Err(Stop::More),
            Err(Err::Incomplete(_)) => Err(Damage::Truncated.into()),
            Err(_) => Err(Damage::VarintTooLong.into()),
        }
    }
}
