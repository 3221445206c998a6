//! Messages against bytes made by Kafka's own classes: tables, walker, codec and the client's emission.
#![allow(clippy::unwrap_used, clippy::panic)]
use kurier_broker::codec::{self, Decoded, Direction, Tags, Value};
use kurier_core::wire::{
    Message, registry,
    schema::{Field, Kind},
};
use kurier_tests::vectors::{hex, id, int, lines, unhex};
use serde_json::{Map, Value as Json};

/// A line of `messages.jsonl`.
struct Line {
    json: Json,
    message: &'static Message,
    version: i16,
    body: Vec<u8>,
}

impl Line {
    fn id(&self) -> &str {
        id(&self.json)
    }

    fn value(&self) -> Value {
        value_of(self.message.fields(), 0..self.message.fields().len(), &self.json["json"])
    }

    fn unknown(&self) -> Vec<(String, Tags)> {
        let structs = self.json["unknownTags"].as_array().unwrap();
        structs.iter().map(|it| (it["path"].as_str().unwrap().to_owned(), tags(&it["tags"]))).collect()
    }
}

/// The lines of all APIs that have tables, in versions that these have.
fn messages() -> Vec<Line> {
    let mut found = Vec::new();
    for json in lines("messages") {
        let direction = match json["direction"].as_str().unwrap() {
            "request" => Direction::Request,
            _ => Direction::Response,
        };
        let Some(message) = registry::message(int(&json["key"]) as i16, direction) else { continue };
        let version = int(&json["version"]) as i16;
        if !(message.api.oldest..=message.api.newest).contains(&version) {
            continue;
        }
        found.push(Line { message, version, body: unhex(json["body"].as_str().unwrap()), json });
    }
    found
}

fn tags(json: &Json) -> Tags {
    json.as_array().unwrap().iter().map(|it| (int(&it[0]) as u32, unhex(it[1].as_str().unwrap()))).collect()
}

/// Kafka's JSON as a value; the table says what a string of hex digits is.
fn value_of(fields: &'static [Field], range: std::ops::Range<usize>, json: &Json) -> Value {
    let mut given: Map<String, Json> = json.as_object().unwrap().clone();
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let field = &fields[at];
        let inside = at + 1..at + 1 + usize::from(field.inside());
        at = inside.end;
        let Some(json) = given.remove(field.name()) else { continue };
        let one = |json: &Json| match (field.kind(), json) {
            (_, Json::Null) => Value::Null,
            (Kind::Struct, _) => value_of(fields, inside.clone(), json),
            (Kind::Bool, _) => Value::Bool(json.as_bool().unwrap()),
            (Kind::Text, _) => Value::Text(json.as_str().unwrap().to_owned()),
            (Kind::Bytes, _) => Value::Bytes(unhex(json.as_str().unwrap())),
            (Kind::Uuid, _) => Value::Uuid(unhex(json.as_str().unwrap()).try_into().unwrap()),
            _ => Value::Int(int(json)),
        };
        let value = match json.as_array() {
            Some(items) => items.iter().map(one).collect(),
            None => one(&json),
        };
        out.push((field.name(), value));
    }
    assert!(given.is_empty(), "fields without a table: {given:?}");
    Value::Struct(out)
}

/// Tagged fields come behind the others on the wire, not in the table: compares by name.
fn sorted(value: Value) -> Value {
    match value {
        Value::Struct(mut fields) => {
            fields.sort_by_key(|(name, _)| *name);
            Value::Struct(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[test]
fn vectors_messages_are_written_as_kafka_writes_them() {
    for line in messages() {
        let written = codec::encode_all(line.message, line.version, &line.value(), &line.unknown());
        assert_eq!(written.map(|bytes| hex(&bytes)).as_deref(), Ok(&*hex(&line.body)), "{}", line.id());
    }
}

#[test]
fn vectors_messages_are_read_as_kafka_reads_them() {
    for line in messages() {
        let decoded = codec::decode_all(line.message, line.version, &line.body)
            .unwrap_or_else(|damage| panic!("{}: {damage}", line.id()));
        let Decoded { value, mut unknown, unread } = decoded;
        let mut expected = line.unknown();
        unknown.sort();
        expected.sort();
        assert_eq!(sorted(value), sorted(line.value()), "{}", line.id());
        assert_eq!(unknown, expected, "{}", line.id());
        assert_eq!(unread, 0, "{}", line.id());
    }
}
