//! Limits, refusals and settings of the broker, as the library's user sees them.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier::config::Config;
use kurier::{Cause, DeliveryError, Fate, Producer, Record, RecordError};
use kurier_core::config::Acks;
use kurier_core::wire::ErrorCode;
use kurier_tests::kafka::{Shared, read, shared};
use std::time::Duration;

fn connect(change: impl FnOnce(Config) -> Config) -> Producer {
    let config = Config::new().bootstrap(shared().unwrap().bootstrap());
    Producer::connect(&change(config)).unwrap()
}

fn topic(label: &str, configs: &[(&str, &str)]) -> (&'static Shared, String) {
    let kafka = shared().unwrap();
    let topic = kafka.topic(label, 1).unwrap();
    if !configs.is_empty() {
        kafka.admin().configure(&topic, configs).unwrap();
    }
    (kafka, topic)
}

fn refusal(error: &RecordError) -> (ErrorCode, Fate) {
    (ErrorCode(error.code().unwrap_or_else(|| panic!("{error}"))), error.written())
}

#[test]
fn every_level_of_acks_writes_each_record_once() {
    for acks in [Acks::Zero, Acks::Leader, Acks::All] {
        let (kafka, topic) = topic("acks", &[]);
        let producer = connect(|config| config.acks(acks));
        let futures: Vec<_> = (0..5_000_u32)
            .map(|n| producer.send(&topic, Record::value(n.to_string().as_bytes())).unwrap())
            .collect();
        producer.flush().unwrap();
        for (n, future) in (0_i64..).zip(futures) {
            let written = future.wait().unwrap();
            assert_eq!(written.offset, (acks != Acks::Zero).then_some(n));
        }
        producer.close(Duration::from_secs(10)).unwrap();
        let values: Vec<_> =
            read::records(kafka.bootstrap(), &topic).unwrap().into_iter().map(|r| r.value.unwrap()).collect();
        let expected: Vec<_> = (0..5_000_u32).map(|n| n.to_string().into_bytes()).collect();
        assert_eq!(values, expected, "{acks:?}");
    }
}

#[test]
fn records_at_and_over_each_limit() {
    let (kafka, topic) = topic("limits", &[("max.message.bytes", "50000")]);
    let producer = connect(|config| config.batch_size(1000).max_request_size(60_000));
    // Larger than a batch: a batch of its own. As large as the topic takes; one byte more is the broker's to refuse.
    let of = |size: usize| vec![b'x'; size];
    // The batch's header, the record's: length 3, attributes, time, offset, no key, length of the value 3, headers.
    let fits = 50_000 - 61 - 11;
    assert_eq!(producer.send(&topic, Record::value(&of(fits))).unwrap().wait().unwrap().offset, Some(0));
    let refused = producer.send(&topic, Record::value(&of(fits + 1))).unwrap().wait().unwrap_err();
    assert_eq!(refusal(&refused), (ErrorCode::MESSAGE_TOO_LARGE, Fate::NotWritten));
    // As large as a request may be, by Kafka's own estimate, and over it.
    let most = 60_000 - 61 - 21 - 1 - 3 - 1;
    let refused = producer.send(&topic, Record::value(&of(most))).unwrap().wait().unwrap_err();
    assert_eq!(refusal(&refused), (ErrorCode::MESSAGE_TOO_LARGE, Fate::NotWritten));
    let refused = producer.send(&topic, Record::value(&of(most + 1))).unwrap().wait().unwrap_err();
    assert_eq!(refused.cause(), Cause::TooLarge { size: 60_001, max: 60_000 });
    // Nothing of this stands in the way of what follows.
    for n in 1..=2_000 {
        let written = producer.send(&topic, Record::value(b"next"));
        if n % 500 == 0 {
            assert_eq!(written.unwrap().wait().unwrap().offset, Some(n));
        }
    }
    producer.close(Duration::from_secs(10)).unwrap();
    assert_eq!(kafka.admin().offsets(&topic).unwrap(), [(0, 2_001)]);
}

#[test]
fn a_batch_that_is_too_large_goes_in_pieces() {
    for idempotent in [true, false] {
        let (kafka, topic) = topic("pieces", &[("max.message.bytes", "3000")]);
        let producer = connect(|config| config.linger_ms(50).enable_idempotence(idempotent));
        let large = |nth: u32| nth == 777;
        let futures: Vec<_> = (0..2_000_u32)
            .map(|nth| {
                let value = vec![b'x'; if large(nth) { 4_000 } else { 20 + nth as usize % 60 }];
                producer.send(&topic, Record::value(&[nth.to_string().as_bytes(), &value].concat())).unwrap()
            })
            .collect();
        producer.flush().unwrap();
        let mut next = 0;
        for (nth, future) in (0..).zip(futures) {
            if large(nth) {
                let refused = future.wait().unwrap_err();
                assert_eq!(refusal(&refused), (ErrorCode::MESSAGE_TOO_LARGE, Fate::NotWritten));
            } else {
                assert_eq!(future.wait().unwrap().offset, Some(next), "record {nth}");
                next += 1;
            }
        }
        let splits = producer.metrics().into_iter().find(|metric| metric.0 == "batch-split-total").unwrap().1;
        assert!(splits >= 1.0, "nothing was split");
        producer.close(Duration::from_secs(10)).unwrap();
        let values: Vec<_> =
            read::records(kafka.bootstrap(), &topic).unwrap().into_iter().map(|r| r.value.unwrap()).collect();
        assert_eq!(values.len(), 1_999);
        let number =
            |value: &[u8]| String::from_utf8_lossy(value).trim_end_matches('x').parse::<u32>().unwrap();
        let numbers: Vec<_> = values.iter().map(|value| number(value)).collect();
        assert_eq!(numbers, (0..2_000).filter(|nth| !large(*nth)).collect::<Vec<_>>());
    }
}

