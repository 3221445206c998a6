//! First inputs of the fuzzer: the golden vectors made by Kafka's own classes, and what the model broker answers to a
//! real producer.
use crate::{bridge, parsers, world};
use kurier_broker::codec;
use kurier_core::wire::registry::{self, Direction};
use serde_json::Value;
use std::path::Path;

/// An input and the target it is for.
pub type Seed = (&'static str, Vec<u8>);

/// The target that reads an API's answers.
const PARSERS: [(&str, i16); 4] =
    [("api_versions", 18), ("metadata", 3), ("init_producer_id", 22), ("produce", 0)];

/// All first inputs; `vectors` is the folder of the golden vectors.
///
/// # Errors
/// The vectors cannot be read.
pub fn all(vectors: &Path) -> std::io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for (target, key) in PARSERS {
        let Some(message) = registry::message(key, Direction::Response) else { continue };
        for version in message.api.oldest..=message.api.newest {
            let honest = world::honest(key, version);
            seeds.extend(honest.iter().map(|body| (target, parsers::input(message, version, body))));
        }
    }
    of_pages(&mut seeds);
    for line in lines(vectors, "messages.")?.iter().chain(&lines(vectors, "malformed.")?) {
        message(line, &mut seeds);
    }
    for line in lines(vectors, "batches.")? {
        if let Some(bytes) = line["batch"].as_str().and_then(unhex).filter(|bytes| bytes.len() < 600) {
            seeds.push(("batch", bytes));
        }
    }
    for line in lines(vectors, "config.")? {
        if let (Some(name), Some(value)) = (line["name"].as_str(), line["default"].as_str()) {
            seeds.push(("properties", format!("{name}={value}\n").into_bytes()));
        }
    }
    seeds.push((
        "properties",
        b"# c\n! d\nbootstrap.servers = a:1,[::1]:2\\\n  ,b:3\nclient.id:\\u00e4\\t\n\nacks all\n".to_vec(),
    ));
    for line in [
        r#"{"topic": "t", "key": {"base64": "/w=="}, "value": "v", "headers": [["a", "1"], ["a", null]], "partition": 3, "timestamp": 17}"#,
        r#"{"value": null, "key": ""}"#,
        r#"{"value": "\ud83d\ude00\u0000", "headers": null}"#,
        r#"{"value": {"base64": "Zm9vYg=="}}"#,
        r#"{"value": "", "vlaue": 1.5e300}"#,
    ] {
        seeds.push(("json", line.as_bytes().to_vec()));
    }
    seeds.push(("lines", b"\x01\x09\x00\r\na\r\n\r\nlonger than nine\r\nb\n".to_vec()));
    seeds.push(("builder", (0..=255).collect()));
    seeds.push(("builder", vec![0x00; 300]));
    // Short scripts of every act, over every kind of reply.
    for act in 0..16_u8 {
        for reply in [0_u8, 100, 120, 140, 160, 180, 205, 230, 245, 252] {
            let mut script = vec![
                0x43 ^ act,
                0,
                0,
                0,
                0,
                1,
                0,
                0,
                1,
                0,
                0,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
                act,
                0,
                reply,
                0,
                0,
                0,
                0,
                0,
            ];
            for nth in 0..12_u8 {
                script.extend([
                    0,
                    40,
                    nth,
                    0xf8,
                    200,
                    reply,
                    nth,
                    reply,
                    act | nth << 4,
                    nth,
                    act,
                    0x58,
                    100,
                    20,
                    30,
                ]);
            }
            seeds.push(("client", script));
        }
    }
    Ok(seeds)
}

/// What a page asks of topics that are allowed and that are not, by name and by id; alone, and one after the other.
fn of_pages(seeds: &mut Vec<Seed>) {
    let mut all = Vec::new();
    for key in [18, 3, 22, 0] {
        let Some(message) = registry::message(key, Direction::Request) else { continue };
        for version in message.api.oldest..=message.api.newest {
            let topics: [&[&str]; 3] = [&["clicks"], &["secret"], &["clicks", "secret"]];
            let requests = topics.map(|topics| bridge::asks(key, version, topics));
            for request in &requests {
                let framed = [&u16::try_from(request.len()).unwrap_or(0).to_be_bytes()[..], request].concat();
                seeds.push(("bridge", [&[1, 3, 0, 0][..], &framed].concat()));
                seeds.push(("bridge", [&[3, 3, 0, 30, 9][..], &framed].concat()));
            }
            all.extend(requests.first().map(|first| codec::frame(first)).unwrap_or_default());
        }
    }
    seeds.push(("bridge", [&[0, 7, 0, 0][..], &all].concat()));
    for sasl in [
        &b"\0\x11\0\x01\0\0\0\x07\0\x01p\0\x05PLAIN"[..],
        b"\0\x24\0\x01\0\0\0\x07\0\x01p\0\0\0\x03\0a\0",
        b"\0\x24\0\x02\0\0\0\x07\0\x01p\x01\x63\x02xy\x04\0a\0\0",
    ] {
        seeds.push(("bridge", [&[0, 2, 0, 0][..], &codec::frame(sasl)].concat()));
    }
}

fn message(line: &Value, seeds: &mut Vec<Seed>) {
    let number = |name: &str| line[name].as_i64().and_then(|number| i16::try_from(number).ok());
    let (Some(key), Some(version)) = (number("key"), number("version")) else { return };
    let Some(frame) = line["frame"].as_str().and_then(unhex).filter(|frame| (8..600).contains(&frame.len()))
    else {
        return;
    };
    if line["direction"] == "request" {
        seeds.push(("broker", [&[1, 20][..], &frame].concat()));
        seeds.push(("bridge", [&[0, 20, 0, 0][..], &frame].concat()));
        return;
    }
    let Some(message) = registry::message(key, Direction::Response) else { return };
    if !(message.api.oldest..=message.api.newest).contains(&version) {
        return;
    }
    if let Some((target, _)) = PARSERS.iter().find(|(_, known)| *known == key) {
        seeds.push((target, parsers::input(message, version, &frame[8..])));
    }
    let place =
        registry::MESSAGES.iter().position(|pair| pair.iter().any(|known| std::ptr::eq(*known, message)));
    if let Some(body) = line["body"].as_str().and_then(unhex)
        && let Some(pair) = place
    {
        let which =
            registry::MESSAGES[pair].iter().position(|known| std::ptr::eq(*known, message)).unwrap_or(0);
        let mut input = vec![u8::try_from(pair << 1 | which).unwrap_or(0)];
        input.extend(parsers::input(message, version, &body));
        seeds.push(("messages", input));
    }
}

/// The lines of every file in the folder whose name begins so.
fn lines(folder: &Path, prefix: &str) -> std::io::Result<Vec<Value>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let text = std::fs::read_to_string(entry.path())?;
            all.extend(text.split('\n').filter_map(|line| serde_json::from_str(line).ok()));
        }
    }
    Ok(all)
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
