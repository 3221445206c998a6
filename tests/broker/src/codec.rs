//! Messages as values: any request or response of the tables in [`kurier_core::wire`], read into a [`Value`]
//! and written back, with heap.
//!
//! Reading goes through the same [`Walker`] as in a client, so that both sides of a test refuse the same
//! bytes; writing follows the same tables. Field names are Kafka's, in lower camel case. A field that a value
//! leaves out has Kafka's default. Not here: what a message means.
mod builder;
mod encoder;
mod header;
mod value;

pub use builder::Builder;
pub use header::{RequestHeader, frame, request_header, response_header};
pub use kurier_core::wire::registry::Direction;
pub use value::{Value, object};

use kurier_core::wire::{Damage, Item, Message, Walker, registry};
use std::fmt;

/// Tagged fields that no table knows: tag and bytes, in the order of the wire.
pub type Tags = Vec<(u32, Vec<u8>)>;

/// All that was found in a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The message.
    pub value: Value,
    /// Unknown tagged fields by the JSON pointer (RFC 6901) of the struct that carries them.
    pub unknown: Vec<(String, Tags)>,
    /// Bytes behind the last field.
    pub unread: usize,
}

/// Why a message cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not such a message.
    Damage(Damage),
    /// There is no table for this API, or it does not have this version.
    UnknownMessage {
        /// The API key.
        key: i16,
        /// The version.
        version: i16,
    },
    /// A value has the wrong type for its field.
    WrongType(&'static str),
    /// A number, string or array does not fit its field.
    OutOfRange(&'static str),
    /// A value has a field that no version has.
    UnknownField(&'static str),
}

impl From<Damage> for CodecError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(damage) => damage.fmt(f),
            Self::UnknownMessage { key, version } => {
                write!(f, "no table for API key {key} in version {version}")
            }
            Self::WrongType(name) => write!(f, "the value of `{name}` has the wrong type"),
            Self::OutOfRange(name) => write!(f, "the value of `{name}` does not fit"),
            Self::UnknownField(name) => write!(f, "no version has a field `{name}`"),
        }
    }
}

impl std::error::Error for CodecError {}

fn table(key: i16, version: i16, direction: Direction) -> Result<&'static Message, CodecError> {
    registry::message(key, direction)
        .filter(|message| (message.api.oldest..=message.api.newest).contains(&version))
        .ok_or(CodecError::UnknownMessage { key, version })
}

/// Reads the body of a message; unknown tagged fields and what follows the last field are skipped.
///
/// # Errors
/// The API or version has no table, or the payload is damaged.
pub fn decode(key: i16, version: i16, direction: Direction, payload: &[u8]) -> Result<Value, CodecError> {
    decode_all(table(key, version, direction)?, version, payload)
        .map(|decoded| decoded.value)
        .map_err(Into::into)
}

/// Reads the body of a message and keeps what the table does not know.
///
/// # Errors
/// The payload is damaged.
pub fn decode_all(message: &'static Message, version: i16, payload: &[u8]) -> Result<Decoded, Damage> {
    let len = u32::try_from(payload.len()).map_err(|_| Damage::LengthBeyondEnd)?;
    let mut walker = Walker::new(message, version, len).verbose();
    let mut builder = Builder::new(message);
    let mut input = payload;
    loop {
        match walker.next(&mut input)? {
            Item::Done => return Ok(builder.finish()),
            Item::NeedMore => return Err(Damage::Truncated),
            item => builder.take(item),
        }
    }
}

/// Writes the body of a message. Fields that `value` leaves out have Kafka's defaults; a tagged field that has
/// its default is not sent; fields of other versions are left out, so that one value serves all versions.
///
/// # Errors
/// The API or version has no table, or the value does not fit it.
pub fn encode(key: i16, version: i16, direction: Direction, value: &Value) -> Result<Vec<u8>, CodecError> {
    encode_all(table(key, version, direction)?, version, value, &[])
}

/// Writes the body of a message with unknown tagged fields (see [`Decoded::unknown`]).
///
/// # Errors
/// The value does not fit the table.
pub fn encode_all(
    message: &'static Message,
    version: i16,
    value: &Value,
    unknown: &[(String, Tags)],
) -> Result<Vec<u8>, CodecError> {
    encoder::encode(message, version, value, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_go_both_ways_in_every_version_of_every_message() {
        for message in registry::MESSAGES.iter().flatten() {
            for version in message.api.oldest..=message.api.newest {
                let bytes = encode_all(message, version, &object([]), &[]).unwrap();
                let Decoded { value, unknown, unread } = decode_all(message, version, &bytes).unwrap();
                assert_eq!((unknown, unread), (vec![], 0), "{:?} {version}", message.api);
                assert_eq!(
                    encode_all(message, version, &value, &[]),
                    Ok(bytes),
                    "{:?} {version}",
                    message.api
                );
            }
        }
    }

    #[test]
    fn a_fetched_partition_goes_both_ways() {
        let partition = object([
            ("partitionIndex", 3.into()),
            ("highWatermark", 9_000_000_000_i64.into()),
            ("abortedTransactions", Value::Null),
            ("records", vec![1, 2, 3].into()),
            ("currentLeader", object([("leaderId", 2.into()), ("leaderEpoch", 5.into())])),
        ]);
        let topic = object([("topic", "orders".into()), ("partitions", vec![partition].into())]);
        let answer = object([("responses", vec![topic].into())]);
        for version in 4..=12 {
            let bytes = encode(1, version, Direction::Response, &answer).unwrap();
            let read = decode(1, version, Direction::Response, &bytes).unwrap();
            let [topic] = read.list("responses") else { panic!("{read:?}") };
            let [partition] = topic.list("partitions") else { panic!("{topic:?}") };
            assert_eq!(topic.text("topic"), "orders");
            assert_eq!(partition.int("highWatermark"), 9_000_000_000);
            assert_eq!(partition.int("lastStableOffset"), -1, "Kafka's default");
            assert_eq!(partition.bytes("records"), Some(&[1, 2, 3][..]));
            let leader = partition.find("currentLeader").map(|leader| leader.int("leaderId"));
            assert_eq!(leader, (version == 12).then_some(2));
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error_that_names_the_field() {
        let error = |value| encode(22, 3, Direction::Request, &value).err();
        assert_eq!(error(object([("nonsense", 1.into())])), Some(CodecError::UnknownField("nonsense")));
        assert_eq!(error(object([("producerId", "1".into())])), Some(CodecError::WrongType("producerId")));
        assert_eq!(
            error(object([("producerEpoch", 40_000.into())])),
            Some(CodecError::OutOfRange("producerEpoch"))
        );
        assert!(error(object([("transactionTimeoutMs", Value::Null)])).is_some());
        assert_eq!(
            encode(22, 6, Direction::Request, &object([])),
            Err(CodecError::UnknownMessage { key: 22, version: 6 })
        );
    }

    #[test]
    fn a_damaged_request_header_is_refused() {
        let whole = [0, 0, 0, 9, 0, 0, 0, 1, 0, 2, b'm', b'e', 1, 7, 2, 0xaa, 0xbb];
        let (header, body) = request_header(&whole).unwrap();
        assert_eq!((header.tags, body.len()), (vec![(7, vec![0xaa, 0xbb])], 0));
        for len in 0..whole.len() {
            assert!(request_header(&whole[..len]).is_err(), "{len}");
        }
        let unknown = [0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
        assert_eq!(
            request_header(&unknown).err(),
            Some(CodecError::UnknownMessage { key: 0x7f00, version: 0 })
        );
    }
}
