//! What is let through, whatever comes: requests are damaged at random, and everything that passes is read again.
use super::{APIS, Gate, Rules};
use crate::cluster::Cluster;
use crate::topics::Topics;
use kurier_broker::codec::{self, Direction, RequestHeader, Value, object};
use kurier_core::random::Random;
use kurier_core::wire::{metadata as wire, registry};
use std::sync::Arc;

const CLICKS: [u8; 16] = [1; 16];
const SECRET: [u8; 16] = [2; 16];
const HANDSHAKE: &[u8] = b"\0\x11\0\x01\0\0\0\x07\0\x01p\0\x05PLAIN";

/// Numbers below what is asked for.
fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut stream = Random::new(seed);
    move |below| stream.below(below as u32) as usize
}

fn gate() -> Gate {
    let mut topics = Topics::new();
    topics.allow("clicks*").unwrap();
    let cluster = Cluster::new(vec![("b".to_owned(), 9092)], &[]);
    cluster.learn_id(CLICKS, "clicks");
    Gate::new(Arc::new(Rules { topics, allow_auto_create: false, cluster }))
}

fn request(key: i16, version: i16, body: &Value) -> Vec<u8> {
    let mut bytes = [key.to_be_bytes(), version.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 7, 0, 1, b'p']);
    if registry::api(key).unwrap().request_header(version) >= 2 {
        bytes.push(0);
    }
    bytes.extend(codec::encode(key, version, Direction::Request, body).unwrap());
    bytes
}

fn produce(name: &str, id: [u8; 16]) -> Value {
    let partition = object([("index", 0.into()), ("records", vec![5; 20].into())]);
    let topic =
        object([("name", name.into()), ("topicId", id.into()), ("partitionData", vec![partition].into())]);
    object([("acks", 1.into()), ("topicData", vec![topic].into())])
}

fn metadata(name: &str, id: [u8; 16]) -> Value {
    let topic = object([("name", name.into()), ("topicId", id.into())]);
    object([("topics", vec![topic].into()), ("allowAutoTopicCreation", true.into())])
}

/// What a frame asks, read as a broker does; fails if it asks for more than may be.
fn judged_again(frame: &[u8]) {
    let (size, payload) = frame.split_first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(*size) as usize, payload.len());
    let (header, body) = codec::request_header(payload).unwrap();
    let RequestHeader { key, version, tags, .. } = header;
    assert!(APIS.iter().any(|api| api.key == key) && tags.is_empty());
    let message = registry::message(key, Direction::Request).unwrap();
    let codec::Decoded { value, unknown, unread } = codec::decode_all(message, version, body).unwrap();
    assert_eq!((unknown, unread), (vec![], 0));
    assert_eq!(codec::encode(key, version, Direction::Request, &value).unwrap(), body, "Kafka's own form");
    assert!(value.text_or_null("transactionalId").is_none());
    assert!(!value.bool("allowAutoTopicCreation"));
    for topic in value.list("topicData").iter().chain(value.list("topics")) {
        match topic.text_or_null("name").filter(|name| !name.is_empty()) {
            Some(name) => assert!(name.starts_with("clicks"), "{name}"),
            None => assert_eq!(topic.uuid("topicId"), CLICKS),
        }
    }
}

#[test]
fn whatever_is_done_to_a_request_nothing_passes_but_what_may() {
    let mut seeds = Vec::new();
    for (name, id) in [("clicks", CLICKS), ("secret", SECRET), ("clicks", SECRET), ("secret", CLICKS)] {
        seeds.extend((3..=13).map(|version| request(0, version, &produce(name, id))));
        seeds.extend((4..=13).map(|version| request(3, version, &metadata(name, id))));
    }
    let begin = object([("transactionalId", Value::Null), ("transactionTimeoutMs", 9.into())]);
    seeds.extend((0..=5).map(|version| request(22, version, &begin)));
    seeds.extend((0..=4).map(|version| request(18, version, &object([]))));
    seeds.push(HANDSHAKE.to_vec());
    let token = object([("authBytes", vec![0, b'a', 0].into())]);
    seeds.extend((0..=2).map(|version| request(36, version, &token)));
    let mut random = random(1);
    let (mut passed, mut refused) = (0, 0);
    for round in 0..40_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..random(4) {
            if bytes.is_empty() {
                break;
            }
            let at = random(bytes.len());
            match random(5) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][random(6)],
                2 => bytes.insert(at, random(256) as u8),
                3 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        match gate().request(&bytes) {
            Ok(Some(frame)) => {
                judged_again(&frame);
                passed += 1;
            }
            Ok(None) => (),
            Err(_) => refused += 1,
        }
    }
    assert!(passed > 5_000 && refused > 5_000, "{passed} passed, {refused} refused");
}

#[test]
fn whatever_a_broker_answers_ends_in_an_answer_or_a_refusal() {
    let mut random = random(7);
    let broker = object([("nodeId", 1.into()), ("host", "b".into()), ("port", 9092.into())]);
    let topic = object([("name", "clicks".into()), ("topicId", CLICKS.into())]);
    let answer = object([("brokers", vec![broker].into()), ("topics", vec![topic].into())]);
    for round in 0..20_000 {
        let version = 4 + i16::try_from(round % 10).unwrap();
        let mut gate = gate();
        let _forward = gate.request(&request(3, version, &metadata("clicks", [0; 16]))).unwrap();
        let mut bytes = codec::response_header(&wire::API, version, 7, &Vec::new());
        bytes.extend(codec::encode(3, version, Direction::Response, &answer).unwrap());
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff, b'x'][random(7)];
        }
        if let Ok(frame) = gate.answer(&bytes) {
            assert!(frame.len() > 8);
        }
    }
}

