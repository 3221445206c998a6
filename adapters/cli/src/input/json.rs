//! One JSON object a line: `{"topic"?, "key"?, "value", "headers"?: [["name", "value"|null], ...],
//! "partition"?, "timestamp"?}`. A string is UTF-8 text, `{"base64": "..."}` stands for bytes, `null` is null.
use super::{Draft, base64, strict::Strict};
use serde_json::{Map, Value, error::Category};

/// The record that a line describes.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn record(line: &[u8]) -> Result<Draft<'static>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    let Strict(value) = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => without_line(&error),
        _ => format!("not JSON: {}", without_line(&error)),
    })?;
    let Value::Object(mut object) = value else {
        return Err("not a JSON object".to_owned());
    };
    let topic = match object.remove("topic") {
        None | Some(Value::Null) => None,
        Some(Value::String(topic)) => Some(topic.into()),
        Some(_) => return Err("\"topic\" must be a string".to_owned()),
    };
    let key = bytes("key", object.remove("key").unwrap_or(Value::Null))?.map(Into::into);
    let value = object.remove("value").ok_or("\"value\" is missing; a tombstone is null")?;
    let value = bytes("value", value)?.map(Into::into);
    let partition = match number(&mut object, "partition")?.map(i32::try_from) {
        None => None,
        Some(number) => Some(number.map_err(|_| "\"partition\" must be from 0 to 2147483647")?),
    };
    let timestamp = number(&mut object, "timestamp")?;
    let headers = match object.remove("headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(headers)) => headers.into_iter().map(header).collect::<Result<_, _>>()?,
        Some(_) => return Err(HEADERS.to_owned()),
    };
    let unknown: Vec<String> = object.keys().map(|name| format!("{name:?}")).collect();
    let members = match unknown.len() {
        0 => return Ok(Draft { topic, key, value, headers, partition, timestamp }),
        1 => "member",
        _ => "members",
    };
    let unknown = unknown.join(", ");
    Err(format!("unknown {members} {unknown}; known are topic, key, value, headers, partition and timestamp"))
}

const HEADERS: &str = "\"headers\" must be an array of [\"name\", value]";

/// Without serde_json's " at line 1 column 7": the line is told by the caller, as it is counted there.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rfind(" at line ").and_then(|at| text.get(..at)).unwrap_or(&text);
    format!("{reason} at column {}", error.column())
}

fn bytes(name: &str, value: Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into_bytes())),
        Value::Object(object) => match (object.len(), object.get("base64")) {
            (1, Some(Value::String(text))) => {
                base64::decode(text).map(Some).ok_or_else(|| format!("{name:?} is not base64"))
            }
            _ => Err(format!("an object in {name:?} must be {{\"base64\": \"...\"}}")),
        },
        _ => Err(format!("{name:?} must be a string, null, or {{\"base64\": \"...\"}}")),
    }
}

fn number(object: &mut Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number @ 0..) => Ok(Some(number)),
            _ => Err(format!("{name:?} must be a whole number from 0")),
        },
    }
}

fn header(pair: Value) -> Result<(String, Option<Vec<u8>>), String> {
    let Value::Array(pair) = pair else { return Err(HEADERS.to_owned()) };
    match <[Value; 2]>::try_from(pair) {
        Ok([Value::String(name), value]) => Ok((name, bytes("headers", value)?)),
        _ => Err(HEADERS.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_read_and_null_is_not_empty() {
        let line = r#"{"topic": "t", "key": {"base64": "/w=="}, "value": "ä",
            "headers": [["a", "1"], ["a", null], ["b", {"base64": ""}]], "partition": 3, "timestamp": 17}"#;
        let draft = record(line.as_bytes()).unwrap();
        assert_eq!(draft.topic.as_deref(), Some("t"));
        assert_eq!(draft.key.as_deref(), Some(&b"\xff"[..]));
        assert_eq!(draft.value.as_deref(), Some("ä".as_bytes()));
        assert_eq!((draft.partition, draft.timestamp), (Some(3), Some(17)));
        let headers: Vec<_> = draft.headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
        assert_eq!(headers, [("a", Some(&b"1"[..])), ("a", None), ("b", Some(&b""[..]))]);
        let draft = record(br#"{"value": null, "key": ""}"#).unwrap();
        assert_eq!((draft.key.as_deref(), draft.value), (Some(&b""[..]), None));
        assert_eq!(record(br#"{"value": ""}"#).unwrap().value.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn bad_input_json_lines_are_refused_with_a_reason() {
        for (line, reason) in [
            (&b"{\"value\": \"\xff\"}"[..], "not UTF-8 from byte 11"),
            (b"{\"value\": ", "not JSON"),
            (b"{\"value\": \"\\ud800\"}", "not JSON"),
            (b"[1]", "not a JSON object"),
            (b"7", "not a JSON object"),
            (b"{}", "\"value\" is missing"),
            (b"{\"value\": 7}", "\"value\" must be a string"),
            (b"{\"value\": {\"base64\": \"?\"}}", "\"value\" is not base64"),
            (b"{\"value\": {\"hex\": \"00\"}}", "must be {\"base64\""),
            (b"{\"value\": \"\", \"vlaue\": \"\"}", "unknown member \"vlaue\""),
            (b"{\"value\": 1, \"b\": 2, \"value\": 3}", "the member \"value\" is there twice at column"),
            (b"{\"value\": {\"base64\": \"\", \"base64\": \"\"}}", "the member \"base64\" is there twice"),
            (b"{\"value\": \"\", \"b\": 1, \"a\": 2}", "unknown members \"a\", \"b\"; known are"),
            (b"{\"value\": \"\", \"partition\": -1}", "\"partition\" must be a whole number from 0"),
            (b"{\"value\": \"\", \"partition\": 2147483648}", "2147483647"),
            (b"{\"value\": \"\", \"timestamp\": 1.5}", "\"timestamp\" must be a whole number"),
            (b"{\"value\": \"\", \"headers\": {}}", "\"headers\" must be an array"),
            (b"{\"value\": \"\", \"headers\": [[\"a\"]]}", "\"headers\" must be an array"),
            (b"{\"value\": \"\", \"headers\": [[1, \"a\"]]}", "\"headers\" must be an array"),
            (b"{\"value\": \"\", \"topic\": 1}", "\"topic\" must be a string"),
        ] {
            let error = record(line).unwrap_err();
            assert!(error.contains(reason), "{}: {error}", String::from_utf8_lossy(line));
        }
        let deep = "[".repeat(100_000);
        assert!(record(deep.as_bytes()).unwrap_err().contains("not JSON"));
    }
}
