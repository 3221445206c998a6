//! What the `kurier` command reads: a JSON line becomes a record or a reason, and a stream is cut at its delimiter the
//! same way whatever the reads. The command's own files are compiled here, since a binary has no library.
#[path = "../../../adapters/cli/src/input/base64.rs"]
mod base64;
#[path = "../../../adapters/cli/src/input/json.rs"]
mod reader;
#[path = "../../../adapters/cli/src/input/split.rs"]
mod split;
#[path = "../../../adapters/cli/src/input/strict.rs"]
mod strict;

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::io::Read;

/// As in the command.
#[derive(Debug, PartialEq)]
struct Draft<'a> {
    topic: Option<Cow<'a, str>>,
    key: Option<Cow<'a, [u8]>>,
    value: Option<Cow<'a, [u8]>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    partition: Option<i32>,
    timestamp: Option<i64>,
}

/// Any bytes as a line of JSON. What is taken for a record is, written down again, the same record.
pub fn json(data: &[u8]) {
    match reader::record(data) {
        Ok(draft) => {
            assert!(
                draft.partition.is_none_or(|number| number >= 0) && draft.timestamp.is_none_or(|ms| ms >= 0)
            );
            let again = written(&draft);
            assert_eq!(reader::record(again.as_bytes()).as_ref(), Ok(&draft), "{again}");
        }
        Err(reason) => assert!(!reason.is_empty() && !reason.contains(" at line ")),
    }
}

fn written(draft: &Draft<'_>) -> String {
    let bytes = |bytes: Option<&[u8]>| match bytes {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => serde_json::json!({ "base64": in_base64(bytes) }),
        },
    };
    let mut object = Map::new();
    object.insert("key".into(), bytes(draft.key.as_deref()));
    object.insert("value".into(), bytes(draft.value.as_deref()));
    if let Some(topic) = &draft.topic {
        object.insert("topic".into(), topic.as_ref().into());
    }
    let headers =
        draft.headers.iter().map(|(name, value)| serde_json::json!([name, bytes(value.as_deref())]));
    object.insert("headers".into(), headers.collect());
    object.insert("partition".into(), draft.partition.into());
    object.insert("timestamp".into(), draft.timestamp.into());
    Value::Object(object).to_string()
}

fn in_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let held =
            three.iter().fold(0_u32, |held, byte| held << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = (held >> (18 - 6 * digit) & 63) as usize;
            out.push(if digit <= three.len() { char::from(DIGITS[at]) } else { '=' });
        }
    }
    out
}

/// A delimiter, a limit, a read size and a text: cut as by hand.
pub fn lines(data: &[u8]) {
    let [shape, limit, step, rest @ ..] = data else { return };
    let width = usize::from(shape % 4) + 1;
    if rest.len() < width {
        return;
    }
    let (delimiter, text) = rest.split_at(width);
    let limit = usize::from(*limit);
    let mut expected = Vec::new();
    let mut keep = |piece: &[u8]| {
        expected.push(if piece.len() > limit { Err(piece.len() as u64) } else { Ok(piece.to_vec()) });
    };
    let mut left = text;
    while let Some(at) = left.windows(width).position(|window| window == delimiter) {
        keep(&left[..at]);
        left = &left[at + width..];
    }
    if !left.is_empty() {
        keep(left);
    }
    let mut splitter = split::Splitter::new(Slow(text, usize::from(*step) + 1), delimiter, limit);
    let mut found = Vec::new();
    while splitter.advance().unwrap_or(false) {
        found.push(match splitter.piece() {
            split::Piece::Whole(piece) => Ok(piece.to_vec()),
            split::Piece::TooLong(len) => Err(len),
        });
    }
    assert_eq!(found, expected);
}

/// Hands out so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let (now, later) = self.0.split_at(self.1.min(self.0.len()).min(buf.len()));
        buf[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}
