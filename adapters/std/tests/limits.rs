//! What has a limit: memory, time to wait, size; and what becomes of those who meet it.
#![allow(clippy::unwrap_used)] // tests, their helpers included
mod common;

use common::{config, end, values};
use kurier::{Cause, CloseError, Fate, Producer, Record, SendError};
use kurier_broker::{Server, TopicConfig};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const KIB: usize = 1024;

/// A server whose broker reads nothing, with a topic that is known already.
fn paused(producer: impl FnOnce(&Server) -> Producer) -> (Server, Producer) {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("t", 1, TopicConfig::default()).unwrap());
    let producer = producer(&server);
    producer.send("t", Record::value(b"first")).unwrap();
    // Unlike the record's future, this also waits until its buffer is free.
    producer.flush().unwrap();
    server.with(|cluster| cluster.pause(1));
    (server, producer)
}

#[test]
fn a_full_memory_blocks_up_to_max_block_and_try_send_says_so() {
    let (server, producer) = paused(|server| {
        let config = config(server).buffer_memory(64 * KIB as u64).max_block_ms(200).linger_ms(0);
        Producer::connect(&config).unwrap()
    });
    let value = [7; 10 * KIB];
    let accepted = (0..100).take_while(|_| producer.try_send("t", Record::value(&value)).is_ok()).count();
    assert!((3..=6).contains(&accepted), "{accepted}");
    assert_eq!(producer.try_send("t", Record::value(&value)).unwrap_err(), SendError::Full);
    let started = Instant::now();
    let error = end(producer.send("t", Record::value(&value)).unwrap()).unwrap_err();
    assert!(matches!(error.cause(), Cause::NoMemory { waited_ms: 190.. }), "{error}");
    assert!((190..2000).contains(&started.elapsed().as_millis()));
    assert_eq!(error.written(), Fate::NotWritten);
    server.with(|cluster| cluster.restart(1));
    producer.close(Duration::from_secs(10)).unwrap();
    assert_eq!(values(&server, "t", 0).len(), 1 + accepted);
}

#[test]
fn whoever_waits_for_memory_goes_on_when_some_is_free() {
    let (server, producer) = paused(|server| {
        Producer::connect(&config(server).buffer_memory(64 * KIB as u64).linger_ms(0)).unwrap()
    });
    let value = [7; 10 * KIB];
    let started = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..50 {
                    started.fetch_add(1, Ordering::Relaxed);
                    producer.send("t", Record::value(&value)).unwrap();
                }
            });
        }
        std::thread::sleep(Duration::from_millis(200));
        assert!(started.load(Ordering::Relaxed) < 20);
        server.with(|cluster| cluster.restart(1));
    });
    producer.close(Duration::from_secs(10)).unwrap();
    assert_eq!(values(&server, "t", 0).len(), 151);
}

#[test]
fn a_callback_that_finds_no_memory_does_not_wait_for_itself() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server).buffer_memory(32 * KIB as u64).linger_ms(0)).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let inner = producer.clone();
    let callback = move |_| {
        let sent: Vec<_> = (0..5).map(|_| inner.send("t", Record::value(&[7; 10 * KIB])).unwrap()).collect();
        tell.send(sent).unwrap();
    };
    producer.send_with_callback("t", Record::value(b"x"), callback).unwrap();
    let sent = told.recv_timeout(Duration::from_secs(10)).unwrap();
    let ends: Vec<_> = sent.into_iter().map(end).collect();
    assert!(ends.iter().any(Result::is_ok));
    let refused = ends.into_iter().filter_map(Result::err);
    let causes: Vec<_> = refused.map(|error| error.cause()).collect();
    assert!(!causes.is_empty() && causes.iter().all(|cause| *cause == Cause::NoMemory { waited_ms: 0 }));
}

