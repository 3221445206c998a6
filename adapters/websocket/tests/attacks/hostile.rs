//! Who wants more than to produce. Nothing of it reaches a broker, and others are served meanwhile.
use crate::page::{
    API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, SASL, Stage, header, metadata, produce, request,
};
use kurier_bridge::Kind;
use kurier_broker::codec::{self, object};
use std::io::Write;
use tokio_tungstenite::tungstenite::Message;

/// The newest API key of Kafka 4.3 is below this.
const KEYS: i16 = 110;

#[test]
fn no_api_but_a_producers_passes_with_any_body() {
    let stage = Stage::new(|_| ());
    let bodies = [vec![], vec![0; 64], vec![0xff; 64], b"\0\0\0\x01\0\x06clicks\0\0\0\x01".to_vec()];
    let let_through = [PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID, SASL[0], SASL[1]];
    for key in (-2..KEYS).filter(|key| !let_through.contains(key)) {
        for (version, body) in [0, 1, 4, 12].into_iter().zip(&bodies) {
            let mut page = stage.page();
            page.send(&codec::frame(&[header(key, version, 1), body.clone()].concat()));
            assert_eq!(page.refusal(), 4403, "{key} {version}");
        }
    }
    assert_eq!(stage.heard(), []);
    assert_eq!(stage.bridge.refusals(Kind::Forbidden), 4 * (KEYS as u64 + 2 - 6));
    assert_eq!(stage.page().ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0, "others are served");
}

