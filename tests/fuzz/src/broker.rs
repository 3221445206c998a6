//! Any bytes at the model broker, in pieces: answered or the connection closed. What it answers is a frame that the
//! project's own tables can read in the version that was asked for.
//!
//! Checksums are put right on the way if the first byte says so: no fuzzer finds them.
use crate::home::crc;
use crate::script::Script;
use kurier_broker::codec::{self, Value, request_header};
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::wire::{registry, registry::Direction};

/// Plays `data` on one connection.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let (mode, piece) = (script.byte(), usize::from(script.byte()) + 1);
    let mut cluster = Cluster::new(Settings { socket_request_max_bytes: 1 << 16, ..Settings::default() });
    cluster.add_broker(1, "h", 1);
    let _ = cluster.create_topic("t", 2, TopicConfig::default());
    let Some(connection) = cluster.open(1) else { return };
    let stream = if mode & 1 == 0 { script.0.to_vec() } else { mended(script.0) };
    let mut asked = requests(&stream).into_iter();
    let mut answers = Vec::new();
    for (at, bytes) in stream.chunks(if mode & 2 == 0 { stream.len().max(1) } else { piece }).enumerate() {
        let now = 1_700_000_000_000 + i64::try_from(at).unwrap_or(0);
        let over = cluster.handle(connection, bytes, now).is_err();
        cluster.poll(now + 600_000);
        answers.extend(cluster.take_output(connection));
        if over {
            break;
        }
    }
    let mut rest = answers.as_slice();
    while !rest.is_empty() {
        let (size, behind) = rest.split_first_chunk::<4>().expect("a whole size");
        let size = usize::try_from(i32::from_be_bytes(*size)).expect("a size");
        let (frame, behind) = behind.split_at_checked(size).expect("a whole answer");
        rest = behind;
        let correlation = frame.first_chunk::<4>().expect("a correlation id");
        // Some requests have no answer.
        let (key, version, _) = asked
            .by_ref()
            .find(|(_, _, asked)| asked.to_be_bytes() == *correlation)
            .expect("an answer to a request that was sent, in its order");
        let Some(message) = registry::message(key, Direction::Response) else { continue };
        if !(message.api.oldest..=message.api.newest).contains(&version) {
            continue;
        }
        let tagged = usize::from(message.api.response_header(version) >= 1);
        let decoded = codec::decode_all(message, version, &frame[4 + tagged..]);
        assert!(
            decoded.as_ref().is_ok_and(|all| all.unread == 0),
            "API {key} version {version}: {decoded:?}"
        );
    }
}

/// Key, version and correlation id of the whole requests in `stream`.
fn requests(mut stream: &[u8]) -> Vec<(i16, i16, i32)> {
    let mut all = Vec::new();
    while let Some((frame, rest)) = split(stream) {
        stream = rest;
        if let Some(head) = frame.first_chunk::<8>() {
            let [k0, k1, v0, v1, c @ ..] = *head;
            all.push((i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]), i32::from_be_bytes(c)));
        }
    }
    all
}

fn split(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = stream.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(i32::from_be_bytes(*size)).ok()?)
}

/// The same requests with right sizes and checksums in their batches, as far as they can be read.
fn mended(mut stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((frame, rest)) = split(stream) {
        stream = rest;
        out.extend(codec::frame(&mend(frame).unwrap_or_else(|| frame.to_vec())));
    }
    out.extend_from_slice(stream);
    out
}

fn mend(frame: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = request_header(frame).ok().filter(|(header, _)| header.key == 0)?;
    let mut request = codec::decode(0, header.version, Direction::Request, body).ok()?;
    batches(&mut request);
    let mut mended = frame[..frame.len() - body.len()].to_vec();
    mended.extend(codec::encode(0, header.version, Direction::Request, &request).ok()?);
    Some(mended)
}

fn batches(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(batches),
        Value::Struct(fields) => fields.iter_mut().for_each(|(_, value)| batches(value)),
        Value::Bytes(batch) if batch.len() > 61 => {
            let length = u32::try_from(batch.len() - 12).unwrap_or(0);
            batch[8..12].copy_from_slice(&length.to_be_bytes());
            let sum = crc(0, &batch[21..]);
            batch[17..21].copy_from_slice(&sum.to_be_bytes());
        }
        _ => {}
    }
}
