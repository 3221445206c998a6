//! Produce requests and batches, right and wrong as a whole.
use crate::produce::{Produced, produce_request, produced, refused, written};
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::codec::Value;
use kurier_broker::testing::BatchBuilder;

const UNKNOWN_SERVER: i64 = -1;
const CORRUPT: i64 = 2;
const UNKNOWN_TOPIC: i64 = 3;
const TOO_LARGE: i64 = 10;
const INVALID_TOPIC: i64 = 17;
const INVALID_ACKS: i64 = 21;
const TXN_ID_AUTHORIZATION: i64 = 53;
const UNSUPPORTED_COMPRESSION: i64 = 76;
const INVALID_RECORD: i64 = 87;
const UNKNOWN_TOPIC_ID: i64 = 100;

fn good() -> BatchBuilder {
    BatchBuilder::new().value(b"value")
}

fn put(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

#[test]
fn every_version_appends() {
    let mut talk = Talk::new();
    let topic = talk.topic("versions", 1, &[]);
    for version in 3..=13 {
        assert_eq!(talk.produce(version, &topic, 0, &good().build()), written(i64::from(version) - 3));
    }
    let acks_one = produce_request(1, &[(&topic, 0, Some(&good().build()))]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &acks_one) else { panic!() };
    assert_eq!(produced(&body), written(11));
}

#[test]
fn versions_outside_the_range_are_closed() {
    let mut talk = Talk::new();
    let topic = talk.topic("closed", 1, &[]);
    let request = produce_request(-1, &[(&topic, 0, Some(&good().build()))]);
    let body = |version| {
        kurier_broker::codec::encode(
            api::PRODUCE,
            version,
            kurier_broker::codec::Direction::Request,
            &request,
        )
        .unwrap()
    };
    for (version, like) in [(0, 3), (2, 3), (14, 13), (-1, 3), (i16::MAX, 13)] {
        assert_eq!(talk.ask_bytes(api::PRODUCE, version, &body(like)), Answer::Closed, "version {version}");
    }
}

#[test]
fn several_topics_and_partitions_are_answered_each() {
    let mut talk = Talk::new();
    let (one, two) = (talk.topic("several-a", 2, &[]), talk.topic("several-b", 1, &[]));
    let (right, wrong) = (good().build(), good().bad_crc().build());
    let parts: [(&str, i32, Option<&[u8]>); 4] =
        [(&one, 0, Some(&right)), (&one, 1, Some(&wrong)), (&two, 0, Some(&right)), (&two, 7, Some(&right))];
    for version in [3, 8, 12, 13] {
        let Answer::Body(body) = talk.ask(api::PRODUCE, version, &produce_request(-1, &parts)) else {
            panic!()
        };
        let errors: Vec<i64> = body
            .list("responses")
            .iter()
            .flat_map(|topic| topic.list("partitionResponses"))
            .map(|part| part.int("errorCode"))
            .collect();
        assert_eq!(errors.iter().filter(|&&error| error == 0).count(), 2, "{body:?}");
        assert!(errors.contains(&CORRUPT) && errors.contains(&UNKNOWN_TOPIC));
    }
}

#[test]
fn a_partition_named_twice_counts_once_with_the_later_records() {
    let mut talk = Talk::new();
    let topic = talk.topic("twice", 1, &[]);
    let (first, second) = (good().build(), good().value(b"second").build());
    let parts: [(&str, i32, Option<&[u8]>); 2] = [(&topic, 0, Some(&first)), (&topic, 0, Some(&second))];
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &produce_request(-1, &parts)) else { panic!() };
    assert_eq!(produced(&body), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &good().build()), written(2));
}

