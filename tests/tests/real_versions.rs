//! Every release that is under test: it starts here, takes records from kcat and gives them back, so that a failure
//! of the producer on it is the producer's; then the producer sends to it, or, where it is too old, says so clearly.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test

use kurier::config::Config;
use kurier::{Fate, Header, Producer, Record, Timestamp};
use kurier_core::partitioner::partition_for_key;
use kurier_tests::kafka::{Failure, Kafka, Options, Release, read};
use std::collections::BTreeMap;
use std::time::Duration;

/// The oldest release that this producer can send to: the first with batches of magic 2.
const OLDEST: (u32, u32) = (0, 11);

#[test]
fn each_release_takes_records_or_is_refused_clearly() {
    for version in Release::under_test() {
        let started = std::time::Instant::now();
        round_trip(&version).unwrap_or_else(|failure| panic!("Kafka {version}: {failure}"));
        println!("Kafka {version}: {:?}", started.elapsed());
    }
}

fn round_trip(version: &str) -> Result<(), Failure> {
    let kafka = Kafka::start(Options::new().version(version))?;
    kafka.create_topic("old", 2, 1)?;
    let release = kafka.release();
    let silent = ["-X", "api.version.request=false", "-X", "broker.version.fallback=0.9.0.1"];
    let arguments: &[&str] = if release.answers_api_versions() { &[] } else { &silent };
    read::produce(&kafka.bootstrap(), "old", b"one\ntwo\n", &[&["-p", "1"], arguments].concat())?;
    let back = read::formatted(&kafka.bootstrap(), "old", "%p %o %s\\n", arguments)?;
    assert_eq!(String::from_utf8_lossy(&back), "1 0 one\n1 1 two\n", "Kafka {version}");
    assert!(!kafka.dump(1, "old", 1, true)?.is_empty(), "the dump of Kafka {version}");

    kafka.create_topic("ours", 3, 1)?;
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST {
        our_records_arrive(&kafka, version);
    } else {
        we_refuse(&kafka, version);
    }
    Ok(())
}

fn our_records_arrive(kafka: &Kafka, version: &str) {
    let producer = Producer::connect(&Config::new().bootstrap(&kafka.bootstrap())).unwrap();
    let headers = [Header { name: "h", value: Some(b"x") }];
    let mut told = BTreeMap::new();
    let sent: Vec<_> = (0..1000_i64)
        .map(|n| {
            let (key, value) = (format!("k{}", n % 50), n.to_string());
            let record = Record::value(value.as_bytes()).key(key.as_bytes()).headers(&headers);
            let future = producer.send("ours", record.timestamp(Timestamp(1_600_000_000_000 + n))).unwrap();
            (n, key, future)
        })
        .collect();
    for (n, key, future) in sent {
        let written = future.wait().unwrap_or_else(|error| panic!("Kafka {version}: {error}"));
        assert_eq!(written.partition, partition_for_key(key.as_bytes(), 3), "Kafka {version}");
        assert!(told.insert((written.partition, written.offset.unwrap()), n).is_none());
    }
    producer.close(Duration::from_secs(10)).unwrap();
    let back = read::formatted(&kafka.bootstrap(), "ours", "%p %o %T %h %s\\n", &[]).unwrap();
    let back = String::from_utf8_lossy(&back).into_owned();
    let mut seen = 0;
    for line in back.lines() {
        let [partition, offset, timestamp, headers, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("Kafka {version}: {line}");
        };
        let n = told[&(partition.parse().unwrap(), offset.parse().unwrap())];
        assert_eq!((value, headers), (n.to_string().as_str(), "h=x"), "Kafka {version}");
        assert_eq!(timestamp, (1_600_000_000_000 + n).to_string(), "Kafka {version}");
        seen += 1;
    }
    assert_eq!(seen, 1000, "Kafka {version}");
}

/// A broker before 0.11 takes no batch that this producer can make; one before 0.10 does not even say so.
fn we_refuse(kafka: &Kafka, version: &str) {
    let config = Config::new()
        .bootstrap(&kafka.bootstrap())
        .max_block_ms(8_000)
        .request_timeout_ms(2_000)
        .delivery_timeout_ms(6_000);
    let producer = Producer::connect(&config).unwrap();
    let error = producer.send("ours", Record::value(b"v")).unwrap().wait().unwrap_err();
    let words = error.to_string();
    let said = if kafka.release().answers_api_versions() { "too old" } else { "is it a Kafka broker" };
    assert!(words.contains(said), "Kafka {version}: {words}");
    assert_eq!(error.written(), Fate::NotWritten, "Kafka {version}: {error}");
    producer.close(Duration::from_secs(10)).unwrap();
}
