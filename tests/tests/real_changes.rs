//! Topics that appear, vanish, grow and are forbidden while records are sent, and a lone broker that goes away for
//! a while.
//!
//! One broker for all tests here, one test at a time; it creates no topics by itself and heeds access lists. Read
//! back by kcat.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier::config::Config;
use kurier::{Cause, Fate, Producer, Record};
use kurier_core::wire::ErrorCode;
use kurier_tests::kafka::{Admin, Kafka, Options, read};
use kurier_tests::load::{Load, all_acknowledged, audit, number};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST_TIMEOUT_MS: u32 = 2500;

/// The broker, running whatever the test before did to it.
struct Broker(MutexGuard<'static, Kafka>);

impl Broker {
    fn running() -> Self {
        static BROKER: OnceLock<Mutex<Kafka>> = OnceLock::new();
        let start = || {
            let options = Options::new()
                .property("auto.create.topics.enable", "false")
                .property("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
                .property("super.users", "User:admin")
                .property("allow.everyone.if.no.acl.found", "true");
            Mutex::new(Kafka::start(options).unwrap())
        };
        let kafka = BROKER.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
        match kafka.pid(1) {
            Some(_) => kafka.resume(1).unwrap(),
            None => kafka.start_node(1).unwrap(),
        }
        Self(kafka)
    }

    fn admin(&self) -> &Admin {
        self.0.admin().unwrap()
    }

    fn config(&self) -> Config {
        let config = Config::new().bootstrap(&self.0.bootstrap()).delivery_timeout_ms(60_000);
        config.request_timeout_ms(REQUEST_TIMEOUT_MS)
    }

    fn log(&self, topic: &str) -> Vec<read::Record> {
        read::records(&self.0.bootstrap(), topic).unwrap()
    }

    /// Every record was acknowledged and the log agrees.
    fn conclude(&self, topic: &str, load: Load) {
        let ends = load.finish();
        all_acknowledged(&ends);
        audit(&ends, &self.log(topic));
    }

    /// Changes the access list by Kafka's own tool.
    fn acl(&self, arguments: &[&str]) {
        let to = self.0.bootstrap();
        let arguments = [&["--bootstrap-server", &to, "--force"], arguments].concat();
        self.0.tool("org.apache.kafka.tools.AclCommand", &arguments).unwrap();
    }
}

#[test]
fn a_topic_that_is_created_later_is_waited_for() {
    let broker = Broker::running();
    let load = Load::start(&broker.config(), "later", 3);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(load.sent(), 0, "nothing can be sent to a topic that is not there");
    broker.admin().create("later", 3, 1, &[]).unwrap();
    assert!(load.await_progress(3, "created") < Duration::from_secs(10));
    broker.conclude("later", load);
}

#[test]
fn what_is_sent_after_a_topic_was_made_anew_is_in_the_new_one() {
    let broker = Broker::running();
    broker.admin().create("anew", 3, 1, &[]).unwrap();
    let load = Load::start(&broker.config(), "anew", 3);
    load.await_progress(3, "before");
    broker.admin().delete("anew").unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    broker.admin().create("anew", 3, 1, &[]).unwrap();
    let anew = load.sent();
    load.await_progress(3, "made anew");
    let ends = load.finish();
    all_acknowledged(&ends);

    // What was acknowledged before the deletion is gone, and nothing else is.
    let log = broker.log("anew");
    let kept: BTreeSet<u64> = log.iter().map(number).collect();
    let mut first_kept: BTreeMap<u32, u64> = BTreeMap::new();
    for record in &log {
        first_kept.entry(record.partition).or_insert_with(|| number(record));
    }
    let (gone, there): (Vec<_>, Vec<_>) = ends.into_iter().partition(|end| !kept.contains(&end.n));
    assert!(!gone.is_empty() && there.len() > 100, "{} gone, {} there", gone.len(), there.len());
    for end in &gone {
        let partition = end.told.as_ref().unwrap().partition.cast_unsigned();
        assert!(end.n < anew && end.n < first_kept[&partition], "{end:?} is lost");
    }
    audit(&there, &log);
}

#[test]
fn a_topic_that_grows_is_used_in_all_its_partitions() {
    let broker = Broker::running();
    broker.admin().create("grown", 2, 1, &[]).unwrap();
    let load = Load::start(&broker.config(), "grown", 2);
    load.await_progress(2, "before");
    // Another topic for the record that waits, so that it does not count as one of the load's.
    broker.admin().create("beyond", 1, 1, &[]).unwrap();
    let producer = Producer::connect(&broker.config()).unwrap();
    assert_eq!(producer.partitions_for("beyond").unwrap(), 1);
    let waiting = {
        let producer = producer.clone();
        std::thread::spawn(move || {
            let begin = Instant::now();
            let sent = producer.send("beyond", Record::value(b"patient").partition(2)).unwrap();
            (sent.wait(), begin.elapsed())
        })
    };
    std::thread::sleep(Duration::from_secs(1));
    assert!(!waiting.is_finished(), "there is no partition 2 yet");
    broker.admin().grow("beyond", 3).unwrap();
    let (written, waited) = waiting.join().unwrap();
    let written = written.unwrap();
    assert_eq!((written.partition, written.offset), (2, Some(0)));
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    producer.close(PATIENCE).unwrap();

    broker.admin().grow("grown", 5).unwrap();
    load.name_partitions(5);
    load.await_progress(5, "grown");
    broker.conclude("grown", load);
    assert_eq!(broker.log("beyond").len(), 1);

    // A partition that never comes: told after `max.block.ms`, and the topic's others go on.
    let producer = Producer::connect(&broker.config().max_block_ms(800)).unwrap();
    let never = producer.send("beyond", Record::value(b"in vain").partition(7)).unwrap();
    let never = never.wait_timeout(Duration::ZERO).unwrap().unwrap_err();
    assert!(matches!(never.cause(), Cause::NoPartition { partition: 7, .. }), "{never}");
    let other = producer.send("beyond", Record::value(b"here").partition(1)).unwrap();
    assert_eq!(other.wait_timeout(PATIENCE).unwrap().unwrap().offset, Some(0));
    producer.close(PATIENCE).unwrap();
}

#[test]
fn a_lone_broker_that_goes_away_for_a_while_is_waited_for() {
    let broker = Broker::running();
    broker.admin().create("lone", 3, 1, &[]).unwrap();
    let load = Load::start(&broker.config(), "lone", 3);
    load.await_progress(3, "before");
    assert!(broker.0.stop_node(1).unwrap(), "SIGTERM is enough");
    broker.0.start_node(1).unwrap();
    load.await_progress(3, "stopped and started");
    broker.0.kill_node(1).unwrap();
    broker.0.start_node(1).unwrap();
    load.await_progress(3, "killed and started");
    broker.0.pause(1).unwrap();
    std::thread::sleep(Duration::from_millis((REQUEST_TIMEOUT_MS + 1500).into()));
    broker.0.resume(1).unwrap();
    load.await_progress(3, "paused and continued");
    broker.conclude("lone", load);
}

#[test]
fn bad_input_topic_that_may_not_be_written_fails_by_name_and_others_go_on() {
    let broker = Broker::running();
    for topic in ["open", "unwritable", "invisible"] {
        broker.admin().create(topic, 1, 1, &[]).unwrap();
    }
    // The first entry on the cluster ends what is allowed without entries, for the broker itself too.
    let anyone = ["--allow-principal", "User:ANONYMOUS"];
    let noone = ["--deny-principal", "User:ANONYMOUS"];
    broker.acl(&[&["--add"], &anyone[..], &["--operation", "All", "--cluster"]].concat());
    broker.acl(&[&["--add"], &anyone[..], &["--operation", "All", "--topic", "*"]].concat());
    broker.acl(&[&["--add"], &noone[..], &["--operation", "Write", "--topic", "unwritable"]].concat());
    broker.acl(&[&["--add"], &noone[..], &["--operation", "Describe", "--topic", "invisible"]].concat());
    let producer = Producer::connect(&broker.config()).unwrap();
    let send = |topic: &str| {
        let sent = producer.send(topic, Record::value(b"v")).unwrap();
        sent.wait_timeout(PATIENCE).unwrap_or_else(|| panic!("{topic} hangs"))
    };
    for round in 0..3 {
        for topic in ["unwritable", "invisible"] {
            let begin = Instant::now();
            let refused = send(topic).unwrap_err();
            assert_eq!(refused.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED.0), "{refused}");
            assert_eq!((refused.topic(), refused.written()), (topic, Fate::NotWritten));
            assert!(refused.to_string().contains(topic), "{refused}");
            assert!(begin.elapsed() < Duration::from_secs(10), "a final refusal is told at once");
        }
        assert_eq!(send("open").unwrap().offset, Some(round));
    }
    // Once it is allowed the same producer can go on.
    broker.acl(&[&["--remove"], &noone[..], &["--operation", "Write", "--topic", "unwritable"]].concat());
    broker.acl(&[&["--remove"], &noone[..], &["--operation", "Describe", "--topic", "invisible"]].concat());
    for topic in ["unwritable", "invisible"] {
        let begin = Instant::now();
        // The access list reaches the broker a moment after the tool has ended.
        let offset = loop {
            match send(topic) {
                Ok(written) => break written.offset,
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(offset, Some(0));
        assert_eq!(broker.log(topic).len(), 1);
    }
    producer.close(PATIENCE).unwrap();
}