#[test]
fn unknown_topics_partitions_and_ids() {
    let mut talk = Talk::new();
    let topic = talk.topic("known", 1, &[]);
    for version in [3, 8, 9, 10, 12] {
        assert_eq!(talk.produce(version, "never-created", 0, &good().build()), refused(UNKNOWN_TOPIC));
        assert_eq!(talk.produce(version, &topic, 1, &good().build()), refused(UNKNOWN_TOPIC));
        assert_eq!(talk.produce(version, &topic, -1, &good().build()), refused(UNKNOWN_TOPIC));
    }
    assert_eq!(talk.produce(13, "never-created", 0, &good().build()), refused(UNKNOWN_TOPIC_ID));
    assert_eq!(talk.produce(13, &topic, 1, &good().build()), refused(UNKNOWN_TOPIC));
    assert_eq!(talk.produce(9, "", 0, &good().build()), refused(UNKNOWN_TOPIC));
    assert_eq!(talk.produce(9, "no/such name", 0, &good().build()), refused(UNKNOWN_TOPIC));
}

#[test]
fn topic_ids_of_zero_are_unknown() {
    let mut talk = Talk::new();
    let mut request = produce_request(-1, &[("x", 0, Some(&good().build()))]);
    let Value::Struct(fields) = &mut request else { panic!() };
    let Value::Array(topics) = &mut fields[2].1 else { panic!() };
    let Value::Struct(topic) = &mut topics[0] else { panic!() };
    topic[1].1 = Value::Uuid([0; 16]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 13, &request) else { panic!() };
    assert_eq!(produced(&body), refused(UNKNOWN_TOPIC_ID));
}

#[test]
fn acks_other_than_minus_one_zero_and_one_are_refused() {
    let mut talk = Talk::new();
    let topic = talk.topic("acks", 1, &[]);
    for acks in [2, -2, i16::MAX, i16::MIN] {
        for version in [3, 8, 13] {
            let request = produce_request(acks, &[(&topic, 0, Some(&good().build()))]);
            let Answer::Body(body) = talk.ask(api::PRODUCE, version, &request) else { panic!() };
            assert_eq!(produced(&body), refused(INVALID_ACKS));
            let unknown = produce_request(acks, &[(&topic, 5, Some(&good().build()))]);
            let Answer::Body(body) = talk.ask(api::PRODUCE, version, &unknown) else { panic!() };
            assert_eq!(produced(&body), refused(UNKNOWN_TOPIC), "found first");
        }
    }
    assert_eq!(talk.produce(9, &topic, 0, &good().build()), written(0));
}

#[test]
fn acks_zero_is_silent_when_right_and_closed_when_wrong() {
    let mut talk = Talk::new();
    let topic = talk.topic("acks-zero", 1, &[]);
    let frame = |talk: &Talk, version: i16, records: &[u8], partition: i32| {
        let _ = talk;
        let request = produce_request(0, &[(&topic, partition, Some(records))]);
        let body = kurier_broker::codec::encode(
            api::PRODUCE,
            version,
            kurier_broker::codec::Direction::Request,
            &request,
        );
        kurier_broker::testing::frame(api::PRODUCE, version, 1, &body.unwrap())
    };
    let versions = kurier_broker::testing::frame(api::API_VERSIONS, 0, 2, &[]);
    let and_versions = |frame: Vec<u8>| [frame, versions.clone()].concat();
    let right = and_versions(frame(&talk, 9, &good().build(), 0));
    let answers = talk.send_raw(&right, &[(api::API_VERSIONS, 0)]);
    assert!(
        matches!(answers[..], [Answer::Body(_)]),
        "the first answer is the second request's: {answers:?}"
    );
    assert_eq!(talk.produce(9, &topic, 0, &good().build()), written(1));
    let wrong = [
        frame(&talk, 9, &good().bad_crc().build(), 0),
        frame(&talk, 3, &good().build(), 9),
        frame(&talk, 3, &[], 0),
    ];
    for wrong in wrong {
        assert_eq!(talk.send_raw(&wrong, &[(api::PRODUCE, 9)]), [Answer::Closed]);
    }
}

