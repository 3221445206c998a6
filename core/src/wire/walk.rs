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
use super::{
    primitive::{Token, token},
    schema::{Field, Kind, MAX_DEPTH, Message},
};
use core::fmt;
use nom::{Err, bytes::streaming::take};

/// Open levels: the message and its containers.
const LEVELS: usize = MAX_DEPTH + 1;
/// [`Frame::cursor`]: an element comes next, or the array's end.
const NEXT: u8 = 0xff;
/// [`Frame::cursor`]: tagged fields come next.
const TAGS: u8 = 0xfe;
/// [`Frame::field`] of the message itself.
const ROOT: u8 = 0xff;
/// Kafka's limit of a string, in bytes.
const MAX_TEXT: u32 = 0x7fff;

/// One thing found in a message. `field` is the id of the field, see the `response` module of each API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// The input ends inside a token or text. Call again with what is left of it (at most 15 bytes) and more.
    NeedMore,
    /// A number or a truth value (0 or 1).
    Int {
        /// Which field.
        field: u8,
        /// Its value, sign-extended.
        value: i64,
    },
    /// A UUID.
    Uuid {
        /// Which field.
        field: u8,
        /// Most significant byte first.
        value: &'a [u8; 16],
    },
    /// A piece of a text or of bytes; of an empty one there is one empty piece. Not checked for UTF-8.
    Chunk {
        /// Which field.
        field: u8,
        /// The piece.
        chunk: &'a [u8],
        /// It is the first piece.
        first: bool,
        /// It is the last piece.
        last: bool,
        /// Length of the whole, in bytes.
        total: u32,
    },
    /// The field is null.
    Null {
        /// Which field.
        field: u8,
    },
    /// An array begins. A tagged one may come more than once; the last one counts.
    Begin {
        /// Which field.
        field: u8,
        /// Number of elements, at most the bytes left in the message.
        count: u32,
    },
    /// A struct begins: an array's element, or a field of its own.
    Element {
        /// Which field, or the array's.
        field: u8,
    },
    /// The struct is complete, its tagged fields included.
    ElementEnd {
        /// As in [`Element`](Self::Element).
        field: u8,
    },
    /// The array is complete.
    End {
        /// Which field.
        field: u8,
    },
    /// A piece of an unknown tagged field, only after [`Walker::verbose`]. Belongs to the innermost open struct.
    #[cfg(feature = "reverse")]
    Unknown {
        /// Its tag.
        tag: u32,
        /// The piece; of an empty one there is one empty piece.
        chunk: &'a [u8],
        /// It is the last piece.
        last: bool,
    },
    /// A piece of what follows the last field, only after [`Walker::verbose`].
    #[cfg(feature = "reverse")]
    Trailing {
        /// The piece, never empty.
        chunk: &'a [u8],
    },
    /// The message and what followed it were taken; the input now begins with what comes after the frame.
    Done,
}

/// Why a message cannot be read. The stream it came from is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The frame ends before the message does.
    Truncated,
    /// A text, bytes or an unknown tagged field longer than what is left of the frame.
    LengthBeyondEnd,
    /// An array with more elements than bytes are left.
    CountBeyondEnd,
    /// A varint of more than five bytes.
    VarintTooLong,
    /// Null, or a negative length, where the field cannot be null.
    NotNullable,
    /// A string of more than 32767 bytes.
    TextTooLong,
    /// A tag that is known, but not in this version.
    TagOfOtherVersion,
    /// More than 65535 tagged fields in one struct.
    TooManyTags,
    /// More levels than a table may have. No table has.
    TooDeep,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the frame ends before the message does",
            Self::LengthBeyondEnd => "a length runs beyond the end of the frame",
            Self::CountBeyondEnd => "an array counts more elements than there are bytes",
            Self::VarintTooLong => "a varint is longer than five bytes",
            Self::NotNullable => "a field that cannot be null is null",
            Self::TextTooLong => "a string is longer than 32767 bytes",
            Self::TagOfOtherVersion => "a tagged field does not belong to this version",
            Self::TooManyTags => "a struct has more than 65535 tagged fields",
            Self::TooDeep => "a message is nested deeper than its table allows",
        })
    }
}

