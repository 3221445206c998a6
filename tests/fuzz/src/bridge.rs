//! Any bytes of a page at the bridge's frame reader and gate, with the model broker behind it, whose answers may be
//! damaged on the way.
//!
//! Everything that is sent on is read again by the broker's own tables, and must be a producer's request for the one
//! allowed topic; what comes back must tell of nothing else. The same stream is played whole and in pieces: both must
//! end alike, byte for byte. What is kept is bounded.
use crate::script::Script;
use kurier_bridge::{Frames, Gate, Kind, Rules, Topics};
use kurier_broker::codec::{self, Direction, RequestHeader, Value, object};
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::wire::registry;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of a request at most.
const MAX_FRAME: usize = 1 << 12;
/// Bytes of an answer at most.
const MAX_ANSWER: usize = 1 << 16;
/// What a producer asks.
const APIS: [i16; 6] = [0, 3, 18, 22, 17, 36];
/// Sixteen of these bytes stand for the id of a topic, which no fuzzer finds: of the allowed one, of the other.
const IDS: [(u8, &str); 2] = [(0xc1, "clicks"), (0x5e, "secret")];

/// What happens to a broker's answer: one byte is changed, unless by 0.
#[derive(Clone, Copy)]
struct Damage {
    at: usize,
    by: u8,
}

/// All that can be seen of a connection.
#[derive(Debug, PartialEq)]
struct Seen {
    to_broker: Vec<Vec<u8>>,
    to_page: Vec<Vec<u8>>,
    end: Option<Kind>,
}

/// Plays `data` on one connection, twice.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let (mode, piece) = (script.byte(), usize::from(script.byte()) + 1);
    let damage = Damage { at: usize::from(script.word()), by: if mode & 2 == 0 { 0 } else { script.byte() } };
    let stream = if mode & 1 == 0 { script.0.to_vec() } else { framed(script) };
    let whole = Connection::new(damage).play(&stream, stream.len().max(1));
    assert_eq!(whole, Connection::new(damage).play(&stream, piece), "whole, and in pieces of {piece}");
}

/// The script as frames whose sizes are right: each has two bytes for it, taken as far as there are bytes.
fn framed(mut script: Script<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !script.is_over() {
        let len = usize::from(script.word()).min(script.0.len());
        let (frame, rest) = script.0.split_at(len);
        stream.extend(codec::frame(frame));
        script = Script(rest);
    }
    stream
}

/// A connection, and the cluster behind it.
struct Connection {
    cluster: Cluster,
    gate: Gate,
    damage: Damage,
    ids: [[u8; 16]; 2],
    /// Requests that were let through or answered by the bridge itself, in order: key, version, correlation id.
    asked: VecDeque<(i16, i16, i32)>,
    seen: Seen,
}

impl Connection {
    fn new(damage: Damage) -> Self {
        let mut cluster = Cluster::new(Settings { socket_request_max_bytes: 1 << 16, ..Settings::default() });
        cluster.add_broker(1, "h", 1);
        let ids = IDS.map(|(_, name)| {
            let _ = cluster.create_topic(name, 2, TopicConfig::default());
            cluster.topic_id(name).expect("it was made")
        });
        let mut topics = Topics::new();
        topics.allow("clicks*").expect("a good name");
        let gate = Gate::new(Arc::new(Rules::new(topics, false, vec![("h".to_owned(), 1)], &[])));
        let seen = Seen { to_broker: Vec::new(), to_page: Vec::new(), end: None };
        Self { cluster, gate, damage, ids, asked: VecDeque::new(), seen }
    }

