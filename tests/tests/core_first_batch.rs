//! The first batches of a partition, while the broker knows nothing of the producer and would take any sequence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
use kurier_broker::{Body, Cluster, Fault, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::error::SendError;
use kurier_core::producer::Producer;
use kurier_core::record::Record;
use kurier_core::sender::Wake;
use kurier_core::storage::Storage;
use kurier_core::time::Instant;
use kurier_core::transport::Endpoint;
use kurier_core::wire::ErrorCode;
use kurier_tests::model_net::ModelNet;

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 9091 }];
const RECORDS: u32 = 50;

/// One record a batch and a millisecond, ten milliseconds to every answer; request `nth` is refused. Gives the log.
fn with_refused_request(nth: u32, error: ErrorCode) -> Vec<u32> {
    let mut net = ModelNet::new(Cluster::new(Settings::default()), 1);
    net.cluster.create_topic("lines", 1, TopicConfig::default()).unwrap();
    let mut produced = 0;
    net.cluster.inject(move |request| {
        let Body::Produce(_) = request.body else { return None };
        produced += 1;
        let fault = if produced == nth + 1 { Fault::refuse(error) } else { Fault::default() };
        Some(fault.and_delay(10))
    });
    let memory = Box::leak(Box::new(Storage::<2, 1, 16, 256>::new()));
    let config: &'static Config<'static> = Box::leak(Box::new(Config::new(SERVERS).linger_ms(0)));
    let mut producer = Producer::new(memory, config, crc32c::crc32c_append).unwrap();
    let mut now = Instant::from_millis(1000);
    let topic = producer.topic("lines", now).unwrap();
    let (mut sent, mut delivered) = (0_u32, 0);
    for _ in 0..5_000 {
        if sent < RECORDS {
            match producer.send(topic, Record::value(&sent.to_be_bytes()), now) {
                Ok(_) => sent += 1,
                Err(SendError::Full | SendError::NotReady) => {}
                Err(error) => panic!("{error}"),
            }
        }
        while producer.poll(now, &mut net) == Wake::Now {}
        while let Some(delivery) = producer.next_delivery() {
            assert!(delivery.is_ok(), "{delivery:?}");
            delivered += delivery.count;
        }
        if delivered == RECORDS {
            break;
        }
        now = now.plus_millis(1);
        net.now += 1;
        net.cluster.poll(net.now);
    }
    assert_eq!(delivered, RECORDS);
    let values = net.cluster.records("lines", 0).map(|record| record.value.unwrap().try_into().unwrap());
    values.map(u32::from_be_bytes).collect()
}

#[test]
fn no_batch_overtakes_a_first_one_that_is_refused() {
    let expected: Vec<_> = (0..RECORDS).collect();
    for error in [ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION] {
        for nth in 0..8 {
            assert_eq!(with_refused_request(nth, error), expected, "request {nth}, {error:?}");
        }
    }
}