impl core::error::Error for Damage {}

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
    frames: [Frame; LEVELS],
    /// Index of the innermost frame.
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
            frames: [bottom; LEVELS],
            depth: 0,
            version: u8::try_from(version).unwrap_or(0),
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
            // As if all fields of a struct were read: tagged fields come.
            walker.frames[0].cursor = walker.end_of(ROOT);
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
        match self.walk(input) {
            Ok(item) => Ok(item),
            Err(Stop::More) => Ok(Item::NeedMore),
            Err(Stop::Damage(damage)) => {
                self.state = State::Broken(damage);
                Err(damage)
            }
        }
    }

    fn walk<'a>(&mut self, input: &mut &'a [u8]) -> Result<Item<'a>, Stop> {
        loop {
            let item = match self.state {
                State::Fields => self.advance(input)?,
                State::Tagged(field) => self.value(input, field, TAGS)?,
                State::Chunk { field, first } => Some(self.chunk(input, field, first)?),
                State::Skip => self.skip(input)?,
                State::Trailing => Some(self.trailing(input)?),
                State::Broken(damage) => return Err(damage.into()),
            };
            if let Some(item) = item {
                return Ok(item);
            }
        }
    }

    /// One step of the innermost frame.
    fn advance<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Item<'a>>, Stop> {
        let top = self.top();
        match top.cursor {
            NEXT => self.element(input, top),
            TAGS => self.tag(input, top),
            first => {
                let end = self.end_of(top.field);
                let mut at = first;
                while at < end {
                    let field = self.field(at)?;
                    let next = at.saturating_add(1).saturating_add(field.inside());
                    if field.tag().is_none() && field.exists(self.version) {
                        return self.value(input, at, next);
                    }
                    at = next;
                }
                if !self.flexible {
                    return Ok(self.close(top));
                }
                let count = self.token(input, Token::Varint)?;
                // A count with the sign bit set is negative to Kafka, and means none.
                let tags = if count > i64::from(i32::MAX) { 0 } else { count };
                let tags = u16::try_from(tags).map_err(|_| Damage::TooManyTags)?;
                self.set_top(Frame { tags, cursor: TAGS, ..top });
                Ok(None)
            }
        }
    }

    /// The next element of an array, or its end.
    fn element<'a>(&mut self, input: &mut &'a [u8], top: Frame) -> Result<Option<Item<'a>>, Stop> {
        let Some(elements) = top.elements.checked_sub(1) else {
            self.pop();
            return Ok(Some(Item::End { field: top.field }));
        };
        let field = self.field(top.field)?;
        if field.kind() == Kind::Struct {
            self.set_top(Frame { elements, cursor: top.field.saturating_add(1), ..top });
            return Ok(Some(Item::Element { field: top.field }));
        }
        let item = self.scalar(input, top.field, field.kind(), false)?;
        self.set_top(Frame { elements, ..top });
        Ok(item)
    }

    /// The next tagged field, or the end of the struct.
    fn tag<'a>(&mut self, input: &mut &'a [u8], top: Frame) -> Result<Option<Item<'a>>, Stop> {
        let Some(tags) = top.tags.checked_sub(1) else {
            return Ok(self.close(top));
        };
        let pair = self.token(input, Token::Tag)?.to_be_bytes();
        let [t0, t1, t2, t3, s0, s1, s2, s3] = pair;
        let (tag, size) = (u32::from_be_bytes([t0, t1, t2, t3]), u32::from_be_bytes([s0, s1, s2, s3]));
        self.set_top(Frame { tags, ..top });
        if let Some((at, field)) = self.tagged_field(top.field, tag)? {
            if !field.exists(self.version) {
                return Err(Damage::TagOfOtherVersion.into());
            }
            // The size is not compared with what the value takes: Kafka does not either.
            self.state = State::Tagged(at);
            return Ok(None);
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
        Ok(None)
    }

    /// The field that has this tag in the struct `container`, in any version.
    fn tagged_field(&self, container: u8, tag: u32) -> Result<Option<(u8, &'static Field)>, Damage> {
        let mut at = if container == ROOT { 0 } else { container.saturating_add(1) };
        let end = if self.in_header { 0 } else { self.end_of(container) };
        while at < end {
            let field = self.field(at)?;
            if field.tag().is_some_and(|known| u32::from(known) == tag) {
                return Ok(Some((at, field)));
            }
            at = at.saturating_add(1).saturating_add(field.inside());
        }
        Ok(None)
    }

    /// A struct is over: the header, the message, an element, or a struct of its own.
    fn close<'a>(&mut self, top: Frame) -> Option<Item<'a>> {
        if top.field == ROOT {
            if self.in_header {
                self.in_header = false;
                self.set_top(Frame { cursor: 0, ..top });
            } else {
                self.state = State::Trailing;
            }
            return None;
        }
        if self.message.field(top.field).is_some_and(Field::is_array) {
            self.set_top(Frame { cursor: NEXT, ..top });
        } else {
            self.pop();
        }
        Some(Item::ElementEnd { field: top.field })
    }

    /// The value of a field; the frame that holds it goes on at `next`.
    fn value<'a>(&mut self, input: &mut &'a [u8], at: u8, next: u8) -> Result<Option<Item<'a>>, Stop> {
        let field = self.field(at)?;
        let nullable = field.is_nullable(self.version);
        if !field.is_array() && field.kind() != Kind::Struct {
            let item = self.scalar(input, at, field.kind(), nullable)?;
            self.go_on_at(next);
            return Ok(item);
        }
        let mut open = Frame { elements: 0, tags: 0, field: at, cursor: at.saturating_add(1) };
        let item = if field.is_array() {
            match self.length(input, Token::Int32)? {
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
        self.go_on_at(next);
        if !matches!(item, Item::Null { .. }) {
            self.push(open)?;
        }
        Ok(Some(item))
    }

    /// A number, a UUID, or the length of a text. Changes the state only if it was read.
    fn scalar<'a>(
        &mut self,
        input: &mut &'a [u8],
        field: u8,
        kind: Kind,
        nullable: bool,
    ) -> Result<Option<Item<'a>>, Stop> {
        let number = match kind {
            Kind::Bool => Token::Bool,
            Kind::Int8 => Token::Int8,
            Kind::Int16 => Token::Int16,
            Kind::Int32 => Token::Int32,
            Kind::Int64 => Token::Int64,
            Kind::Uuid => {
                let value = self.uuid(input)?;
                self.state = State::Fields;
                return Ok(Some(Item::Uuid { field, value }));
            }
            Kind::Text | Kind::Bytes => {
                let text = kind == Kind::Text;
                let length = self.length(input, if text { Token::Int16 } else { Token::Int32 })?;
                let Some(length) = length else {
                    if !nullable {
                        return Err(Damage::NotNullable.into());
                    }
                    self.state = State::Fields;
                    return Ok(Some(Item::Null { field }));
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
                return Ok(None);
            }
            // Structs are opened by `value` and `element`.
            Kind::Struct => return Err(Damage::TooDeep.into()),
        };
        let value = self.token(input, number)?;
        self.state = State::Fields;
        if field == 0
            && self.version > 0
            && self.message.version_0_if_first_is.is_some_and(|it| i64::from(it) == value)
        {
            self.version = 0;
            self.flexible = self.message.api.is_flexible(0);
        }
        Ok(Some(Item::Int { field, value }))
    }

    /// What has arrived of a text.
    fn chunk<'a>(&mut self, input: &mut &'a [u8], field: u8, first: bool) -> Result<Item<'a>, Stop> {
        let chunk = self.piece(input)?;
        let last = self.chunk == 0;
        self.state = if last { State::Fields } else { State::Chunk { field, first: false } };
        Ok(Item::Chunk { field, chunk, first, last, total: self.total })
    }

    /// What has arrived of an unknown tagged field.
    fn skip<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Item<'a>>, Stop> {
        let _chunk = self.piece(input)?;
        let last = self.chunk == 0;
        if last {
            self.state = State::Fields;
        }
        #[cfg(feature = "reverse")]
        if self.verbose {
            return Ok(Some(Item::Unknown { tag: self.unknown_tag, chunk: _chunk, last }));
        }
        Ok(None)
    }

    /// What has arrived behind the last field.
    fn trailing<'a>(&mut self, input: &mut &'a [u8]) -> Result<Item<'a>, Stop> {
        while self.left > 0 {
            self.chunk = self.left;
            let _chunk = self.piece(input)?;
            #[cfg(feature = "reverse")]
            if self.verbose {
                return Ok(Item::Trailing { chunk: _chunk });
            }
        }
        Ok(Item::Done)
    }

    /// What has arrived of the `chunk` bytes; empty only if there are none.
    fn piece<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8], Stop> {
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
    fn length(&mut self, input: &mut &[u8], classic: Token) -> Result<Option<u32>, Stop> {
        if !self.flexible {
            return Ok(u32::try_from(self.token(input, classic)?).ok());
        }
        // One more than the length; zero is null, and so is what is negative to Kafka.
        let length = self.token(input, Token::Varint)?.checked_sub(1);
        Ok(length.and_then(|length| i32::try_from(length).ok()).and_then(|length| u32::try_from(length).ok()))
    }

    fn token(&mut self, input: &mut &[u8], kind: Token) -> Result<i64, Stop> {
        let seen = self.in_view(input);
        match token(kind, seen) {
            Ok((after, value)) => {
                self.took_of(input, seen, after);
                Ok(value)
            }
            Err(error) => Err(self.stop(error, seen)),
        }
    }

    fn uuid<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8; 16], Stop> {
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
    fn in_view<'a>(&self, input: &&'a [u8]) -> &'a [u8] {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        input.get(..left).unwrap_or(input)
    }

    fn stop(&self, error: Err<()>, seen: &[u8]) -> Stop {
        match error {
            Err::Incomplete(_) if u32::try_from(seen.len()).is_ok_and(|len| len < self.left) => Stop::More,
            Err::Incomplete(_) => Damage::Truncated.into(),
            Err::Error(()) | Err::Failure(()) => Damage::VarintTooLong.into(),
        }
    }

    /// `after` is what follows in `seen`, which is the front of `input`.
    fn took_of(&mut self, input: &mut &[u8], seen: &[u8], after: &[u8]) {
        let rest = input.get(seen.len().saturating_sub(after.len())..).unwrap_or_default();
        self.took(input, rest);
    }

    /// `rest` is what follows in `input`.
    fn took<'a>(&mut self, input: &mut &'a [u8], rest: &'a [u8]) {
        let len = input.len().saturating_sub(rest.len());
        self.left = self.left.saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
        *input = rest;
    }

    fn field(&self, at: u8) -> Result<&'static Field, Damage> {
        self.message.field(at).ok_or(Damage::TooDeep)
    }

    /// The first field behind the struct `container`.
    fn end_of(&self, container: u8) -> u8 {
        match self.message.field(container) {
            Some(field) => container.saturating_add(1).saturating_add(field.inside()),
            // Fewer than 128.
            None => u8::try_from(self.message.fields().len()).unwrap_or(TAGS),
        }
    }

    fn top(&self) -> Frame {
        let [bottom, ..] = self.frames;
        self.frames.get(usize::from(self.depth)).copied().unwrap_or(bottom)
    }

    fn set_top(&mut self, frame: Frame) {
        if let Some(top) = self.frames.get_mut(usize::from(self.depth)) {
            *top = frame;
        }
    }

    fn go_on_at(&mut self, cursor: u8) {
        if let Some(top) = self.frames.get_mut(usize::from(self.depth)) {
            top.cursor = cursor;
        }
    }

    fn push(&mut self, frame: Frame) -> Result<(), Damage> {
        if usize::from(self.depth) >= MAX_DEPTH {
            return Err(Damage::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.set_top(frame);
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}
