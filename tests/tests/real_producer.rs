//! The library on real Kafka, read back with kcat and Kafka's own tools.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier::config::Config;
use kurier::{Header, Producer, Record, Timestamp};
use kurier_core::partitioner::partition_for_key;
use kurier_tests::kafka::{read, shared};
use std::collections::HashMap;
use std::time::Duration;

fn connect(change: impl FnOnce(Config) -> Config) -> Producer {
    let config = Config::new().bootstrap(shared().unwrap().bootstrap());
    Producer::connect(&change(config)).unwrap()
}

#[test]
fn keys_headers_tombstones_and_timestamps_arrive_as_they_were_sent() {
    let kafka = shared().unwrap();
    let topic = kafka.topic("as-sent", 12).unwrap();
    let producer = connect(|config| config);
    let mut sent = Vec::new();
    for n in 0..10_000_i64 {
        let (key, value) = (format!("key-{}", n % 997), format!("value-{n}"));
        let headers = [Header { name: "n", value: Some(b"1") }, Header { name: "n", value: None }];
        let mut record =
            Record::value(value.as_bytes()).key(key.as_bytes()).timestamp(Timestamp(1_600_000_000_000 + n));
        if n % 10 == 3 {
            record = Record { value: None, ..record };
        }
        if n % 10 == 4 {
            record = Record { value: Some(b""), ..record };
        }
        if n % 2 == 0 {
            record = record.headers(&headers);
        }
        sent.push((n, producer.send(&topic, record).unwrap()));
    }
    producer.flush().unwrap();
    let mut expected = HashMap::new();
    for (n, future) in sent {
        let written = future.wait().unwrap();
        let key = format!("key-{}", n % 997);
        assert_eq!(written.partition, partition_for_key(key.as_bytes(), 12));
        let at = (written.partition.cast_unsigned(), written.offset.unwrap().cast_unsigned());
        assert!(expected.insert(at, n).is_none(), "an offset was told twice");
    }
    producer.close(Duration::from_secs(10)).unwrap();

    let records = read::records(kafka.bootstrap(), &topic).unwrap();
    assert_eq!(records.len(), 10_000);
    let mut last = [-1_i64; 12];
    for record in records {
        let n = expected[&(record.partition, record.offset)];
        let value = match n % 10 {
            3 => None,
            4 => Some(Vec::new()),
            _ => Some(format!("value-{n}").into_bytes()),
        };
        assert_eq!(record.value, value);
        assert_eq!(record.key, Some(format!("key-{}", n % 997).into_bytes()));
        assert_eq!(record.timestamp, 1_600_000_000_000 + n);
        assert_eq!(record.headers, if n % 2 == 0 { "n=1,n=NULL" } else { "" });
        let last = &mut last[record.partition as usize];
        assert!(*last < n, "partition {} is out of order", record.partition);
        *last = n;
    }
}
