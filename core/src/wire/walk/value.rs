//! The value of a field: a number, a text in the pieces in which it arrives, or a container that opens.
use super::{Damage, Field, Frame, Item, Kind, NEXT, State, Stop, Token, Walker};
use crate::feature;

/// Kafka's limit of a string, in bytes.
const MAX_TEXT: u32 = 0x7fff;

impl Walker {
    /// The value of a field; the frame that holds it goes on at `next`.
    pub(super) fn value<'a>(
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
    pub(super) fn scalar<'a>(
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
    pub(super) fn chunk<'a>(
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
}
