//! Primitive types and error codes against Kafka's own classes.
//!
//! A type is tried through a message that has nothing but one field of it, so that the same code is tested
//! that reads and writes real messages.
#![allow(clippy::unwrap_used, clippy::panic)]
use kurier_broker::codec::{self, Builder, Value};
use kurier_core::batch::read as batch;
use kurier_core::wire::{
    Api, Damage, ErrorCode, Item, Message, Walker,
    schema::{Field, Kind, link},
    varint::{self, Varint},
};
use kurier_tests::vectors::{hex, id, int, lines, unhex};
use serde_json::Value as Json;

/// Version 0 is classic, version 1 has compact lengths (and an empty list of tagged fields behind it).
const API: Api = Api { key: -1, oldest: 0, newest: 1, flexible_from: 1 };

macro_rules! one_field {
    ($($name:ident: $field:expr;)*) => {$(
        static $name: Message = {
            const FIELDS: &[Field] = &link([$field.named("value")]);
            Message::new(API, FIELDS)
        };
    )*};
}

one_field! {
    BOOL: Field::of(Kind::Bool);
    INT8: Field::of(Kind::Int8);
    INT16: Field::of(Kind::Int16);
    INT32: Field::of(Kind::Int32);
    INT64: Field::of(Kind::Int64);
    UUID: Field::of(Kind::Uuid);
    TEXT: Field::of(Kind::Text);
    NULLABLE_TEXT: Field::of(Kind::Text).nullable(0);
    BYTES: Field::of(Kind::Bytes);
    NULLABLE_BYTES: Field::of(Kind::Bytes).nullable(0);
    INT32S: Field::array(Kind::Int32);
    NULLABLE_INT32S: Field::array(Kind::Int32).nullable(0);
}

/// The message and version that hold one value of a type.
fn holder(name: &str) -> Option<(&'static Message, i16)> {
    let version = i16::from(name.starts_with("compact_"));
    let message = match name.trim_start_matches("compact_") {
        "boolean" => &BOOL,
        "int8" => &INT8,
        "int16" => &INT16,
        "int32" => &INT32,
        "int64" => &INT64,
        "uuid" => &UUID,
        "string" => &TEXT,
        "nullable_string" => &NULLABLE_TEXT,
        "bytes" => &BYTES,
        "nullable_bytes" => &NULLABLE_BYTES,
        "array_int32" => &INT32S,
        "nullable_array_int32" => &NULLABLE_INT32S,
        _ => return None,
    };
    Some((message, version))
}

fn value(message: &Message, json: &Json) -> Value {
    let kind = message.fields()[0].kind();
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Array(items) => items.iter().map(|item| Value::Int(int(item))).collect(),
        Json::String(text) if kind == Kind::Text => Value::Text(text.clone()),
        Json::String(digits) if kind == Kind::Bytes => Value::Bytes(unhex(digits)),
        Json::String(digits) if kind == Kind::Uuid => Value::Uuid(unhex(digits).try_into().unwrap()),
        number => Value::Int(int(number)),
    }
}

/// One varint, of a message or of a record: its value and how many bytes are left over.
fn read_varint(name: &str, bytes: &[u8]) -> Option<(i64, usize)> {
    match name {
        "unsigned_varint" => varint::unsigned(bytes).map(|(rest, value)| (i64::from(value), rest.len())).ok(),
        "varint" => batch::varint(bytes).map(|(value, rest)| (i64::from(value), rest)),
        _ => batch::varlong(bytes),
    }
}

fn write_varint(name: &str, value: i64) -> String {
    match name {
        "unsigned_varint" => hex(Varint::unsigned(value.try_into().unwrap()).as_bytes()),
        "varint" => batch::write_varint(value.try_into().unwrap(), hex),
        _ => batch::write_varlong(value, hex),
    }
}

/// The value of the one field with the number of bytes behind it.
fn read(message: &'static Message, version: i16, bytes: &[u8]) -> Result<(Value, usize), Damage> {
    let mut walker = Walker::new(message, version, bytes.len() as u32);
    let mut builder = Builder::new(message);
    let mut input = bytes;
    loop {
        let item = walker.next(&mut input)?;
        builder.take(item);
        match item {
            Item::Int { .. } if message.fields()[0].is_array() => {}
            Item::Begin { .. } | Item::Chunk { last: false, .. } => {}
            _ => return Ok((builder.finish().value.field("value").clone(), input.len())),
        }
    }
}

#[test]
fn vectors_primitives_go_both_ways() {
    let mut seen = 0;
    for line in lines("primitives") {
        let name = line["type"].as_str().unwrap();
        if line["test"] != "both" {
            continue;
        }
        seen += 1;
        let bytes = unhex(line["hex"].as_str().unwrap());
        let Some((message, version)) = holder(name) else {
            let number = int(&line["value"]);
            assert_eq!(write_varint(name, number), hex(&bytes), "{}", id(&line));
            assert_eq!(read_varint(name, &bytes), Some((number, 0)), "{}", id(&line));
            continue;
        };
        let value = value(message, &line["value"]);
        let body = Value::Struct(vec![("value", value.clone())]);
        let mut written = codec::encode_all(message, version, &body, &[]).unwrap();
        written.truncate(written.len() - usize::from(version >= 1));
        assert_eq!(hex(&written), hex(&bytes), "{}", id(&line));
        assert_eq!(read(message, version, &bytes), Ok((value, 0)), "{}", id(&line));
    }
    assert!(seen > 700, "{seen}");
}

#[test]
fn vectors_primitives_that_no_encoder_writes_are_read_as_kafka_reads_them() {
    let mut seen = 0;
    for line in lines("primitives") {
        let name = line["type"].as_str().unwrap();
        if line["test"] != "decode" {
            continue;
        }
        seen += 1;
        let bytes = unhex(line["hex"].as_str().unwrap());
        let refused = line.get("error").is_some();
        let Some((message, version)) = holder(name) else {
            let expected = (!refused).then(|| (int(&line["value"]), int(&line["unread"]) as usize));
            assert_eq!(read_varint(name, &bytes), expected, "{}", id(&line));
            continue;
        };
        // Made by Kafka's schema types, which fail at a compact count that is negative to Java; its message
        // classes, whose ways the walker follows, take it for null.
        if name == "compact_nullable_array_int32" && line["error"] == "NegativeArraySizeException" {
            assert_eq!(read(message, version, &bytes), Ok((Value::Null, 0)), "{}", id(&line));
            continue;
        }
        match read(message, version, &bytes) {
            Ok(found) => {
                assert!(!refused, "{}: {found:?}: {line}", id(&line));
                let mut expected = (value(message, &line["value"]), int(&line["unread"]) as usize);
                // What is not UTF-8 becomes U+FFFD, in Java by other rules.
                if expected.0.as_text().is_some_and(|text| text.contains('\u{fffd}')) {
                    expected.0 = found.0.clone();
                }
                assert_eq!(found, expected, "{}: {line}", id(&line));
            }
            Err(damage) => assert!(refused, "{}: {damage}: {line}", id(&line)),
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn vectors_error_codes_have_kafkas_names() {
    for line in lines("errors") {
        let code = ErrorCode(int(&line["code"]) as i16);
        assert_eq!(code.name(), line["name"].as_str().unwrap(), "{}", id(&line));
        assert_eq!(code.to_string(), format!("{} ({})", code.name(), code.0));
    }
    assert_eq!(ErrorCode::NONE.0, 0);
    assert_eq!(ErrorCode::UNSUPPORTED_VERSION.0, 35);
    assert_eq!(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0, 45);
}
