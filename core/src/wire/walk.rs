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
#[cfg(test)]
mod tests;

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
/// Kafka's limit of a string, in bytes.
const MAX_TEXT: u32 = 0x7fff;

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

    /// The next tagged field, or the end of the struct.
    fn tag<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<bool, Stop> {
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

    /// The value of a field; the frame that holds it goes on at `next`.
    fn value<'a>(
        &mut self,
        input: &mut &'a [u8],
        at: u8,
        field: &Field,
        next: u8,
        item: &mut Item<'a>,
    ) -> Result<bool, Stop> {
        let nullable = field.is_nullable(self.version);
        if !field.is_array() && field.kind() != Kind::Struct {
            let found = self.scalar(input, at, field.kind(), nullable, item)?;
            self.top.cursor = next;
            return Ok(found);
        }
        let mut open = Frame { elements: 0, tags: 0, field: at, cursor: at.saturating_add(1) };
        *item = if field.is_array() {
            match self.length(input, Token::Int(4))? {
                None if nullable => Item::Null { field: at },
                None => return Err(Damage::NotNullable.into()),
                Some(count) if count > self.left => return Err(Damage::CountBeyondEnd.into()),
                Some(count) => {
                    open.elements = count;
                    open.cursor = NEXT;
                    Item::Begin { field: at, count }
                }
            }
        } else {
            Item::Element { field: at }
        };
        self.state = State::Fields;
        self.top.cursor = next;
        if !matches!(item, Item::Null { .. }) {
            self.push(open)?;
        }
        Ok(true)
    }

    /// A number, a UUID, or the length of a text. Changes the state only if it was read.
    fn scalar<'a>(
        &mut self,
        input: &mut &'a [u8],
        field: u8,
        kind: Kind,
        nullable: bool,
        item: &mut Item<'a>,
    ) -> Result<bool, Stop> {
        let number = match kind {
            Kind::Bool | Kind::Int8 => Token::Int(1),
            Kind::Int16 => Token::Int(2),
            Kind::Int32 => Token::Int(4),
            Kind::Int64 => Token::Int(8),
            Kind::Uuid if feature::TOPIC_IDS || cfg!(feature = "reverse") => {
                let value = self.uuid(input)?;
                self.state = State::Fields;
                *item = Item::Uuid { field, value };
                return Ok(true);
            }
            Kind::Text | Kind::Bytes => {
                let text = kind == Kind::Text;
                let length = self.length(input, if text { Token::Int(2) } else { Token::Int(4) })?;
                let Some(length) = length else {
                    if !nullable {
                        return Err(Damage::NotNullable.into());
                    }
                    self.state = State::Fields;
                    *item = Item::Null { field };
                    return Ok(true);
                };
                if text && length > MAX_TEXT {
                    return Err(Damage::TextTooLong.into());
                }
                if length > self.left {
                    return Err(Damage::LengthBeyondEnd.into());
                }
                self.total = length;
                self.chunk = length;
                self.state = State::Chunk { field, first: true };
                return Ok(false);
            }
            // Structs are opened by `value` and `element`; without topics' ids there are none in our versions.
            Kind::Uuid | Kind::Struct => return Err(Damage::TooDeep.into()),
        };
        let value = self.token(input, number)?;
        let value = if kind == Kind::Bool { i64::from(value != 0) } else { value };
        self.state = State::Fields;
        if feature::OLD_BROKERS
            && field == 0
            && self.version > 0
            && self.message.version_0_if_first_is.is_some_and(|it| i64::from(it) == value)
        {
            self.version = 0;
            self.flexible = self.message.api.is_flexible(0);
        }
        *item = Item::Int { field, value };
        Ok(true)
    }

    /// What has arrived of a text.
    fn chunk<'a>(
        &mut self,
        input: &mut &'a [u8],
        field: u8,
        first: bool,
        item: &mut Item<'a>,
    ) -> Result<bool, Stop> {
        let chunk = self.piece(input)?;
        let last = self.chunk == 0;
        self.state = if last { State::Fields } else { State::Chunk { field, first: false } };
        *item = Item::Chunk { field, chunk, first, last, total: self.total };
        Ok(true)
    }

    /// What has arrived of an unknown tagged field.
    fn skip<'a>(&mut self, input: &mut &'a [u8], _item: &mut Item<'a>) -> Result<bool, Stop> {
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
    fn trailing<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<bool, Stop> {
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

/// Where a struct goes on behind `field`, which is at `at`.
fn after(at: u8, field: &Field) -> u8 {
    if field.is_last() { TAIL } else { at.saturating_add(1).saturating_add(field.inside()) }
}
