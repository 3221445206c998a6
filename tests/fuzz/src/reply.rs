//! Answers that are not quite what the broker said: its own, changed where the script says, field by field or byte by
//! byte, so that a client is led deeper than by bytes that mean nothing.
use crate::script::Script;
use kurier_broker::codec::{self, RequestHeader, Tags, Value, response_header};
use kurier_core::wire::{registry, registry::Direction};

/// Numbers on which something turns: limits, error codes, ids.
const NUMBERS: [i64; 32] = [
    0,
    1,
    -1,
    2,
    3,
    5,
    6,
    7,
    9,
    10,
    16,
    35,
    45,
    46,
    47,
    59,
    67,
    87,
    90,
    100,
    127,
    -128,
    9091,
    32_767,
    -32_768,
    65_535,
    2_147_483_647,
    -2_147_483_648,
    1 << 30,
    i64::MAX,
    i64::MIN,
    1 << 40,
];

/// The answer's frame with some of its fields changed; `None` if it cannot be taken apart.
pub(crate) fn fields(header: &RequestHeader, honest: &[u8], script: &mut Script<'_>) -> Option<Vec<u8>> {
    let message = registry::message(header.key, Direction::Response)?;
    let tagged = message.api.response_header(header.version) >= 1;
    let body = honest.get(8 + usize::from(tagged)..)?;
    let decoded = codec::decode_all(message, header.version, body).ok()?;
    let (mut value, mut unknown) = (decoded.value, decoded.unknown);
    for _ in 0..=script.below(4) {
        let before = value.clone();
        let mut at = usize::from(script.byte()) % count(&value).max(1);
        change(&mut value, &mut at, script);
        if codec::encode_all(message, header.version, &value, &[]).is_err() {
            value = before;
        }
    }
    let mut tags = Tags::new();
    if script.below(8) == 7 {
        tags.push((u32::from(script.byte()), script.take(3).to_vec()));
        unknown.push((String::new(), vec![(u32::from(script.byte()) + 20, script.take(5).to_vec())]));
    }
    let mut payload = response_header(&message.api, header.version, header.correlation, &tags);
    payload.extend(codec::encode_all(message, header.version, &value, &unknown).ok()?);
    Some(codec::frame(&payload))
}

/// Values in a tree, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Struct(fields) => fields.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

/// Changes the value that `at` counts down to.
fn change(value: &mut Value, at: &mut usize, script: &mut Script<'_>) -> bool {
    if *at > 0 {
        *at -= 1;
        return match value {
            Value::Array(items) => items.iter_mut().any(|value| change(value, at, script)),
            Value::Struct(fields) => fields.iter_mut().any(|(_, value)| change(value, at, script)),
            _ => false,
        };
    }
    *value = match std::mem::replace(value, Value::Null) {
        Value::Int(old) => Value::Int(number(old, script)),
        Value::Bool(old) => Value::Bool(!old),
        Value::Text(old) => match script.below(6) {
            0 => Value::Null,
            1 => "".into(),
            2 => script.of(["t", "u", "many", "none", "broker"]).into(),
            3 => "x".repeat(usize::from(script.byte()) * 3).into(),
            4 => String::from_utf8_lossy(script.take(4)).into_owned().into(),
            _ => format!("{old}{old}").into(),
        },
        Value::Uuid(mut old) => {
            let place = script.below(17);
            if let Some(byte) = old.get_mut(place) {
                *byte ^= script.byte();
                Value::Uuid(old)
            } else {
                Value::Uuid([0; 16])
            }
        }
        Value::Bytes(_) => Value::Bytes(script.take(8).to_vec()),
        Value::Array(items) => array(items, script),
        Value::Struct(mut fields) => {
            if !fields.is_empty() {
                let place = script.below(fields.len().min(256));
                fields.remove(place);
            }
            Value::Struct(fields)
        }
        Value::Null => match script.below(3) {
            0 => Value::Array(Vec::new()),
            1 => "text".into(),
            _ => Value::Bytes(vec![1]),
        },
    };
    true
}

/// Any number; it is cut to the width of the one it replaces, as far as that can be told.
fn number(old: i64, script: &mut Script<'_>) -> i64 {
    let new = match script.below(8) {
        0 => script.long(),
        1 => i64::from(script.byte()),
        2 => i64::from(script.word().cast_signed()),
        3 => old.wrapping_add(i64::from(script.byte().cast_signed())),
        4 => -old,
        _ => script.of(NUMBERS),
    };
    match script.below(4) {
        0 => i64::from(new as i8),
        1 => i64::from(new as i16),
        2 => i64::from(new as i32),
        _ => new,
    }
}

fn array(mut items: Vec<Value>, script: &mut Script<'_>) -> Value {
    let place = |items: &[Value], script: &mut Script<'_>| script.below(items.len().clamp(1, 256));
    match script.below(7) {
        0 => return Value::Null,
        1 => items.clear(),
        2 => items.reverse(),
        3 if !items.is_empty() => {
            let at = place(&items, script);
            items.remove(at);
        }
        4 if !items.is_empty() => {
            let at = place(&items, script);
            items.push(items[at].clone());
        }
        5 if !items.is_empty() => {
            let (one, two) = (place(&items, script), place(&items, script));
            items.swap(one, two);
        }
        _ => {
            if let Some(first) = items.first().cloned() {
                items.resize(items.len() + usize::from(script.byte() % 64), first);
            }
        }
    }
    Value::Array(items)
}

/// The answer's frame with some of its bytes changed; its size and correlation id are right unless they are hit.
pub(crate) fn bytes(mut frame: Vec<u8>, script: &mut Script<'_>) -> Vec<u8> {
    for _ in 0..=script.below(3) {
        let at = usize::from(script.word()) % frame.len().max(1);
        let body = at.max(8).min(frame.len());
        match script.below(8) {
            0 => frame.truncate(body),
            1 => drop(frame.splice(body..body, script.take(6).iter().copied())),
            2 => drop(frame.drain(body..frame.len().min(body + 3))),
            3 => frame.extend_from_slice(script.take(9)),
            // Anywhere, the size and the correlation id too.
            4 => {
                if let Some(byte) = frame.get_mut(at % 12) {
                    *byte = script.byte();
                }
                return frame;
            }
            5 => {
                if let Some(byte) = frame.get_mut(body) {
                    *byte ^= 1 << (script.byte() % 8);
                }
            }
            _ => {
                if let Some(byte) = frame.get_mut(body) {
                    *byte = script.byte();
                }
            }
        }
    }
    resize(frame)
}

/// Puts the size right.
pub(crate) fn resize(mut frame: Vec<u8>) -> Vec<u8> {
    let size = u32::try_from(frame.len().saturating_sub(4)).unwrap_or(0).to_be_bytes();
    if let Some(place) = frame.first_chunk_mut() {
        *place = size;
    }
    frame
}
