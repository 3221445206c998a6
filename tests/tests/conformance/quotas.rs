//! Quotas: how long a client that was too fast is not read (KIP-219).
use crate::produce::{produce_request, produced, written};
use crate::talk::{Answer, Talk};
use kurier_broker::codec::object;
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Quota, api};
use std::time::Instant;

fn bytes(count: usize) -> Vec<u8> {
    BatchBuilder::new().value(&vec![b'x'; count]).build()
}

/// The last answers' throttling is about `expected` ms, on both.
fn assert_throttled(talk: &Talk, expected: i64) {
    let (model, real) = talk.throttled();
    for told in [model, real] {
        assert!((told - expected).abs() < 300, "expected {expected} ms: model {model}, real {real}");
    }
}

#[test]
fn bytes_above_the_quota_are_waited_for_on_the_connection_that_brought_them() {
    let mut talk = Talk::new();
    let topic = talk.topic("quota-bytes", 1, &[]);
    talk.reconnect(Some("quota-bytes"));
    talk.quota(Quota { producer_byte_rate: Some(10_000.0), ..Quota::default() });
    assert_eq!(talk.produce(9, &topic, 0, &bytes(100)), written(0));
    assert_throttled(&talk, 0);
    // Ten seconds' worth may come at once.
    assert_eq!(
        talk.produce(13, &topic, 0, &bytes(115_000)),
        written(1),
        "appended and answered all the same"
    );
    assert_throttled(&talk, 1500);
    let waiting = Instant::now();
    let versions = object([]);
    assert!(matches!(talk.ask(api::API_VERSIONS, 2, &versions), Answer::Body(_)));
    assert_throttled(&talk, 0);
    let waited = waiting.elapsed().as_millis();
    assert!(cfg!(not(feature = "real-kafka")) || (1200..3000).contains(&waited), "read on after {waited} ms");

    // The quota is the client's, the silence the connection's.
    // What was waited for counts only once the windows are full, so the next is waited for as long.
    assert_eq!(talk.produce(3, &topic, 0, &bytes(5_000)), written(2));
    assert_throttled(&talk, 1500);
    let again = Instant::now();
    talk.reconnect(None);
    assert!(matches!(talk.ask(api::API_VERSIONS, 2, &versions), Answer::Body(_)));
    assert!(again.elapsed().as_millis() < 400, "another connection is read");
    // Acks 0 has no answer to say it in.
    let silent = produce_request(0, &[(&topic, 0, Some(&bytes(5_000)))]);
    let before = Instant::now();
    let body =
        kurier_broker::codec::encode(api::PRODUCE, 9, kurier_broker::codec::Direction::Request, &silent);
    talk.send_frame(api::PRODUCE, 9, &body.unwrap());
    let answer = talk.ask(api::API_VERSIONS, 2, &versions);
    assert!(matches!(answer, Answer::Body(_)));
    let waited = before.elapsed().as_millis();
    assert!(cfg!(not(feature = "real-kafka")) || waited > 400, "acks 0 too, read on after {waited} ms");

    talk.reconnect(Some("quota-none"));
    assert_eq!(talk.produce(9, &topic, 0, &bytes(100)), written(4));
    assert_throttled(&talk, 0);
}

#[test]
fn time_above_the_quota_is_waited_for_a_second_at_most() {
    let mut talk = Talk::new();
    let topic = talk.topic("quota-time", 1, &[]);
    talk.reconnect(Some("quota-time"));
    talk.quota(Quota { request_percentage: Some(0.000_001), ..Quota::default() });
    let init = object([("transactionalId", kurier_broker::codec::Value::Null)]);
    for (api, version, request) in [
        (api::API_VERSIONS, 1, object([])),
        (api::METADATA, 4, object([("topics", kurier_broker::codec::Value::Array(vec![]))])),
        (api::INIT_PRODUCER_ID, 1, init),
    ] {
        assert!(matches!(talk.ask(api, version, &request), Answer::Body(_)));
        assert_throttled(&talk, 1000);
        talk.reconnect(None);
    }
    let request = produce_request(-1, &[(&topic, 0, Some(&bytes(10)))]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &request) else { panic!() };
    assert_eq!(produced(&body), written(0));
    assert_throttled(&talk, 1000);
}