#[test]
fn a_refused_batch_names_the_record_that_is_to_blame() {
    let (_, topic) = topic("compacted", &[("cleanup.policy", "compact")]);
    let producer = connect(|config| config.linger_ms(200));
    let good = producer.send(&topic, Record::value(b"v").key(b"k")).unwrap();
    let bad = producer.send(&topic, Record::value(b"v")).unwrap();
    let also_good = producer.send(&topic, Record::value(b"v").key(b"l")).unwrap();
    let bad = bad.wait().unwrap_err();
    assert_eq!(refusal(&bad), (ErrorCode::INVALID_RECORD, Fate::NotWritten));
    for other in [good, also_good] {
        let error = other.wait().unwrap_err();
        assert_eq!(error.cause(), Cause::Delivery(DeliveryError::BatchRejected), "{error}");
        assert_eq!(error.written(), Fate::NotWritten);
    }
    // The gap that was left in the sequence is closed.
    assert_eq!(producer.send(&topic, Record::value(b"v").key(b"k")).unwrap().wait().unwrap().offset, Some(0));
    producer.close(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_topic_that_stamps_on_append_tells_its_timestamp() {
    let (kafka, topic) = topic("append-time", &[("message.timestamp.type", "LogAppendTime")]);
    let producer = connect(|config| config);
    let written =
        producer.send(&topic, Record::value(b"v").timestamp(kurier::Timestamp(7))).unwrap().wait().unwrap();
    producer.close(Duration::from_secs(10)).unwrap();
    let seen = kafka.admin().read(&topic, 0, false).unwrap();
    assert!(seen[0].append_time);
    assert_eq!(written.timestamp.0, seen[0].timestamp);
    assert!(written.timestamp.0 > 1_600_000_000_000);
}

#[test]
fn batches_carry_one_producer_and_sequences_without_a_gap() {
    let (kafka, topic) = topic("sequences", &[]);
    let producer = connect(|config| config.batch_size(2_000));
    let futures: Vec<_> =
        (0..20_000).map(|_| producer.send(&topic, Record::value(&[b'x'; 100])).unwrap()).collect();
    producer.close(Duration::from_secs(20)).unwrap();
    for future in futures {
        future.wait().unwrap();
    }
    let mut next = 0;
    let mut producers = std::collections::BTreeSet::new();
    for batch in kafka.dump(&topic, 0, false).unwrap() {
        let Some(base) = batch.number("baseSequence") else { continue };
        assert_eq!(base, next);
        next = batch.number("lastSequence").unwrap() + 1;
        producers.insert((batch.number("producerId"), batch.number("producerEpoch")));
        assert_eq!(batch.field("isvalid"), Some("true"));
    }
    assert_eq!(next, 20_000);
    assert_eq!(producers.len(), 1);
}

#[test]
fn a_quota_slows_the_producer_down_and_loses_nothing() {
    let (kafka, topic) = topic("quota", &[]);
    kafka.admin().quota("slowed", &[("producer_byte_rate", "300000")]).unwrap();
    let producer = connect(|config| config.client_id("slowed"));
    let futures: Vec<_> =
        (0..60_000).map(|_| producer.send(&topic, Record::value(&[b'x'; 100])).unwrap()).collect();
    producer.close(Duration::from_secs(60)).unwrap();
    for (n, future) in (0_i64..).zip(futures) {
        assert_eq!(future.wait().unwrap().offset, Some(n));
    }
    let throttled = producer.metrics().into_iter().find(|metric| metric.0 == "produce-throttle-time-max");
    assert!(throttled.is_some_and(|metric| metric.1 > 0.0), "{throttled:?}");
}

#[test]
fn a_topic_that_does_not_exist_is_named_after_max_block_ms_and_others_go_on() {
    let (_, topic) = topic("exists", &[]);
    let producer = connect(|config| config.max_block_ms(700).allow_auto_create_topics(false));
    let missing = producer.send("no-such-topic-here", Record::value(b"v")).unwrap().wait().unwrap_err();
    assert!(matches!(missing.cause(), Cause::NoMetadata { .. }), "{missing}");
    assert!(missing.to_string().contains("no-such-topic-here"), "{missing}");
    let invalid = producer.send("not a name", Record::value(b"v")).unwrap().wait().unwrap_err();
    assert!(matches!(invalid.cause(), Cause::TopicName(_)), "{invalid}");
    assert_eq!(producer.send(&topic, Record::value(b"v")).unwrap().wait().unwrap().offset, Some(0));
    producer.close(Duration::from_secs(10)).unwrap();
}