    /// All of it, in pieces of this length.
    fn play(mut self, stream: &[u8], piece: usize) -> Seen {
        let stream = self.with_ids(stream);
        let broker = self.cluster.open(1).expect("a broker");
        let mut from_page = Frames::new(MAX_FRAME);
        let mut from_broker = Frames::new(MAX_ANSWER);
        for bytes in stream.chunks(piece) {
            from_page.feed(bytes);
            assert!(from_page.capacity() <= 2 * (4 + MAX_FRAME + bytes.len()), "{}", from_page.capacity());
            loop {
                let frame = match from_page.next_frame() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(refusal) => return self.ended(refusal.kind),
                };
                let forward = match self.gate.request(frame) {
                    Ok(forward) => forward,
                    Err(refusal) => return self.ended(refusal.kind),
                };
                match forward {
                    Some(frame) => {
                        self.judge(&frame);
                        let now = 1_700_000_000_000 + i64::try_from(self.seen.to_broker.len()).unwrap_or(0);
                        let open = self.cluster.handle(broker, &frame, now).is_ok();
                        self.cluster.poll(now + 600_000);
                        self.seen.to_broker.push(frame);
                        from_broker.feed(&self.cluster.take_output(broker));
                        if !open {
                            return self.ended(Kind::Unreachable);
                        }
                    }
                    None => self.asked.push_back(head(frame)),
                }
                if let Err(kind) = self.answers(&mut from_broker) {
                    return self.ended(kind);
                }
            }
        }
        self.seen
    }

    fn with_ids(&self, stream: &[u8]) -> Vec<u8> {
        let mut stream = stream.to_vec();
        for ((byte, _), id) in IDS.iter().zip(self.ids) {
            let mut at = 0;
            while let Some(found) = stream[at..].windows(16).position(|window| window == [*byte; 16]) {
                at += found + 16;
                stream[at - 16..at].copy_from_slice(&id);
            }
        }
        stream
    }

    fn ended(mut self, kind: Kind) -> Seen {
        self.seen.end = Some(kind);
        self.seen
    }

    /// Everything that is due to the page.
    fn answers(&mut self, from_broker: &mut Frames) -> Result<(), Kind> {
        loop {
            let answer = match self.gate.ready() {
                Some(answer) => answer,
                None => {
                    let next = from_broker.next_frame().expect("the model's frames have a size");
                    let Some(answer) = next else { return Ok(()) };
                    let mut answer = answer.to_vec();
                    let at = self.damage.at % answer.len();
                    answer[at] ^= self.damage.by;
                    self.gate.answer(&answer).map_err(|refusal| refusal.kind)?
                }
            };
            self.judge_answer(&answer);
            self.seen.to_page.push(answer);
        }
    }

    /// What a frame asks, as the broker reads it.
    fn judge(&mut self, frame: &[u8]) {
        let (size, payload) = frame.split_first_chunk().expect("a size");
        assert_eq!(u32::from_be_bytes(*size) as usize, payload.len());
        let (header, body) = codec::request_header(payload).expect("a header");
        let RequestHeader { key, version, correlation, tags, .. } = header;
        assert!(APIS.contains(&key) && tags.is_empty(), "API {key}");
        let message = registry::message(key, Direction::Request).expect("a known API");
        let decoded = codec::decode_all(message, version, body).expect("a request that can be read");
        assert_eq!((&decoded.unknown, decoded.unread), (&vec![], 0));
        let value = decoded.value;
        let again = codec::encode(key, version, Direction::Request, &value).expect("Kafka's own form");
        assert_eq!(again, body);
        assert_eq!(value.text_or_null("transactionalId"), None);
        assert!(!value.bool("allowAutoTopicCreation"));
        for topic in value.list("topicData").iter().chain(value.list("topics")) {
            match topic.text_or_null("name").filter(|name| !name.is_empty()) {
                Some(name) => assert!(name.starts_with("clicks"), "{name}"),
                // Which id is whose is the broker's word, and here it may be damaged.
                None => assert!(self.damage.by != 0 || topic.uuid("topicId") == self.ids[0]),
            }
        }
        if key != 0 || value.int("acks") != 0 {
            self.asked.push_back((key, version, correlation));
        }
    }

    /// What a page is told, as a client reads it.
    fn judge_answer(&mut self, frame: &[u8]) {
        let (key, version, asked) = self.asked.pop_front().expect("an answer to a request");
        let (size, payload) = frame.split_first_chunk().expect("a size");
        assert_eq!(u32::from_be_bytes(*size) as usize, payload.len());
        let (correlation, body) = payload.split_first_chunk().expect("a header");
        assert_eq!(i32::from_be_bytes(*correlation), asked);
        let message = registry::message(key, Direction::Response).expect("a known API");
        let known = (message.api.oldest..=message.api.newest).contains(&version);
        // What asks in a version that nobody knows is answered in the oldest (KIP-511).
        let refused = key == 18 && body.first_chunk() == Some(&35_i16.to_be_bytes());
        let version = if known && !refused { version } else { 0 };
        let body = &body[usize::from(message.api.response_header(version) >= 1)..];
        let decoded = codec::decode_all(message, version, body);
        let value = match &decoded {
            Ok(decoded) if decoded.unread == 0 => &decoded.value,
            _ => panic!("API {key} version {version}: {decoded:?}"),
        };
        for api in value.list("apiKeys") {
            assert!(APIS.iter().any(|key| i64::from(*key) == api.int("apiKey")));
        }
        if key == 3 {
            value.list("topics").iter().for_each(judge_topic);
        }
    }
}