#[test]
fn damaged_batches() {
    let mut talk = Talk::new();
    let topic = talk.topic("damaged", 1, &[]);
    let build = || good().build();
    let size = build().len() as i32;
    let cases: Vec<(&str, Vec<u8>, Produced)> = vec![
        ("a wrong CRC", good().bad_crc().build(), refused(CORRUPT)),
        ("magic 3", good().magic(3).build(), refused(CORRUPT)),
        ("magic 255", good().magic(255).build(), refused(CORRUPT)),
        ("magic 1", good().magic(1).build(), refused(INVALID_RECORD)),
        ("magic 0", good().magic(0).build(), refused(INVALID_RECORD)),
        ("no bytes", vec![], refused(INVALID_RECORD)),
        ("seven bytes", build()[..7].to_vec(), refused(INVALID_RECORD)),
        ("sixteen bytes", build()[..16].to_vec(), refused(INVALID_RECORD)),
        ("a header", build()[..61].to_vec(), refused(INVALID_RECORD)),
        ("all but one byte", build()[..size as usize - 1].to_vec(), refused(INVALID_RECORD)),
        ("a length beyond", put(build(), 8, &(size - 12 + 1).to_be_bytes()), refused(INVALID_RECORD)),
        ("a length below", put(build(), 8, &(size - 12 - 1).to_be_bytes()), refused(CORRUPT)),
        ("a length of 13", put(build(), 8, &13i32.to_be_bytes()), refused(CORRUPT)),
        ("a length of 14", put(build(), 8, &14i32.to_be_bytes()), refused(CORRUPT)),
        ("a length of 48", put(build(), 8, &48i32.to_be_bytes()), refused(CORRUPT)),
        ("a negative length", put(build(), 8, &(-1i32).to_be_bytes()), refused(CORRUPT)),
        ("the least length", put(build()[..26].to_vec(), 8, &14i32.to_be_bytes()), refused(UNKNOWN_SERVER)),
        (
            "without all of a producer id",
            put(build()[..50].to_vec(), 8, &38i32.to_be_bytes()),
            refused(UNKNOWN_SERVER),
        ),
        ("with just a producer id", put(build()[..51].to_vec(), 8, &39i32.to_be_bytes()), refused(CORRUPT)),
        ("a base offset", good().base_offset(7).build(), refused(INVALID_RECORD)),
        ("two batches", [build(), build()].concat(), refused(INVALID_RECORD)),
        ("a batch and a bad length", [build(), put(build(), 8, &[0; 4])].concat(), refused(CORRUPT)),
        ("a batch and a half", [build(), build()[..40].to_vec()].concat(), written(0)),
        ("a batch and a few bytes", [build(), vec![0xff; 11]].concat(), written(1)),
        ("unknown attributes", good().attributes(0x7f80u16 as i16).build(), written(2)),
        ("a control batch", good().attributes(0x20).build(), refused(INVALID_RECORD)),
        ("a delete horizon", good().attributes(0x40).build(), written(3)),
    ];
    for (name, records, expected) in cases {
        for version in [3, 8, 13] {
            let answer = talk.produce(version, &topic, 0, &records);
            if expected.error == 0 {
                assert_eq!(answer.error, 0, "{name}, version {version}");
            } else {
                assert_eq!(answer, expected, "{name}, version {version}");
            }
        }
    }
}

#[test]
fn counts_must_agree() {
    let mut talk = Talk::new();
    let topic = talk.topic("counts", 1, &[]);
    let two = || good().value(b"second");
    for (name, batch) in [
        ("no records", BatchBuilder::new()),
        ("no records, delta 0", BatchBuilder::new().last_offset_delta(0)),
        ("count below", two().count(1).last_offset_delta(0)),
        ("count above", two().count(3).last_offset_delta(2)),
        ("count 0", two().count(0)),
        ("count -1", two().count(-1)),
        ("delta below the count", two().last_offset_delta(0)),
        ("delta above the count", two().last_offset_delta(2)),
        ("delta -2", two().last_offset_delta(-2)),
        ("delta 2^31-1", two().last_offset_delta(i32::MAX)),
        ("both huge", two().last_offset_delta(i32::MAX - 1).count(i32::MAX)),
    ] {
        assert_eq!(talk.produce(9, &topic, 0, &batch.build()), refused(INVALID_RECORD), "{name}");
    }
    assert_eq!(talk.produce(9, &topic, 0, &two().build()), written(0));
}

