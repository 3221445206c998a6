//! Three real brokers that die, stop, hang and hand partitions over while records are sent without pause: each
//! record is acknowledged, and the log holds it once, where that was told, in order.
//!
//! One cluster for all tests here, one test at a time. Read back by kcat.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier::config::Config;
use kurier::{Fate, Producer, Record};
use kurier_core::wire::ErrorCode;
use kurier_tests::kafka::{Admin, Kafka, Options, Partition, read};
use kurier_tests::load::{Load, all_acknowledged, audit};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const PARTITIONS: u32 = 12;
const PATIENCE: Duration = Duration::from_secs(60);
/// Shorter than any disturbance here.
const REQUEST_TIMEOUT_MS: u32 = 2500;

/// The cluster, whole again whatever the test before did to it.
struct Cluster(MutexGuard<'static, Kafka>);

impl Cluster {
    fn whole() -> Self {
        static CLUSTER: OnceLock<Mutex<Kafka>> = OnceLock::new();
        let kafka = CLUSTER.get_or_init(|| Mutex::new(Kafka::start(Options::new().nodes(3)).unwrap()));
        let kafka = kafka.lock().unwrap_or_else(PoisonError::into_inner);
        for id in 1..=3 {
            match kafka.pid(id) {
                Some(_) => kafka.resume(id).unwrap(),
                None => kafka.start_node(id).unwrap(),
            }
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

    fn topic(&self, name: &str, configs: &[(&str, &str)]) -> String {
        self.admin().create(name, PARTITIONS, 3, configs).unwrap();
        name.to_owned()
    }

    fn await_in_sync(&self, topic: &str) {
        self.admin().await_topic(topic, PATIENCE, |p| p.leader.is_some() && p.in_sync.len() == 3).unwrap();
    }

    /// Every record was acknowledged and the log agrees.
    fn conclude(&self, topic: &str, load: Load) {
        let ends = load.finish();
        all_acknowledged(&ends);
        self.await_in_sync(topic);
        audit(&ends, &read::records(&self.0.bootstrap(), topic).unwrap());
    }
}

#[test]
fn a_leader_that_is_killed_loses_and_doubles_nothing() {
    let cluster = Cluster::whole();
    let topic = cluster.topic("killed", &[]);
    let load = Load::start(&cluster.config(), &topic, PARTITIONS);
    load.await_progress(PARTITIONS, "before");
    for round in 0..2 {
        let leader = cluster.admin().partition(&topic, round).unwrap().leader.unwrap();
        cluster.0.kill_node(leader).unwrap();
        load.await_progress(PARTITIONS, "killed");
        cluster.0.start_node(leader).unwrap();
        cluster.await_in_sync(&topic);
        load.await_progress(PARTITIONS, "started again");
    }
    cluster.conclude(&topic, load);
}

#[test]
fn brokers_that_are_stopped_one_after_the_other_lose_and_double_nothing() {
    let cluster = Cluster::whole();
    let topic = cluster.topic("stopped", &[]);
    let load = Load::start(&cluster.config(), &topic, PARTITIONS);
    load.await_progress(PARTITIONS, "before");
    for id in 1..=3 {
        assert!(cluster.0.stop_node(id).unwrap(), "SIGTERM is enough");
        load.await_progress(PARTITIONS, "stopped");
        cluster.0.start_node(id).unwrap();
        cluster.await_in_sync(&topic);
        load.await_progress(PARTITIONS, "started again");
    }
    cluster.conclude(&topic, load);
}

#[test]
fn a_broker_that_hangs_longer_than_a_request_may_loses_and_doubles_nothing() {
    let cluster = Cluster::whole();
    let topic = cluster.topic("paused", &[]);
    let load = Load::start(&cluster.config(), &topic, PARTITIONS);
    load.await_progress(PARTITIONS, "before");
    let leader = cluster.admin().partition(&topic, 0).unwrap().leader.unwrap();
    cluster.0.pause(leader).unwrap();
    let hung = Duration::from_millis((REQUEST_TIMEOUT_MS + 1500).into());
    std::thread::sleep(hung.saturating_sub(load.await_progress(PARTITIONS, "paused")));
    cluster.0.resume(leader).unwrap();
    load.await_progress(PARTITIONS, "continued");

    // Shorter than it takes to be noticed: all that happened before is answered late, or twice.
    for id in 1..=3 {
        cluster.0.pause(id).unwrap();
    }
    std::thread::sleep(hung);
    for id in 1..=3 {
        cluster.0.resume(id).unwrap();
    }
    load.await_progress(PARTITIONS, "all continued");
    cluster.conclude(&topic, load);
}

#[test]
fn partitions_that_move_lose_and_double_nothing() {
    let cluster = Cluster::whole();
    let topic = cluster.topic("led", &[]);
    // One replica: who had the partition has nothing of it afterwards.
    cluster.admin().place("moved", &[&[1], &[2], &[3]], &[]).unwrap();
    let (led, moved) =
        (Load::start(&cluster.config(), &topic, PARTITIONS), Load::start(&cluster.config(), "moved", 3));
    for round in 0..3_u32 {
        for partition in 0..3 {
            let to = (partition + round + 1) % 3 + 1;
            cluster.admin().lead(&topic, partition, to).unwrap();
            cluster.admin().reassign("moved", partition, &[to]).unwrap();
            let there = |p: &Partition| p.number != partition || p.leader == Some(to);
            cluster.admin().await_topic("moved", PATIENCE, there).unwrap();
        }
        led.await_progress(PARTITIONS, "led by another");
        moved.await_progress(3, "moved");
    }
    cluster.conclude(&topic, led);
    let ends = moved.finish();
    all_acknowledged(&ends);
    audit(&ends, &read::records(&cluster.0.bootstrap(), "moved").unwrap());
}

#[test]
fn too_few_replicas_are_waited_for() {
    let cluster = Cluster::whole();
    let topic = cluster.topic("too-few", &[("min.insync.replicas", "3")]);
    cluster.topic("hasty", &[("min.insync.replicas", "3")]);
    let load = Load::start(&cluster.config(), &topic, PARTITIONS);
    load.await_progress(PARTITIONS, "before");
    cluster.0.kill_node(3).unwrap();
    cluster.admin().await_topic(&topic, PATIENCE, |p| p.leader.is_some() && p.in_sync.len() == 2).unwrap();

    // Who does not try again is told. Just after the failure it may also hear that a leader has moved.
    let hasty = cluster.config().enable_idempotence(false).retries(0);
    let hasty = Producer::connect(&hasty).unwrap();
    let begin = Instant::now();
    loop {
        let refused = hasty.send("hasty", Record::value(b"v")).unwrap();
        let refused = refused.wait_timeout(PATIENCE).unwrap().unwrap_err();
        if refused.code().map(ErrorCode) == Some(ErrorCode::NOT_ENOUGH_REPLICAS) {
            assert_eq!(refused.written(), Fate::NotWritten);
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{refused}");
        std::thread::sleep(Duration::from_millis(100));
    }
    hasty.close(PATIENCE).unwrap();

    // Two of three: there is no controller either.
    cluster.0.kill_node(2).unwrap();
    std::thread::sleep(Duration::from_millis((REQUEST_TIMEOUT_MS * 2).into()));
    cluster.0.start_node(2).unwrap();
    cluster.0.start_node(3).unwrap();
    cluster.await_in_sync(&topic);
    load.await_progress(PARTITIONS, "all three again");
    cluster.conclude(&topic, load);
}

#[test]
fn a_first_broker_that_hangs_and_dies_is_passed_over() {
    let cluster = Cluster::whole();
    let topic = cluster.topic("first", &[]);
    cluster.0.pause(1).unwrap();
    let load = Load::start(&cluster.config().request_timeout_ms(1000).linger_ms(0), &topic, PARTITIONS);
    std::thread::sleep(Duration::from_millis(300));
    cluster.0.kill_node(1).unwrap();
    let took = load.await_progress(PARTITIONS, "first broker killed");
    assert!(took < Duration::from_secs(20), "others were there to ask: {took:?}");
    cluster.0.start_node(1).unwrap();
    cluster.conclude(&topic, load);
}
