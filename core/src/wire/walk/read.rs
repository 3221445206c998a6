//! The bytes of a walk: tokens and pieces taken from the front of the input, never beyond the frame.
use super::{Damage, Stop, Walker};
use crate::wire::primitive::{Token, token};
use nom::{Err, bytes::streaming::take};

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
        self.took(input, rest);
        // `len` is at most `chunk`, and `chunk` at most `left`.
        self.chunk = self.chunk.saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
        Ok(chunk)
    }

    /// A length or count; `None` is null.
    pub(super) fn length(&mut self, input: &mut &[u8], classic: Token) -> Result<Option<u32>, Stop> {
        // A compact length is one more than it says: zero is null.
        let (token, one) = if self.flexible { (Token::Varint, 1) } else { (classic, 0) };
        let length = self.token(input, token)?.checked_sub(one);
        // Above 2^31 - 1 it is negative to Kafka, and null as well.
        Ok(length.and_then(|length| u32::try_from(length).ok()).filter(|length| *length <= MAX_LENGTH))
    }

    pub(super) fn token(&mut self, input: &mut &[u8], kind: Token) -> Result<i64, Stop> {
        let seen = self.in_view(input);
        match token(kind, seen) {
            Ok((after, value)) => {
                self.took_of(input, seen, after);
                Ok(value)
            }
            Err(error) => Err(self.stop(error, seen)),
        }
    }

    pub(super) fn uuid<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8; 16], Stop> {
        let seen = self.in_view(input);
        match take::<_, _, ()>(16usize)(seen) {
            Ok((after, bytes)) => {
                self.took_of(input, seen, after);
                // Always 16 bytes.
                <&[u8; 16]>::try_from(bytes).map_err(|_| Damage::Truncated.into())
            }
            Err(error) => Err(self.stop(error, seen)),
        }
    }

    /// The part of the input that belongs to this frame.
    pub(super) fn in_view<'a>(&self, input: &&'a [u8]) -> &'a [u8] {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        input.get(..left).unwrap_or(input)
    }

    pub(super) fn stop(&self, error: Err<()>, seen: &[u8]) -> Stop {
        match error {
            Err::Incomplete(_) if u32::try_from(seen.len()).is_ok_and(|len| len < self.left) => Stop::More,
            Err::Incomplete(_) => Damage::Truncated.into(),
            Err::Error(()) | Err::Failure(()) => Damage::VarintTooLong.into(),
        }
    }

    /// `after` is what follows in `seen`, which is the front of `input`.
    pub(super) fn took_of(&mut self, input: &mut &[u8], seen: &[u8], after: &[u8]) {
        let rest = input.get(seen.len().saturating_sub(after.len())..).unwrap_or_default();
        self.took(input, rest);
    }

    /// `rest` is what follows in `input`.
    pub(super) fn took<'a>(&mut self, input: &mut &'a [u8], rest: &'a [u8]) {
        let len = input.len().saturating_sub(rest.len());
        self.left = self.left.saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
        *input = rest;
    }
}