#[test]
fn null_records_are_never_answered() {
    let mut talk = Talk::new();
    let topic = talk.topic("null", 2, &[]);
    let request = produce_request(-1, &[(&topic, 0, None)]);
    assert_eq!(talk.ask(api::PRODUCE, 9, &request), Answer::Silence);
    let unknown = produce_request(-1, &[("never-created", 0, None)]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &unknown) else { panic!() };
    assert_eq!(produced(&body), refused(UNKNOWN_TOPIC));
}

#[test]
fn sizes_beyond_the_topics_limit() {
    let mut talk = Talk::new();
    let topic = talk.topic("too-large", 1, &[("max.message.bytes", "100")]);
    let sized = |size: usize| {
        let empty = BatchBuilder::new().value(b"").build().len();
        let batch = BatchBuilder::new().value(&vec![b'x'; size - empty]).build();
        assert_eq!(batch.len(), size);
        batch
    };
    assert_eq!(talk.produce(9, &topic, 0, &sized(100)), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &sized(101)), refused(TOO_LARGE));
    let mut wrong = sized(101);
    wrong[100] ^= 1;
    assert_eq!(talk.produce(9, &topic, 0, &wrong), refused(TOO_LARGE), "the size comes before the CRC");
    let default = talk.topic("default-limit", 1, &[]);
    let (limit, beyond) = (vec![b'x'; 1_048_588 - 80], vec![b'x'; 1_048_588]);
    assert_eq!(talk.produce(9, &default, 0, &BatchBuilder::new().value(&limit).build()), written(0));
    assert_eq!(talk.produce(9, &default, 0, &BatchBuilder::new().value(&beyond).build()), refused(TOO_LARGE));
}

#[test]
fn compression_bits() {
    let mut talk = Talk::new();
    let topic = talk.topic("codecs", 1, &[]);
    let zstd = good().attributes(4).build();
    for version in 3..7 {
        assert_eq!(talk.produce(version, &topic, 0, &zstd), refused(UNSUPPORTED_COMPRESSION));
        assert_eq!(talk.produce(version, &topic, 0, &good().attributes(5).build()), refused(UNKNOWN_SERVER));
    }
    for codec in 5..=7 {
        assert_eq!(talk.produce(9, &topic, 0, &good().attributes(codec).build()), refused(UNKNOWN_SERVER));
    }
}

#[test]
fn transactional_batches_need_a_transactional_id() {
    let mut talk = Talk::new();
    let topic = talk.topic("transactional", 2, &[]);
    let batch = good().attributes(0x10).producer(4000, 0, 0).build();
    let plain = good().build();
    assert_eq!(talk.produce(11, &topic, 0, &batch), refused(TXN_ID_AUTHORIZATION));
    let both: [(&str, i32, Option<&[u8]>); 2] = [(&topic, 0, Some(&plain)), (&topic, 1, Some(&batch))];
    let Answer::Body(body) = talk.ask(api::PRODUCE, 11, &produce_request(-1, &both)) else { panic!() };
    let errors =
        body.list("responses")[0].list("partitionResponses").iter().map(|part| part.int("errorCode"));
    assert_eq!(errors.collect::<Vec<_>>(), [TXN_ID_AUTHORIZATION; 2], "the whole request");
}

#[test]
fn kafkas_own_topics_may_not_be_written() {
    let mut talk = Talk::new();
    // Only the model can have one for sure: Kafka creates it when it is first needed.
    talk.model().create_topic("__consumer_offsets", 1, kurier_broker::TopicConfig::default()).unwrap();
    if cfg!(not(feature = "real-kafka")) {
        assert_eq!(talk.produce(9, "__consumer_offsets", 0, &good().build()), refused(INVALID_TOPIC));
    }
}
