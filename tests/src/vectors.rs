//! Golden vectors: one JSON object a line, made by Apache Kafka's own classes.
//!
//! They lie in `tests/vectors`; the environment variable `KURIER_VECTORS` names another folder. A file may be
//! split into parts (`messages.0.jsonl`, `messages.1.jsonl`, ...), which are read in order of their names.
//! Tests over them have names that begin with `vectors_`, so that one filter runs them all. What is wrong
//! with a file panics with its name and line: here a broken vector is a broken test.
#![allow(clippy::panic)]
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder the vectors are read from.
pub fn folder() -> PathBuf {
    std::env::var_os("KURIER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors"), PathBuf::from)
}

/// All lines of `<name>.jsonl`, or of its parts `<name>.*.jsonl` where there is no such file.
///
/// # Panics
/// No such file, not UTF-8, or a line that is not JSON. An empty set panics too, so that a test over it
/// cannot pass without having looked at anything.
pub fn lines(name: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for path in parts(&folder(), name) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // Only \n separates lines: a string may hold U+2028 or U+0085 as such.
        for (number, line) in text.split('\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let value = serde_json::from_str(line)
                .unwrap_or_else(|e| panic!("{} line {}: {e}", path.display(), number.saturating_add(1)));
            all.push(value);
        }
    }
    assert!(!all.is_empty(), "no vectors in {name}");
    all
}

fn parts(folder: &Path, name: &str) -> Vec<PathBuf> {
    let whole = folder.join(format!("{name}.jsonl"));
    if whole.is_file() {
        return vec![whole];
    }
    let prefix = format!("{name}.");
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut parts: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            file.starts_with(&prefix) && file.ends_with(".jsonl")
        })
        .collect();
    parts.sort();
    assert!(!parts.is_empty(), "neither {name}.jsonl nor {name}.*.jsonl in {}", folder.display());
    parts
}

/// The bytes of a string of hex digits, two a byte.
///
/// # Panics
/// An odd number of digits, or something that is none.
pub fn unhex(digits: &str) -> Vec<u8> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => digit & 0x0f,
        b'a'..=b'f' | b'A'..=b'F' => (digit & 0x0f).wrapping_add(9),
        other => panic!("not a hex digit: {:?}", char::from(other)),
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "an odd number of hex digits: {}", digits.len());
    pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)).collect()
}

/// Lower-case hex digits of `bytes`, two a byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

/// The bytes of a hex string in JSON; `None` is null.
///
/// # Panics
/// Neither a string nor null.
pub fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(digits) => Some(unhex(digits)),
        other => panic!("not a hex string: {other}"),
    }
}

/// An integer in JSON: a number, or a 64-bit one as a decimal string.
///
/// # Panics
/// Neither, or beyond 64 bits.
pub fn int(value: &Value) -> i64 {
    let parsed = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    parsed.unwrap_or_else(|| panic!("not an integer: {value}"))
}

/// What a failing test calls the line.
pub fn id(line: &Value) -> &str {
    line.get("id").and_then(Value::as_str).unwrap_or("a line without id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&all)), all);
        assert_eq!(hex(&[0x0a, 0xf0]), "0af0");
        assert_eq!(unhex("0AF0"), [0x0a, 0xf0]);
    }

    #[test]
    fn integers_are_numbers_or_decimal_strings() {
        assert_eq!(int(&Value::from(-7)), -7);
        assert_eq!(int(&Value::from("-9223372036854775808")), i64::MIN);
    }

    #[test]
    fn parts_of_a_split_file_are_read_in_order() {
        let folder = std::env::temp_dir().join(format!("kurier-vectors-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["a.1.jsonl", "a.0.jsonl", "ab.0.jsonl", "b.jsonl"] {
            std::fs::write(folder.join(name), "{}\n").unwrap();
        }
        let names = |name: &str| -> Vec<String> {
            let file = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            parts(&folder, name).into_iter().map(file).collect()
        };
        assert_eq!(names("a"), ["a.0.jsonl", "a.1.jsonl"]);
        assert_eq!(names("b"), ["b.jsonl"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