#[test]
fn what_others_may_ask_does_not_pass_though_it_is_right() {
    let stage = Stage::new(|_| ());
    // Bodies by Kafka's schemas, each about the allowed topic, and one that a broker would do.
    let requests: [(i16, i16, &[u8]); 7] = [
        (1, 4, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\0\x01\0\x06clicks\0\0\0\0"), // Fetch
        (2, 1, b"\xff\xff\xff\xff\0\0\0\x01\0\x06clicks\0\0\0\0"), // ListOffsets
        (19, 1, b"\0\0\0\x01\0\x08clicks-x\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0\x09\0"), // CreateTopics
        (20, 1, b"\0\0\0\x01\0\x06clicks\0\0\0\x09"),              // DeleteTopics
        (21, 0, b"\0\0\0\0\0\0\0\x09"),                            // DeleteRecords
        (24, 0, b"\0\x01t\0\0\0\0\0\0\0\x01\0\0\0\0\0\0"),         // AddPartitionsToTxn
        (32, 1, b"\0\0\0\x01\x02\0\x06clicks\xff\xff\xff\xff\0"),  // DescribeConfigs
    ];
    for (key, version, body) in requests {
        let mut page = stage.page();
        // The first request of a connection, and one behind another that passes.
        page.send(&codec::frame(&[header(key, version, 1), body.to_vec()].concat()));
        assert_eq!(page.refusal(), 4403, "{key}");
        let mut page = stage.page();
        page.ask(API_VERSIONS, 0, &object([]));
        page.send(&codec::frame(&[header(key, version, 1), body.to_vec()].concat()));
        assert_eq!(page.refusal(), 4403, "{key}");
    }
    assert!(stage.heard().iter().all(|(key, ..)| *key == API_VERSIONS), "{:?}", stage.heard());
    assert_eq!(stage.broker.with(|cluster| cluster.topics().count()), 2);
}

#[test]
fn a_producers_requests_in_other_versions_or_with_garbage_do_not_pass() {
    let stage = Stage::new(|_| ());
    let others = [
        (PRODUCE, [0, 2, 14, -1]),
        (METADATA, [0, 3, 14, i16::MAX]),
        (INIT_PRODUCER_ID, [-1, 6, 7, 99]),
        // What follows the handshake's version 0 is no request.
        (SASL[0], [0, 2, -1, i16::MIN]),
        (SASL[1], [3, 4, -1, 99]),
    ];
    for (key, versions) in others {
        for version in versions {
            let mut page = stage.page();
            page.send(&codec::frame(&[header(key, version, 1), vec![0; 32]].concat()));
            assert_eq!(page.refusal(), 4400, "{key} {version}");
        }
    }
    for (key, version) in [(PRODUCE, 3), (PRODUCE, 13), (METADATA, 4), (METADATA, 12), (INIT_PRODUCER_ID, 0)]
    {
        let whole = request(key, version, 1, &produce_or_metadata(key));
        for len in (4..whole.len() - 4).step_by(3) {
            let mut page = stage.page();
            page.send(&codec::frame(&whole[4..len]));
            assert!([4400, 4403].contains(&page.refusal()), "{key} {version}, {len} bytes");
        }
    }
    assert_eq!(stage.heard(), []);
}

fn produce_or_metadata(key: i16) -> codec::Value {
    match key {
        PRODUCE => produce("clicks", [9; 16]),
        METADATA => metadata(&["clicks"]),
        _ => object([("transactionalId", codec::Value::Null), ("transactionTimeoutMs", 1000.into())]),
    }
}

#[test]
fn a_topic_that_is_not_allowed_is_not_written_by_name_or_by_id() {
    let stage = Stage::new(|_| ());
    let secret = stage.broker.with(|cluster| cluster.topic_id("secret")).unwrap();
    for version in 3..=12 {
        for topic in ["secret", "Clicks", "", "clicks/../secret", "clicks\0", "__consumer_offsets"] {
            let mut page = stage.page();
            page.send(&request(PRODUCE, version, 1, &produce(topic, [0; 16])));
            assert_eq!(page.refusal(), 4403, "{topic} {version}");
        }
    }
    let mut page = stage.page();
    for id in [secret, [0; 16], [7; 16]] {
        let answer = page.ask(PRODUCE, 13, &produce("clicks", id));
        let partition = &answer.list("responses")[0].list("partitionResponses")[0];
        assert_eq!((partition.int("errorCode"), partition.int("baseOffset")), (100, -1), "{id:?}");
    }
    assert_eq!(stage.heard(), []);
    assert_eq!(stage.logged("secret"), 0);
}

#[test]
fn a_forbidden_topic_among_allowed_ones_keeps_the_whole_request_back() {
    let stage = Stage::new(|_| ());
    let topics = [produce("clicks", [0; 16]), produce("secret", [0; 16])];
    let topics: Vec<_> = topics.iter().flat_map(|request| request.list("topicData").to_vec()).collect();
    let both = object([("acks", (-1).into()), ("timeoutMs", 1.into()), ("topicData", topics.into())]);
    let mut page = stage.page();
    page.send(&request(PRODUCE, 9, 1, &both));
    assert_eq!(page.refusal(), 4403);
    assert_eq!((stage.heard(), stage.logged("clicks")), (vec![], 0));
}

#[test]
fn metadata_by_the_id_of_a_topic_says_nothing_of_it_whatever_name_stands_beside() {
    let stage = Stage::new(|_| ());
    let secret = stage.broker.with(|cluster| cluster.topic_id("secret")).unwrap();
    let mut page = stage.page();
    for version in 10..=13 {
        for name in [codec::Value::Null, "clicks".into()] {
            let topic = object([("topicId", secret.into()), ("name", name)]);
            let answer = page.ask(METADATA, version, &object([("topics", vec![topic].into())]));
            let [topic] = answer.list("topics") else { panic!("{answer:?}") };
            assert_eq!((topic.int("errorCode"), topic.list("partitions").len()), (29, 0));
        }
    }
}

#[test]
fn transactions_do_not_pass() {
    let stage = Stage::new(|_| ());
    let begin = object([("transactionalId", "t".into()), ("transactionTimeoutMs", 1000.into())]);
    let mut page = stage.page();
    page.send(&request(INIT_PRODUCER_ID, 4, 1, &begin));
    assert_eq!(page.refusal(), 4403);
    assert_eq!(stage.heard(), []);
}

#[test]
fn what_the_bridge_did_not_understand_is_not_sent_on() {
    let stage = Stage::new(|_| ());
    let plain = request(METADATA, 9, 7, &metadata(&["clicks"]));
    let body = codec::encode(METADATA, 9, codec::Direction::Request, &metadata(&["clicks"])).unwrap();
    let mut head = header(METADATA, 9, 7);
    // An unknown tagged field in the header, one in the body, a count in five bytes, and something behind the end.
    head.pop();
    head.extend([1, 99, 3, 1, 2, 3]);
    let (count, rest) = body.split_first().unwrap();
    let (rest, end) = rest.split_at(rest.len() - 1);
    assert_eq!((*count, end), (2, &[0][..]));
    let strange = [&head[..], &[0x82, 0x80, 0x80, 0x80, 0], rest, &[1, 77, 2, 5, 5], b"and more"].concat();
    let mut page = stage.page();
    page.send(&plain);
    page.send(&codec::frame(&strange));
    assert_eq!(page.answer().unwrap(), page.answer().unwrap());
    let heard = stage.heard();
    assert_eq!(heard[0], heard[1], "to the broker both are the same");
    assert_eq!(heard[0].2, plain.len() - 4);
}

#[test]
fn a_size_of_2_gib_a_negative_one_and_text_are_refused_at_once() {
    let stage = Stage::new(|options| options.max_frame = 1000);
    for (size, code) in [(i32::MAX, 4413), (1001, 4413), (-1, 4400), (i32::MIN, 4400)] {
        let mut page = stage.page();
        page.send(&size.to_be_bytes());
        assert_eq!(page.refusal(), code, "{size}");
    }
    let mut page = stage.page();
    page.send(&[0; 2000]);
    assert_eq!(page.refusal(), 4413, "a message");
    let mut page = stage.page();
    page.0.send(Message::text("GET /")).unwrap();
    assert_eq!(page.refusal(), 4400);
    let mut page = stage.page();
    page.0.get_mut().write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]).unwrap();
    assert_eq!(page.refusal(), 4400, "text that is not even UTF-8");
    assert_eq!(stage.heard(), []);
}

#[test]
fn counts_that_promise_much_cost_little() {
    let stage = Stage::new(|_| ());
    // 100 000 topics of no name, in a request that is small enough.
    let topics = vec![object([("name", "".into())]); 100_000];
    let mut page = stage.page();
    page.send(&request(METADATA, 9, 1, &object([("topics", topics.into())])));
    assert_eq!(page.refusal(), 4413);
    // A count of 2^31 - 1 with nothing behind it.
    let mut page = stage.page();
    page.send(&codec::frame(&[header(METADATA, 4, 1), vec![0x7f, 0xff, 0xff, 0xff]].concat()));
    assert_eq!(page.refusal(), 4400);
    assert_eq!(stage.heard(), []);
}