#[test]
fn closing_while_a_callback_blocks_comes_back_and_dropping_then_does_too() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let callback = move |_| assert!(blocked.recv().is_err());
    producer.send_with_callback("t", Record::value(b"x"), callback).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    assert_eq!(producer.close(Duration::from_millis(100)), Err(CloseError::Stuck));
    drop(producer);
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(release);
}

#[test]
fn an_oversize_record_gets_a_batch_of_its_own_and_its_memory_back() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server).buffer_memory(1 << 20)).unwrap();
    let large = vec![b'x'; 900_000];
    let small = vec![b'y'; 1000];
    let futures: Vec<_> = (0..20)
        .map(|n| producer.send("t", Record::value(if n % 2 == 0 { &large } else { &small })).unwrap())
        .collect();
    for future in futures {
        end(future).unwrap();
    }
    let sizes: Vec<_> = values(&server, "t", 0).iter().map(String::len).collect();
    assert_eq!(sizes, [[900_000, 1000]; 10].concat());
    let metrics: std::collections::HashMap<_, _> = producer.metrics().into_iter().collect();
    assert_eq!(metrics["buffer-available-bytes"], 1_048_576.0);
    let error = end(producer.send("t", Record::value(&vec![0; 1 << 20])).unwrap()).unwrap_err();
    assert!(matches!(error.cause(), Cause::TooLarge { max: 1_048_576, .. }), "{error}");
}

