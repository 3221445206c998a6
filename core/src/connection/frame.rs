//! The frame that is being read: size, correlation id, then a message that is walked as it arrives.
//!
//! ```text
//!   | size int32 | correlation int32 | header tags, body ... |
//!      Size         Correlation         Body(walker)
//! ```
//!
//! A token cut by the end of the input is carried over to the next; nothing else is kept, however large the
//! frame is. After damage the link is of no use any more.
use crate::batch::copy;
use crate::defect::{self, Defect};
use crate::wire::{Damage, Item, Walker};
use crate::wire::{ErrorCode, Message};

/// The longest token, which is what may have to be carried.
pub const CARRY: usize = 16;

/// What came next.
#[derive(Debug)]
pub enum Piece {
    /// The input is used up, but for what is to be carried.
    NeedMore,
    /// An answer to this request begins; [`Incoming::expect`] says how to read it.
    Answer {
        /// The request's number.
        correlation: i32,
    },
    /// A part of the answer: it is in the place that was given for it.
    Item,
    /// The answer is over.
    Over,
}

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A size that no answer has.
    Size,
    /// The message is damaged.
    Message(Damage),
}

#[derive(Debug)]
enum Stage {
    Size,
    Correlation { left: u32 },
    Expecting { left: u32 },
    Body(Walker),
}

/// The frame that is being read, and the bytes carried over.
#[derive(Debug)]
pub struct Incoming {
    stage: Stage,
    carry: [u8; CARRY],
    carried: u8,
}

impl Incoming {
    /// Before the first frame.
    pub const fn new() -> Self {
        Self { stage: Stage::Size, carry: [0; CARRY], carried: 0 }
    }

    /// Puts what was carried at the front of `window`; answers how many bytes that is.
    pub fn restore(&mut self, window: &mut [u8]) -> usize {
        let count = usize::from(self.carried).min(window.len());
        copy(window, self.carry.get(..count).unwrap_or_default());
        self.carried = 0;
        count
    }

    /// Carries what is left of the input: at most [`CARRY`] bytes. Answers whether that is so.
    pub fn carry(&mut self, rest: &[u8]) -> bool {
        copy(&mut self.carry, rest);
        match u8::try_from(rest.len()) {
            Ok(count) if rest.len() <= CARRY => {
                self.carried = if defect::on(Defect::CarryLost) { 0 } else { count };
                true
            }
            _ => false,
        }
    }

    /// Says how the answer that begins is to be read.
    pub fn expect(&mut self, message: &'static Message, version: i16) {
        if let Stage::Expecting { left } = self.stage {
            self.stage = Stage::Body(Walker::response(message, version, left));
        }
    }

    /// What comes next in `input`. A part of the answer is put where `item` is, and not moved from call to call.
    ///
    /// # Errors
    /// The stream cannot be read any further.
    #[cfg_attr(target_pointer_width = "32", inline(never))] // fewer spills
    pub fn next<'a>(&mut self, input: &mut &'a [u8], item: &mut Item<'a>) -> Result<Piece, Broken> {
        match &mut self.stage {
            Stage::Size => {
                let Some(size) = take_int32(input) else { return Ok(Piece::NeedMore) };
                let left =
                    size.checked_sub(4).and_then(|left| u32::try_from(left).ok()).ok_or(Broken::Size)?;
                self.stage = Stage::Correlation { left };
                self.next(input, item)
            }
            Stage::Correlation { left } => {
                let left = *left;
                let Some(correlation) = take_int32(input) else { return Ok(Piece::NeedMore) };
                self.stage = Stage::Expecting { left };
                Ok(Piece::Answer { correlation })
            }
            // Nobody said how to read it.
            Stage::Expecting { .. } => Err(Broken::Size),
            Stage::Body(walker) => {
                walker.read_item(input, item).map_err(Broken::Message)?;
                Ok(match item {
                    Item::NeedMore => Piece::NeedMore,
                    Item::Done => {
                        self.stage = Stage::Size;
                        Piece::Over
                    }
                    _ => Piece::Item,
                })
            }
        }
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self::new()
    }
}

fn take_int32(input: &mut &[u8]) -> Option<i32> {
    let (head, rest) = input.split_first_chunk::<4>()?;
    let value = i32::from_be_bytes(*head);
    *input = rest;
    Some(value)
}

/// Kafka's error code in a field of an answer.
pub const fn error_code(value: i64) -> ErrorCode {
    ErrorCode(int16(value))
}

/// The number in an int16 field of an answer.
#[allow(clippy::cast_possible_truncation)] // the walker reads an int16: no other number comes out of it
pub const fn int16(value: i64) -> i16 {
    value as i16
}

/// The number in an int32 field of an answer.
#[allow(clippy::cast_possible_truncation)] // the walker reads an int32
pub const fn int32(value: i64) -> i32 {
    value as i32
}
