//! Tagged fields, and what a message may have that is not known: fields with other tags, bytes behind its last field.
use super::{Damage, Field, Item, State, Stop, TAIL, Token, Walker, after};

impl Walker {
    /// The next tagged field, or the end of the struct.
    pub(super) fn tag<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<bool, Stop> {
        let Some(tags) = self.top.tags.checked_sub(1) else {
            return Ok(self.close(item));
        };
        let [t0, t1, t2, t3, s0, s1, s2, s3] = self.token(input, Token::Tag)?.to_be_bytes();
        let (tag, size) = (u32::from_be_bytes([t0, t1, t2, t3]), u32::from_be_bytes([s0, s1, s2, s3]));
        self.top.tags = tags;
        if let Some((at, field)) = self.tagged_field(tag)? {
            if !field.exists(self.version) {
                return Err(Damage::TagOfOtherVersion.into());
            }
            // The size is not compared with what the value takes: Kafka does not either.
            self.state = State::Tagged(at);
            return Ok(false);
        }
        if size > self.left {
            return Err(Damage::LengthBeyondEnd.into());
        }
        self.chunk = size;
        #[cfg(feature = "reverse")]
        {
            self.unknown_tag = tag;
        }
        self.state = State::Skip;
        Ok(false)
    }

    /// The field that has this tag in the innermost struct, in any version.
    fn tagged_field(&self, tag: u32) -> Result<Option<(u8, &'static Field)>, Damage> {
        // The first field inside; ROOT wraps around to the first of all.
        let mut at = if self.in_header { TAIL } else { self.top.field.wrapping_add(1) };
        while at != TAIL {
            let field = self.field(at)?;
            if field.tag().is_some_and(|known| u32::from(known) == tag) {
                return Ok(Some((at, field)));
            }
            at = after(at, field);
        }
        Ok(None)
    }

    /// What has arrived of an unknown tagged field.
    pub(super) fn skip<'a>(&mut self, input: &mut &'a [u8], _item: &mut Item<'a>) -> Result<bool, Stop> {
        let _chunk = self.piece(input)?;
        let last = self.chunk == 0;
        if last {
            self.state = State::Fields;
        }
        #[cfg(feature = "reverse")]
        if self.verbose {
            *_item = Item::Unknown { tag: self.unknown_tag, chunk: _chunk, last };
            return Ok(true);
        }
        Ok(false)
    }

    /// What has arrived behind the last field.
    pub(super) fn trailing<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<bool, Stop> {
        while self.left > 0 {
            self.chunk = self.left;
            let _chunk = self.piece(input)?;
            #[cfg(feature = "reverse")]
            if self.verbose {
                *item = Item::Trailing { chunk: _chunk };
                return Ok(true);
            }
        }
        *item = Item::Done;
        Ok(true)
    }
}
