//! A broker that refuses, and peers that are no brokers at all.
#![allow(clippy::unwrap_used)] // tests, their helpers included
mod common;

use common::{config, end, values};
use kurier::config::Config;
use kurier::{Acks, Cause, DeliveryError, Fate, Producer, Record, SendError};
use kurier_broker::{Body, ErrorCode, Fault, Server};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[test]
fn bad_input_a_topic_that_may_not_be_read_fails_at_once_and_is_asked_for_again() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| {
        cluster.inject(|request| match &request.body {
            Body::Metadata(_) => Some(Fault::refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED)),
            _ => None,
        });
    });
    let producer = Producer::connect(&config(&server)).unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let error = end(producer.send("secret", Record::value(b"x")).unwrap()).unwrap_err();
                assert_eq!(error.cause(), Cause::TopicRefused(29));
                assert!(error.to_string().contains("secret"), "{error}");
            });
        }
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    // Without patience the refusal is told as well.
    let refused = producer.try_send("secret", Record::value(b"x"));
    assert!(matches!(refused.map(end), Ok(Err(error)) if error.code() == Some(29)));
    server.with(kurier_broker::Cluster::inject_nothing);
    end(producer.send("secret", Record::value(b"x")).unwrap()).unwrap();
}

#[test]
fn a_refusal_for_good_ends_the_producer_and_says_so() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    end(producer.send("t", Record::value(b"x")).unwrap()).unwrap();
    server.with(|cluster| {
        cluster.inject(|request| match &request.body {
            Body::Produce(_) => Some(Fault::refuse(ErrorCode::CLUSTER_AUTHORIZATION_FAILED)),
            _ => None,
        });
    });
    let error = end(producer.send("t", Record::value(b"x")).unwrap()).unwrap_err();
    assert_eq!(error.code(), Some(31));
    let started = Instant::now();
    let refused = loop {
        match producer.send("t", Record::value(b"x")) {
            Err(refused) => break refused,
            Ok(sent) => assert_eq!(end(sent).unwrap_err().code(), Some(31)),
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    };
    assert_eq!(refused, SendError::Fatal(31));
    producer.close(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_refused_batch_fails_its_records_with_the_brokers_reason() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    server.with(|cluster| {
        let mut first = true;
        cluster.inject(move |request| match &request.body {
            Body::Produce(_) if std::mem::take(&mut first) => Some(Fault::refuse(ErrorCode::INVALID_RECORD)),
            _ => None,
        });
    });
    let error = end(producer.send("t", Record::value(b"x")).unwrap()).unwrap_err();
    assert_eq!(error.cause(), Cause::Delivery(DeliveryError::Broker(87)));
    assert_eq!((error.written(), error.name()), (Fate::NotWritten, "INVALID_RECORD"));
    end(producer.send("t", Record::value(b"y")).unwrap()).unwrap();
    assert_eq!(values(&server, "t", 0), ["y"]);
}

#[test]
fn every_kind_of_acks_completes_its_records() {
    for acks in [Acks::Zero, Acks::Leader, Acks::All] {
        let server = Server::start_default().unwrap();
        let producer = Producer::connect(&config(&server).acks(acks)).unwrap();
        let sent: Vec<_> = (0..500).map(|_| producer.send("t", Record::value(&[7; 100])).unwrap()).collect();
        producer.flush().unwrap();
        for (n, sent) in sent.into_iter().enumerate() {
            let offset = (acks != Acks::Zero).then(|| i64::try_from(n).unwrap());
            assert_eq!(end(sent).unwrap().offset, offset, "{acks:?}");
        }
        producer.close(Duration::from_secs(10)).unwrap();
        // Without acknowledgements the last bytes may still be on their way.
        let started = Instant::now();
        while values(&server, "t", 0).len() < 500 {
            assert!(started.elapsed() < Duration::from_secs(10), "{acks:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_batch_size_of_zero_puts_every_record_into_a_batch_of_its_own() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server).batch_size(0).buffer_memory(100_000)).unwrap();
    for n in 0..300 {
        producer.send("t", Record::value(format!("{n}").as_bytes())).unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(server.with(|cluster| cluster.batches("t", 0).count()), 300);
    assert_eq!(values(&server, "t", 0), (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// A peer that answers every connection with `reply`, and closes it if it is not empty.
fn peer(reply: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 512];
            if stream.read(&mut request).is_ok_and(|read| read > 0) && !reply.is_empty() {
                // The producer may have closed it by now.
                let _ = stream.write_all(reply);
            } else {
                open.push(stream);
            }
        }
    });
    address.to_string()
}

#[test]
fn bad_input_a_port_of_something_that_is_not_kafka_is_a_clear_error() {
    let peers: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        // A TLS alert, and what reads as a frame of 4 GB.
        b"\x15\x03\x01\x00\x02\x02\x46",
        &[0xff; 300],
    ];
    for reply in peers {
        let config = Config::new().bootstrap(&peer(reply)).max_block_ms(400);
        let producer = Producer::connect(&config).unwrap();
        let started = Instant::now();
        let error = end(producer.send("t", Record::value(b"x")).unwrap()).unwrap_err();
        assert!(matches!(error.cause(), Cause::NoMetadata { .. }), "{error}");
        assert!((390..4000).contains(&started.elapsed().as_millis()));
        // A silent peer is given up after the request's time only.
        assert!(reply.is_empty() || error.detail().is_some_and(|said| said.contains("Kafka")), "{error}");
        producer.close(Duration::from_secs(5)).unwrap();
    }
}

#[test]
fn answers_that_are_damaged_lose_nothing() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| {
        cluster.inject(|request| match (&request.body, request.index % 3) {
            (Body::Produce(_), 0) => Some(Fault::alter(|frame| frame.truncate(frame.len() / 2))),
            (Body::Produce(_), 1) => Some(Fault::close_after()),
            _ => None,
        });
    });
    let producer = Producer::connect(&config(&server).linger_ms(0)).unwrap();
    let mut futures = Vec::new();
    for n in 0..40 {
        futures.push(producer.send("t", Record::value(format!("{n}").as_bytes())).unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    // A frame that ends early is noticed when the link or the request's time ends.
    server.with(kurier_broker::Cluster::inject_nothing);
    server.with(|cluster| {
        cluster.kill(1);
        cluster.restart(1);
    });
    for future in futures {
        end(future).unwrap();
    }
    assert_eq!(values(&server, "t", 0), (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    let retried = producer.metrics().into_iter().find(|metric| metric.0 == "record-retry-total").unwrap().1;
    assert!(retried > 0.0, "no answer was damaged");
}

#[test]
fn a_record_whose_answer_was_lost_is_told_with_its_own_timestamp() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| {
        let mut first = true;
        cluster.inject(move |request| match &request.body {
            Body::Produce(_) if std::mem::take(&mut first) => Some(Fault::close_after()),
            _ => None,
        });
    });
    let producer = Producer::connect(&config(&server).linger_ms(100)).unwrap();
    let send = |time| producer.send("t", Record::value(b"x").timestamp(kurier::Timestamp(time))).unwrap();
    // The broker answers a batch that it has with the newest time in it, whatever the topic's timestamps are.
    let told = [send(1_700_000_000_000), send(1_700_000_000_500)].map(|sent| end(sent).unwrap());
    assert_eq!(told.map(|told| told.timestamp.0), [1_700_000_000_000, 1_700_000_000_500]);
    assert_eq!(values(&server, "t", 0).len(), 2);
}
