//! What a [`Walker`](super::Walker) finds in a message, and why it may find nothing more.
use core::fmt;

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
    /// A piece of an unknown tagged field, only after [`Walker::verbose`](super::Walker::verbose). Belongs to the innermost open struct.
    #[cfg(feature = "reverse")]
    Unknown {
        /// Its tag.
        tag: u32,
        /// The piece; of an empty one there is one empty piece.
        chunk: &'a [u8],
        /// It is the last piece.
        last: bool,
    },
    /// A piece of what follows the last field, only after [`Walker::verbose`](super::Walker::verbose).
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
