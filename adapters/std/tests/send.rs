//! Sending to a broker on loopback: what is accepted arrives, once and in order, and everyone learns of it.
#![allow(clippy::unwrap_used)] // tests, their helpers included
mod common;

use common::{config, end, executor, values};
use kurier::{Producer, Record, Timestamp};
use kurier_broker::{Server, ServerOptions, TopicConfig};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn a_record_is_written_where_its_future_says() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    let sent =
        producer.send("orders", Record::value(b"one").key(b"k").timestamp(Timestamp(1_700_000_000_123)));
    let metadata = end(sent.unwrap()).unwrap();
    assert_eq!((&*metadata.topic, metadata.partition, metadata.offset), ("orders", 0, Some(0)));
    assert_eq!((metadata.key_size, metadata.value_size), (Some(1), Some(3)));
    assert_eq!(metadata.timestamp, Timestamp(1_700_000_000_123));
    let again = producer.send("orders", Record::tombstone().key(b"k")).unwrap();
    let metadata = executor::block_on(again).unwrap();
    assert_eq!((metadata.offset, metadata.value_size), (Some(1), None));
    server.with(|cluster| {
        let records: Vec<_> = cluster.records("orders", 0).collect();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].value, Some(&b"one"[..]));
        assert_eq!(records[1].value, None);
    });
    producer.close(Duration::from_secs(10)).unwrap();
}

/// One record at a time, each at another moment of the I/O thread's way to sleep. Without linger nothing is due later: a
/// call that is lost leaves its record lying for minutes.
#[test]
fn a_record_that_comes_while_the_io_thread_falls_asleep_is_sent() {
    const ROUNDS: u32 = 5_000;
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server).linger_ms(0)).unwrap();
    for round in 0..ROUNDS {
        let sent = producer.send("t", Record::value(b"v").partition(0)).unwrap();
        assert_eq!(end(sent).unwrap().offset, Some(i64::from(round)));
        for _ in 0..round * 7 % 4_001 {
            std::hint::spin_loop();
        }
    }
    producer.close(Duration::from_secs(10)).unwrap();
}

#[test]
fn many_records_from_many_threads_arrive_once_and_in_each_threads_order() {
    const THREADS: u32 = 4;
    const EACH: u32 = 20_000;
    let server = Server::start(ServerOptions { brokers: 2, ..ServerOptions::default() }).unwrap();
    server.with(|cluster| cluster.create_topic("t", 6, TopicConfig::default()).unwrap());
    let producer = Producer::connect(&config(&server)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let producer = producer.clone();
            scope.spawn(move || {
                let mut last = None;
                for n in 0..EACH {
                    let value = format!("{thread}:{n}");
                    let record = Record::value(value.as_bytes()).partition(i32::try_from(thread).unwrap());
                    last = Some(producer.send("t", record).unwrap());
                }
                let offset = end(last.unwrap()).unwrap().offset;
                assert_eq!(offset, Some(i64::from(EACH) - 1));
            });
        }
    });
    producer.close(Duration::from_secs(10)).unwrap();
    for thread in 0..THREADS {
        let expected: Vec<_> = (0..EACH).map(|n| format!("{thread}:{n}")).collect();
        assert_eq!(values(&server, "t", i32::try_from(thread).unwrap()), expected);
    }
}

#[test]
fn flush_ends_what_was_sent_before_it_and_lingers_for_nothing() {
    let server = Server::start_default().unwrap();
    let producer =
        Producer::connect(&config(&server).linger_ms(600_000).delivery_timeout_ms(700_000)).unwrap();
    let futures: Vec<_> = (0..10).map(|_| producer.send("t", Record::value(b"x")).unwrap()).collect();
    assert!(futures.iter().all(|future| future.peek().is_none()));
    producer.flush().unwrap();
    assert!(futures.iter().all(|future| matches!(future.peek(), Some(Ok(_)))));
    producer.flush().unwrap();
    assert_eq!(values(&server, "t", 0).len(), 10);
}

#[test]
fn callbacks_come_in_order_and_a_panic_in_one_harms_no_other() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for n in 0..100_i64 {
        let seen = Arc::clone(&seen);
        let callback = move |end: Result<kurier::RecordMetadata, kurier::RecordError>| {
            seen.lock().unwrap().push(end.unwrap().offset);
            assert_ne!(n, 50, "on purpose");
        };
        producer.send_with_callback("t", Record::value(b"x"), callback).unwrap();
    }
    producer.flush().unwrap();
    let expected: Vec<_> = (0..100).map(Some).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    // The thread lives.
    end(producer.send("t", Record::value(b"x")).unwrap()).unwrap();
}

#[test]
fn a_callback_may_send_and_close_but_not_flush() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let inner = producer.clone();
    let callback = move |_| {
        let flushed = inner.flush();
        let sent = inner.send("t", Record::value(b"from the callback"));
        let closed = inner.close(Duration::from_secs(10));
        tell.send((flushed, sent.unwrap(), closed)).unwrap();
    };
    producer.send_with_callback("t", Record::value(b"x"), callback).unwrap();
    let (flushed, sent, closed) = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(flushed, Err(kurier::CloseError::InCallback));
    assert_eq!(closed, Ok(()));
    assert_eq!(end(sent).unwrap().offset, Some(1));
    assert_eq!(producer.send("t", Record::value(b"x")).unwrap_err(), kurier::SendError::Closed);
}

#[test]
fn a_producer_wide_callback_tells_of_each_ticket() {
    let server = Server::start_default().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let producer = Producer::connect_with(&config(&server), move |batch| {
        tell.send((batch.topic.to_owned(), batch.delivery)).unwrap();
    })
    .unwrap();
    let tickets: Vec<_> = (0..1000).map(|_| producer.post("t", Record::value(&[7; 100])).unwrap()).collect();
    producer.close(Duration::from_secs(10)).unwrap();
    let deliveries: Vec<_> = told.iter().collect();
    for (n, ticket) in tickets.iter().enumerate() {
        let offset = deliveries.iter().find_map(|(topic, d)| {
            assert_eq!(topic, "t");
            d.of(*ticket, &[])?.offset
        });
        assert_eq!(offset, Some(i64::try_from(n).unwrap()));
    }
}

#[test]
fn metrics_count_under_kafkas_names() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    for _ in 0..500 {
        producer.send("t", Record::value(&[7; 100])).unwrap();
    }
    producer.flush().unwrap();
    let metrics: std::collections::HashMap<_, _> = producer.metrics().into_iter().collect();
    assert_eq!(metrics["record-send-total"], 500.0);
    assert_eq!(metrics["record-error-total"], 0.0);
    assert!(metrics["byte-total"] > 50_000.0);
    assert!((1.0..10.0).contains(&metrics["connection-count"]), "{metrics:?}");
    assert_eq!(metrics["requests-in-flight"], 0.0);
    assert_eq!(metrics["compression-rate-avg"], 1.0);
    assert_eq!(metrics["buffer-total-bytes"], 33_554_432.0);
    assert_eq!(metrics["buffer-available-bytes"], 33_554_432.0);
    assert!((0.0..10.0).contains(&metrics["metadata-age"]));
}

#[test]
fn partitions_are_known_after_the_first_answer() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("p", 7, TopicConfig::default()).unwrap());
    let producer = Producer::connect(&config(&server)).unwrap();
    assert_eq!(producer.partitions_for("p").unwrap(), 7);
}
