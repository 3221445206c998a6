//! `messages.jsonl` and `malformed.jsonl`: whole messages as Kafka's own classes write and read them.
#![allow(clippy::unwrap_used)]
use crate::vectors::{id, int, lines, unhex};
use kurier_broker::codec::{Builder, Decoded, Direction, Tags, Value};
use kurier_core::wire::{
    Damage, Item, Message, Walker,
    primitive::MAX_TOKEN,
    registry,
    schema::{Field, Kind},
};
use serde_json::Value as Json;
use std::ops::Range;

/// A line of `messages.jsonl` or `malformed.jsonl` with the table it belongs to.
#[derive(Debug)]
pub struct Line {
    /// All that the line says.
    pub json: Json,
    /// Its table.
    pub message: &'static Message,
    /// Version of the body.
    pub version: i16,
}

impl Line {
    /// What a failing test calls it.
    pub fn id(&self) -> &str {
        id(&self.json)
    }

    /// The bytes in a member.
    pub fn bytes(&self, member: &str) -> Vec<u8> {
        unhex(self.json[member].as_str().unwrap())
    }

    /// The payload of the frame, without its size, which is checked.
    pub fn payload(&self) -> Vec<u8> {
        let frame = self.bytes("frame");
        let (size, payload) = frame.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*size) as usize, payload.len(), "{}", self.id());
        payload.to_vec()
    }

    /// A message in Kafka's JSON as a value.
    pub fn value(&self, json: &Json) -> Value {
        value_of(self.message.fields(), 0..self.message.fields().len(), json)
    }
}

/// The lines of a file whose API has a table with their version; malformed lines are responses.
pub fn messages(name: &str) -> Vec<Line> {
    let of = |json: Json| {
        let direction = match json["direction"].as_str() {
            Some("request") => Direction::Request,
            _ => Direction::Response,
        };
        let message = registry::message(int(&json["key"]) as i16, direction)?;
        let version = int(&json["version"]) as i16;
        (message.api.oldest..=message.api.newest).contains(&version).then_some(Line {
            json,
            message,
            version,
        })
    };
    lines(name).into_iter().filter_map(of).collect()
}

/// Tagged fields in JSON: `[[tag, hex], ...]`.
pub fn tags(json: &Json) -> Tags {
    let tag = |it: &Json| (int(&it[0]) as u32, unhex(it[1].as_str().unwrap()));
    json.as_array().unwrap().iter().map(tag).collect()
}

/// `unknownTags` of a message: `[{"path", "tags"}, ...]`, sorted by path.
pub fn unknown(json: &Json) -> Vec<(String, Tags)> {
    let one = |it: &Json| (it["path"].as_str().unwrap().to_owned(), tags(&it["tags"]));
    let mut all: Vec<_> = json.as_array().unwrap().iter().map(one).collect();
    all.sort();
    all
}

/// Kafka's JSON as a value; the table says what a string of hex digits is.
fn value_of(fields: &'static [Field], range: Range<usize>, json: &Json) -> Value {
    let mut given = json.as_object().unwrap().clone();
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let field = &fields[at];
        let inside = at + 1..at + 1 + usize::from(field.inside());
        at = inside.end;
        let Some(json) = given.remove(field.name()) else { continue };
        let value = match json.as_array() {
            Some(items) => items.iter().map(|json| scalar_of(fields, field, inside.clone(), json)).collect(),
            None => scalar_of(fields, field, inside, &json),
        };
        out.push((field.name(), value));
    }
    assert!(given.is_empty(), "fields without a table: {given:?}");
    Value::Struct(out)
}

fn scalar_of(fields: &'static [Field], field: &Field, inside: Range<usize>, json: &Json) -> Value {
    match (field.kind(), json) {
        (_, Json::Null) => Value::Null,
        (Kind::Struct, _) => value_of(fields, inside, json),
        (Kind::Bool, _) => Value::Bool(json.as_bool().unwrap()),
        (Kind::Text, _) => Value::Text(json.as_str().unwrap().to_owned()),
        (Kind::Bytes, _) => Value::Bytes(unhex(json.as_str().unwrap())),
        (Kind::Uuid, _) => Value::Uuid(unhex(json.as_str().unwrap()).try_into().unwrap()),
        _ => Value::Int(int(json)),
    }
}

/// With fields in the order of their names: tagged ones come behind the others on the wire.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Struct(mut fields) => {
            fields.sort_by_key(|(name, _)| *name);
            Value::Struct(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// What came out of a stream of pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// The message, its fields sorted, with unknown tags sorted by path.
    pub decoded: Decoded,
    /// Tags of the response header.
    pub header_tags: Tags,
    /// Whether the walk came to its end.
    pub done: bool,
}

/// Feeds `payload` to `walker` in pieces of the given sizes, over and over, and carries over what is left as
/// a link does.
///
/// # Errors
/// What the walker says.
///
/// # Panics
/// A rule of the walker is broken: more left over than a token, bytes taken beyond the frame, or no end.
pub fn walk(
    mut walker: Walker,
    message: &'static Message,
    payload: &[u8],
    sizes: &[usize],
) -> Result<Walked, Damage> {
    let mut builder = Builder::new(message);
    let (mut header_tags, mut tag_bytes, mut in_header) = (Tags::new(), Vec::new(), true);
    let mut carried: Vec<u8> = Vec::new();
    let mut rest = payload;
    let mut sizes = sizes.iter().cycle();
    let (mut done, mut items) = (false, 0);
    // An empty payload is fed once.
    while !done && (items == 0 || !rest.is_empty()) {
        let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = after;
        carried.extend_from_slice(piece);
        let mut input = &carried[..];
        loop {
            items += 1;
            assert!(items <= 4 * payload.len() + 64, "more items than bytes");
            match walker.next(&mut input)? {
                Item::NeedMore => break,
                Item::Done => {
                    done = true;
                    break;
                }
                Item::Unknown { tag, chunk, last } if in_header => {
                    tag_bytes.extend_from_slice(chunk);
                    if last {
                        header_tags.push((tag, std::mem::take(&mut tag_bytes)));
                    }
                }
                item => {
                    in_header = false;
                    builder.take(item);
                }
            }
        }
        assert!(done || input.len() < MAX_TOKEN, "{} bytes to carry over", input.len());
        carried = input.to_vec();
    }
    let mut decoded = builder.finish();
    decoded.value = sorted(decoded.value);
    decoded.unknown.sort();
    Ok(Walked { decoded, header_tags, done })
}