#[test]
fn a_step_of_sasl_passes_as_it_is_but_for_what_is_not_understood() {
    let passes = |bytes: &[u8]| gate().request(bytes).map(|frame| frame.unwrap()[4..].to_vec()).ok();
    assert_eq!(passes(HANDSHAKE).as_deref(), Some(HANDSHAKE));
    assert_eq!(passes(&[HANDSHAKE, b"and more"].concat()).as_deref(), Some(HANDSHAKE));
    let old = b"\0\x24\0\x01\0\0\0\x07\xff\xff\0\0\0\x03\0a\0";
    assert_eq!(passes(old).as_deref(), Some(&old[..]));
    // Tagged fields in header and body, and a length in two bytes where one would do.
    let plain = b"\0\x24\0\x02\0\0\0\x07\0\x01p\0\x04\0a\0\0";
    let strange = b"\0\x24\0\x02\0\0\0\x07\0\x01p\x01\x63\x02xy\x84\0\0a\0\x01\x05\x01z";
    assert_eq!(passes(plain).as_deref(), Some(&plain[..]));
    assert_eq!(passes(strange).as_deref(), Some(&plain[..]));
    for whole in [HANDSHAKE, plain] {
        for len in 0..whole.len() {
            assert_eq!(passes(&whole[..len]), None, "{len}");
        }
    }
    assert_eq!(passes(b"\0\x11\0\0\0\0\0\x07\0\x01p\0\x05PLAIN"), None, "version 0");
    assert_eq!(passes(b"\0\x24\0\x03\0\0\0\x07\0\x01p\0\x04\0a\0\0"), None, "version 3");
    assert_eq!(passes(b"\0\x11\0\x01\0\0\0\x07\0\x01p\xff\xff"), None, "no mechanism");
}

#[test]
fn what_a_broker_says_in_sasl_passes_as_it_is_but_for_what_is_not_understood() {
    let steps: [(&[u8], &[u8]); 4] = [
        (HANDSHAKE, b"\0\0\0\x07\0\0\0\0\0\x02\0\x05PLAIN\0\x01X"),
        (b"\0\x24\0\0\0\0\0\x07\0\x01p\0\0\0\0", b"\0\0\0\x07\0\x3a\0\x02no\0\0\0\0"),
        (b"\0\x24\0\x01\0\0\0\x07\0\x01p\0\0\0\0", b"\0\0\0\x07\0\0\xff\xff\0\0\0\x01z\0\0\0\0\0\0\0\x09"),
        (b"\0\x24\0\x02\0\0\0\x07\0\x01p\0\x01\0", b"\0\0\0\x07\0\0\0\0\x02z\0\0\0\0\0\0\0\x09\0"),
    ];
    let told = |question: &[u8], answer: &[u8]| {
        let mut gate = gate();
        assert!(gate.request(question).unwrap().is_some());
        gate.answer(answer).map(|frame| frame[4..].to_vec()).ok()
    };
    for (question, answer) in steps {
        assert_eq!(told(question, answer).as_deref(), Some(answer));
        for len in 0..answer.len() {
            assert_eq!(told(question, &answer[..len]), None, "{len} bytes of {answer:?}");
        }
    }
    let [.., (question, plain)] = steps;
    let tagged = b"\0\0\0\x07\0\0\0\0\x02z\0\0\0\0\0\0\0\x09\x01\x08\0";
    assert_eq!(told(question, tagged).as_deref(), Some(plain));
}

#[test]
fn an_answer_is_to_the_request_that_waits_for_it() {
    let versions = |correlation: u8| [0, 0, 0, correlation, 0, 0, 0, 0, 0, 0];
    let mut gate = gate();
    gate.request(&request(18, 0, &object([]))).unwrap();
    let right = codec::frame(&versions(7));
    assert_eq!(gate.answer(&versions(7)).unwrap(), right);
    gate.request(&request(18, 0, &object([]))).unwrap();
    assert_eq!(gate.answer(&versions(8)).unwrap_err().kind, crate::Kind::BrokerGarbage);
}

#[test]
fn new_leaders_that_an_answer_names_are_brokers() {
    let mut gate = gate();
    gate.request(&request(0, 10, &produce("clicks", [0; 16]))).unwrap();
    let leader = object([("nodeId", 3.into()), ("host", "new".into()), ("port", 9093.into())]);
    let answer = object([("responses", Value::Array(vec![])), ("nodeEndpoints", vec![leader].into())]);
    let mut payload = vec![0, 0, 0, 7, 0];
    payload.extend(codec::encode(0, 10, Direction::Response, &answer).unwrap());
    let leader = ("new".to_owned(), 9093);
    assert!(!gate.rules.cluster.is_broker(&leader));
    gate.answer(&payload).unwrap();
    assert!(gate.rules.cluster.is_broker(&leader));
}

#[test]
fn requests_wait_in_a_line_of_a_length() {
    let mut gate = gate();
    for _ in 0..super::MAX_WAITING {
        assert!(!gate.is_full());
        gate.request(&request(18, 0, &object([]))).unwrap();
    }
    assert!(gate.is_full());
}