#[test]
fn bad_input_a_topic_that_does_not_exist_fails_after_max_block_and_names_it() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("there", 2, TopicConfig::default()).unwrap());
    let mut settings = config(&server).max_block_ms(300);
    settings.set("allow.auto.create.topics", "false").unwrap();
    let producer = Producer::connect(&settings).unwrap();
    let other = producer.send("there", Record::value(b"x")).unwrap();
    let started = Instant::now();
    let error = end(producer.send("not-there", Record::value(b"x")).unwrap()).unwrap_err();
    assert!((290..2000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert!(error.to_string().contains("not-there") && error.to_string().contains("300 ms"), "{error}");
    // So does a partition that is not there; other topics go on.
    let beyond = end(producer.send("there", Record::value(b"x").partition(2)).unwrap()).unwrap_err();
    assert!(matches!(beyond.cause(), Cause::NoPartition { partition: 2, partitions: 2, .. }), "{beyond}");
    end(other).unwrap();
    assert_eq!(producer.try_send("not-there-either", Record::value(b"x")).unwrap_err(), SendError::NotReady);
    let invalid = end(producer.send("no spaces", Record::value(b"x")).unwrap()).unwrap_err();
    assert_eq!(invalid.name(), "INVALID_TOPIC_NAME");
    // It is created meanwhile; the backoff of asking may be longer than one call waits.
    server.with(|cluster| cluster.create_topic("not-there", 1, TopicConfig::default()).unwrap());
    let sent = (0..20).any(|_| end(producer.send("not-there", Record::value(b"x")).unwrap()).is_ok());
    assert!(sent);
}

#[test]
fn bad_input_negative_partitions_and_timestamps_are_refused_at_once() {
    let server = Server::start_default().unwrap();
    let producer = Producer::connect(&config(&server)).unwrap();
    end(producer.send("t", Record::value(b"x")).unwrap()).unwrap();
    let refused = producer.send("t", Record::value(b"x").partition(-1)).unwrap_err();
    assert!(matches!(refused, SendError::InvalidPartition { partition: -1, .. }));
    let refused = producer.send("t", Record::value(b"x").timestamp(kurier::Timestamp(-2))).unwrap_err();
    assert_eq!(refused, SendError::InvalidTimestamp);
}

#[test]
fn close_gives_up_at_its_timeout_and_says_how_many_are_left() {
    let (_server, producer) = paused(|server| Producer::connect(&config(server).linger_ms(0)).unwrap());
    let futures: Vec<_> = (0..5).map(|_| producer.send("t", Record::value(b"x")).unwrap()).collect();
    let started = Instant::now();
    assert_eq!(producer.close(Duration::from_millis(300)), Err(CloseError::TimedOut { records: 5 }));
    assert!((290..2000).contains(&started.elapsed().as_millis()));
    for future in futures {
        assert!(matches!(future.peek(), Some(Err(error)) if error.name() == "PRODUCER_CLOSED"));
    }
    assert_eq!(producer.send("t", Record::value(b"x")).unwrap_err(), SendError::Closed);
    assert_eq!(producer.close(Duration::from_secs(1)), Err(CloseError::TimedOut { records: 5 }));
}

#[test]
fn abort_fails_what_is_left_at_once_and_says_what_may_be_written() {
    let (_server, producer) = paused(|server| Producer::connect(&config(server).linger_ms(0)).unwrap());
    let sent = producer.send("t", Record::value(b"x")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    producer.abort();
    let error = end(sent).unwrap_err();
    assert_eq!((error.name(), error.written()), ("PRODUCER_ABORTED", Fate::MaybeWritten));
}

#[test]
fn close_releases_whoever_waits() {
    let (_server, producer) = paused(|server| {
        Producer::connect(&config(server).buffer_memory(32 * KIB as u64).linger_ms(0)).unwrap()
    });
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..2)
            .map(|thread| {
                let producer = &producer;
                scope.spawn(move || {
                    loop {
                        let topic = if thread == 0 { "t" } else { "unknown" };
                        if let Err(error) = producer.send(topic, Record::value(&[7; 10 * KIB])) {
                            return error;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(200));
        let started = Instant::now();
        let _ = producer.close(Duration::from_millis(100));
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), SendError::Closed);
        }
        assert!(started.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn dropping_the_last_handle_delivers_first() {
    let server = Server::start_default().unwrap();
    let producer =
        Producer::connect(&config(&server).linger_ms(600_000).delivery_timeout_ms(700_000)).unwrap();
    let other = producer.clone();
    let sent = producer.send("t", Record::value(b"x")).unwrap();
    drop(producer);
    assert!(sent.peek().is_none());
    drop(other);
    assert!(matches!(sent.peek(), Some(Ok(_))));
    assert_eq!(values(&server, "t", 0), ["x"]);
}

#[test]
fn a_broker_that_goes_and_comes_back_loses_and_doubles_nothing() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("t", 3, TopicConfig::default()).unwrap());
    let producer = Producer::connect(&config(&server).linger_ms(1)).unwrap();
    let mut futures = Vec::new();
    for round in 0..3 {
        for n in 0..2000 {
            let value = format!("{}", round * 2000 + n);
            futures.push(producer.send("t", Record::value(value.as_bytes()).partition(n % 3)).unwrap());
            if n == 1000 {
                server.with(|cluster| cluster.kill(1));
                std::thread::sleep(Duration::from_millis(60));
                server.with(|cluster| cluster.restart(1));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for future in futures {
        end(future).unwrap();
    }
    for partition in 0..3 {
        let expected: Vec<_> =
            (0..6000).filter(|all| (all % 2000) % 3 == partition).map(|all: i32| all.to_string()).collect();
        assert_eq!(values(&server, "t", partition), expected);
    }
}

#[test]
fn bad_input_no_broker_is_a_clear_error_after_max_block() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for server in [unused.to_string(), "no-such-host.invalid:9092".to_owned()] {
        let config = kurier::config::Config::new().bootstrap(&server).max_block_ms(300);
        let producer = Producer::connect(&config).unwrap();
        let started = Instant::now();
        let error = end(producer.send("t", Record::value(b"x")).unwrap()).unwrap_err();
        assert!(matches!(error.cause(), Cause::NoMetadata { .. }), "{error}");
        assert!((290..3000).contains(&started.elapsed().as_millis()));
        assert!(error.to_string().contains(&format!("{server} cannot be reached")), "{error}");
        producer.close(Duration::from_secs(5)).unwrap();
    }
}
