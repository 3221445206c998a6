//! The bridge before real Kafka that wants SASL: a page's frames authenticate, and only then produce.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)] // of the page, each test uses its part
#[path = "../../adapters/websocket/tests/attacks/page.rs"]
mod page;

use kurier_bridge::{Options, Server, Topics};
use kurier_broker::codec::{Value, frame, object};
use kurier_kafka::{Kafka, Listener, Options as KafkaOptions, read};
use page::{API_VERSIONS, METADATA, PRODUCE, Page, metadata, produce};

fn kafka() -> Kafka {
    let options = KafkaOptions::new()
        .listener(Listener::new("SASLP", "SASL_PLAINTEXT"))
        .property("listener.name.saslp.sasl.enabled.mechanisms", "PLAIN")
        .property(
            "listener.name.saslp.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";",
        );
    Kafka::start(options).unwrap()
}

/// A step of SASL: the error, and what is behind it.
fn step(page: &mut Page, request: &[u8]) -> (i16, Vec<u8>) {
    page.send(&frame(request));
    let answer = page.answer().unwrap();
    let body = answer.strip_prefix(&request[4..8]).expect("its correlation id");
    // The answers to flexible versions have tagged fields in their header.
    let body = if request[1] == 36 && request[3] >= 2 { &body[1..] } else { body };
    (i16::from_be_bytes([body[0], body[1]]), body[2..].to_vec())
}

#[test]
fn a_page_authenticates_through_the_bridge_and_produces() {
    let kafka = kafka();
    kafka.create_topic("clicks", 1, 1).unwrap();
    let port = kafka.port(1, "SASLP").unwrap();
    let mut topics = Topics::new();
    topics.allow("clicks").unwrap();
    let bridge = Server::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![("127.0.0.1".into(), port)],
        topics,
        ..Options::default()
    })
    .unwrap();
    let path = format!("/127.0.0.1/{port}");
    let handshake = b"\0\x11\0\x01\0\0\0\x01\0\x04page\0\x05PLAIN";
    let authenticate = |version: u8, password: &str| {
        let token = [b"\0alice\0", password.as_bytes()].concat();
        let length = u32::try_from(token.len()).unwrap();
        let header = [0, 36, 0, version, 0, 0, 0, 2, 0, 4, b'p', b'a', b'g', b'e'];
        match version {
            2 => [&header[..], &[0, u8::try_from(length + 1).unwrap()], &token, &[0]].concat(),
            _ => [&header[..], &length.to_be_bytes(), &token].concat(),
        }
    };
    for version in 0..=2 {
        let mut page = Page::open(&bridge, &path, &[]).unwrap();
        let versions = page.ask(API_VERSIONS, 0, &object([]));
        let keys: Vec<_> = versions.list("apiKeys").iter().map(|api| api.int("apiKey")).collect();
        assert!(keys.contains(&17) && keys.contains(&36), "{keys:?}");
        let (error, mechanisms) = step(&mut page, handshake);
        assert_eq!((error, mechanisms.as_slice()), (0, &b"\0\0\0\x01\0\x05PLAIN"[..]));
        assert_eq!(step(&mut page, &authenticate(version, "alice-secret")).0, 0, "{version}");
        let id = page.ask(METADATA, 12, &metadata(&["clicks"])).list("topics")[0].uuid("topicId");
        let answer = page.ask(PRODUCE, 12, &produce("clicks", id));
        let partition: &Value = &answer.list("responses")[0].list("partitionResponses")[0];
        assert_eq!((partition.int("errorCode"), partition.int("baseOffset")), (0, i64::from(version)));
    }
    let mut page = Page::open(&bridge, &path, &[]).unwrap();
    assert_eq!(step(&mut page, handshake).0, 0);
    let (error, reason) = step(&mut page, &authenticate(2, "wrong"));
    assert_eq!(error, 58, "SASL_AUTHENTICATION_FAILED");
    assert!(String::from_utf8_lossy(&reason).contains("Authentication failed"), "the broker's reason");
    assert_eq!(page.refusal(), 4503, "the broker closes");
    // Who does not authenticate gets no further.
    let mut page = Page::open(&bridge, &path, &[]).unwrap();
    page.send(&page::request(METADATA, 12, 1, &metadata(&["clicks"])));
    assert_eq!(page.refusal(), 4503);
    assert_eq!(read::records(&kafka.bootstrap(), "clicks").unwrap().len(), 3);
}