fn judge_topic(topic: &Value) {
    let name = topic.text_or_null("name").filter(|name| !name.is_empty());
    if name.is_none_or(|name| !name.starts_with("clicks")) {
        let error = topic.int("errorCode");
        assert!(error != 0 || name.is_none(), "{topic:?}");
        assert!(name.is_none() || topic.list("partitions").is_empty(), "{topic:?}");
    }
}

/// Key, version and correlation id of a request that the gate has read.
fn head(frame: &[u8]) -> (i16, i16, i32) {
    let [k0, k1, v0, v1, correlation @ ..] = *frame.first_chunk::<8>().expect("it was read");
    (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]), i32::from_be_bytes(correlation))
}

/// A request about topics, as a page sends it: for the first inputs.
pub(crate) fn asks(key: i16, version: i16, topics: &[&str]) -> Vec<u8> {
    let topics: Vec<_> = topics.iter().map(|topic| asked(key, version, topic)).collect();
    let body = match key {
        0 => object([("acks", (-1).into()), ("timeoutMs", 9.into()), ("topicData", topics.into())]),
        3 => object([("topics", topics.into())]),
        18 => object([("clientSoftwareName", "k".into()), ("clientSoftwareVersion", "1".into())]),
        _ => object([("transactionalId", Value::Null), ("transactionTimeoutMs", 9.into())]),
    };
    let mut request = [key.to_be_bytes(), version.to_be_bytes()].concat();
    request.extend([0, 0, 0, 7, 0, 1, b'p']);
    if registry::api(key).is_some_and(|api| api.request_header(version) >= 2) {
        request.push(0);
    }
    request.extend(codec::encode(key, version, Direction::Request, &body).expect("a good request"));
    request
}

/// A topic in it: by id from the version that has them, in Metadata every other time.
fn asked(key: i16, version: i16, topic: &str) -> Value {
    let id = IDS.iter().find(|(_, name)| *name == topic).map_or([0; 16], |(byte, _)| [*byte; 16]);
    let id = if key == 0 || [11, 13].contains(&version) { id } else { [0; 16] };
    let name = if key == 3 && id != [0; 16] { Value::Null } else { topic.into() };
    if key != 0 {
        return object([("name", name), ("topicId", id.into())]);
    }
    let records = BatchBuilder::new().value(b"one").build();
    let partition = object([("index", 0.into()), ("records", records.into())]);
    object([("name", name), ("topicId", id.into()), ("partitionData", vec![partition].into())])
}
