//! A resumable walk over one message as its bytes arrive.
//!
//! ```text
//!   bytes --> [ Walker: table, version, open containers, bytes left ] --> items
//! ```
//!
//! A [`Walker`] keeps where it is in the field table, never what it read: no heap, no memory from a count or
//! a length of the peer's, and at most one token (15 bytes) must be carried over when the input ends in the
//! middle of it. Texts and record sets are handed on in the pieces in which they arrive.
//!
//! What it takes and what it refuses is what Kafka's own classes do, leniencies included: forms of varints
//! longer than needed, repeated and unordered tags, a size of a known tag that its value does not have, bytes
//! after the last field. Two exceptions, both on purpose: strings are not checked for UTF-8 here (whoever
//! keeps one decides), and more than 65535 tagged fields in one struct are refused.
//!
//! Invariants: no more than `left` bytes of the input are taken; every call takes input, returns an item of a
//! count that was checked against the bytes left, or ends; after damage every call answers the same damage.
mod frames;
mod read;
mod tags;
#[cfg(test)]
mod tests;
mod value;

use super::{
    item::{Damage, Item},
    primitive::Token,
    schema::{Field, Kind, MAX_DEPTH, MAX_VERSION, Message},
};
use crate::feature;

/// [`Frame::cursor`]: an element comes next, or the array's end.
const NEXT: u8 = 0xff;
/// [`Frame::cursor`]: tagged fields come next.
const TAGS: u8 = 0xfe;
/// [`Frame::cursor`]: the struct's fields are over; the number of tagged fields comes next, if there are any.
const TAIL: u8 = 0xfd;
/// [`Frame::field`] of the message itself.
const ROOT: u8 = 0xff;

/// Why a step did not get to an item.
enum Stop {
    /// The input ends inside a token.
    More,
    Damage(Damage),
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// An open container, or the message.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Elements of an array still to begin.
    elements: u32,
    /// Tagged fields still to come, when `cursor` is [`TAGS`].
    tags: u16,
    /// Which field, or [`ROOT`].
    field: u8,
    /// The field to look at next, or [`NEXT`] or [`TAGS`].
    cursor: u8,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The innermost frame says what comes.
    Fields,
    /// The value of a known tagged field comes.
    Tagged(u8),
    /// The rest of a text or of bytes.
    Chunk {
        field: u8,
        first: bool,
    },
    /// The rest of an unknown tagged field.
    Skip,
    /// What follows the last field.
    Trailing,
    Broken(Damage),
}

/// Reads one message. 52 bytes where pointers have 32 bits.
#[derive(Debug, Clone)]
pub struct Walker {
    message: &'static Message,
    /// Bytes of the frame that were not taken yet.
    left: u32,
    /// Bytes that are left of the current text or unknown tag; at most `left`.
    chunk: u32,
    /// Length of the current text.
    total: u32,
    /// The innermost open container.
    top: Frame,
    /// Those around it, the message first; `depth` of them.
    outer: [Frame; MAX_DEPTH],
    depth: u8,
    version: u8,
    /// Compact lengths and tagged fields.
    flexible: bool,
    /// The response header's tagged fields are not over yet.
    in_header: bool,
    state: State,
    #[cfg(feature = "reverse")]
    verbose: bool,
    #[cfg(feature = "reverse")]
    unknown_tag: u32,
}

impl Walker {
    /// Begins at the body of a message in `version`, one the API's range has. `frame_len` is the number of
    /// bytes from here to the end of the frame.
    pub fn new(message: &'static Message, version: i16, frame_len: u32) -> Self {
        let bottom = Frame { elements: 0, tags: 0, field: ROOT, cursor: 0 };
        Self {
            message,
            left: frame_len,
            chunk: 0,
            total: 0,
            top: bottom,
            outer: [bottom; MAX_DEPTH],
            depth: 0,
            version: u8::try_from(version).unwrap_or(0).min(MAX_VERSION),
            flexible: message.api.is_flexible(version),
            in_header: false,
            state: State::Fields,
            #[cfg(feature = "reverse")]
            verbose: false,
            #[cfg(feature = "reverse")]
            unknown_tag: 0,
        }
    }

    /// Begins after the correlation id of an answer: at the tagged fields of its header, if it has any.
    pub fn response(message: &'static Message, version: i16, frame_len: u32) -> Self {
        let mut walker = Self::new(message, version, frame_len);
        if message.api.response_header(version) >= 1 {
            walker.in_header = true;
            walker.top.cursor = TAIL;
        }
        walker
    }

    /// Reports unknown tagged fields and trailing bytes instead of skipping them.
    #[cfg(feature = "reverse")]
    pub fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }

    /// Bytes of the frame that were not taken yet.
    pub const fn left(&self) -> u32 {
        self.left
    }

    /// The version that is read. Differs from the one asked for after an ApiVersions answer of error 35.
    pub const fn version(&self) -> i16 {
        self.version as i16
    }

    /// Takes bytes from the front of `input` and returns what they are. `input` may hold the beginning of the
    /// next frame; it is not touched.
    ///
    /// # Errors
    /// The message is damaged; what was returned before stands.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Item<'a>, Damage> {
        let mut item = Item::NeedMore;
        self.read_item(input, &mut item)?;
        Ok(item)
    }

    /// The same, put where `item` is.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn read_item<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<(), Damage> {
        match self.walk(input, item) {
            Ok(()) => Ok(()),
            Err(Stop::More) => {
                *item = Item::NeedMore;
                Ok(())
            }
            Err(Stop::Damage(damage)) => {
                self.state = State::Broken(damage);
                Err(damage)
            }
        }
    }

    fn walk<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<(), Stop> {
        loop {
            let found = match self.state {
                State::Fields => self.advance(input, item)?,
                State::Tagged(at) => self.value(input, at, self.field(at)?, TAGS, item)?,
                State::Chunk { field, first } => self.chunk(input, field, first, item)?,
                State::Skip => self.skip(input, item)?,
                State::Trailing => self.trailing(input, item)?,
                State::Broken(damage) => return Err(damage.into()),
            };
            if found {
                return Ok(());
            }
        }
    }

    /// One step of the innermost frame.
    fn advance<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<bool, Stop> {
        let first = match self.top.cursor {
            NEXT => return self.element(input, item),
            TAGS => return self.tag(input, item),
            cursor => cursor,
        };
        let mut at = first;
        while at != TAIL {
            let field = self.field(at)?;
            let next = after(at, field);
            if field.tag().is_none() && field.exists(self.version) {
                return self.value(input, at, field, next, item);
            }
            at = next;
        }
        if feature::OLD_BROKERS && !self.flexible {
            return Ok(self.close(item));
        }
        let count = self.token(input, Token::Varint)?;
        // A count with the sign bit set is negative to Kafka, and means none.
        let tags = if count > i64::from(i32::MAX) { 0 } else { count };
        self.top.tags = u16::try_from(tags).map_err(|_| Damage::TooManyTags)?;
        self.top.cursor = TAGS;
        Ok(false)
    }

    /// The next element of an array, or its end.
    fn element<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<bool, Stop> {
        let at = self.top.field;
        let Some(elements) = self.top.elements.checked_sub(1) else {
            self.pop();
            *item = Item::End { field: at };
            return Ok(true);
        };
        let kind = self.field(at)?.kind();
        let found = if kind == Kind::Struct {
            self.top.cursor = at.saturating_add(1);
            *item = Item::Element { field: at };
            true
        } else {
            self.scalar(input, at, kind, false, item)?
        };
        self.top.elements = elements;
        Ok(found)
    }

    /// A struct is over: the header, the message, an element, or a struct of its own.
    fn close(&mut self, item: &mut Item<'_>) -> bool {
        let field = self.top.field;
        if field == ROOT {
            if self.in_header {
                self.in_header = false;
                self.top.cursor = 0;
            } else {
                self.state = State::Trailing;
            }
            return false;
        }
        if self.message.field(field).is_some_and(Field::is_array) {
            self.top.cursor = NEXT;
        } else {
            self.pop();
        }
        *item = Item::ElementEnd { field };
        true
    }
}

/// Where a struct goes on behind `field`, which is at `at`.
fn after(at: u8, field: &Field) -> u8 {
    if field.is_last() { TAIL } else { at.saturating_add(1).saturating_add(field.inside()) }
}
