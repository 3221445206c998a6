//! The device's image in QEMU against real Kafka, over a listener that the guest can reach; read back with kcat.
#![cfg(all(feature = "real-kafka", feature = "firmware"))]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_tests::device::{Device, HOST, M3, number};
use kurier_tests::kafka::{Kafka, Listener, Options, read};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

/// One node, whole again whatever the test before did to it.
fn kafka() -> MutexGuard<'static, Kafka> {
    static KAFKA: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let guest = || Listener::new("GUEST", "PLAINTEXT").advertise(HOST, None);
    let start = || Mutex::new(Kafka::start(Options::new().listener(guest())).unwrap());
    let kafka = KAFKA.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
    if kafka.pid(1).is_none() {
        kafka.start_node(1).unwrap();
    }
    kafka
}

fn device(kafka: &Kafka, topic: &str, words: &[&str]) -> Device {
    let bootstrap = format!("bootstrap={HOST}:{}", kafka.port(1, "GUEST").unwrap());
    Device::start(M3, &[&[bootstrap.as_str(), &format!("topic={topic}")], words].concat()).unwrap()
}

fn samples(kafka: &Kafka, topic: &str) -> Vec<u64> {
    let records = read::records(&kafka.bootstrap(), topic).unwrap();
    assert!(records.iter().all(|record| record.headers == "source=kurier-firmware"));
    records.iter().map(|record| number(record.value.as_ref().unwrap()).unwrap()).collect()
}

#[test]
fn ten_thousand_records_are_acknowledged_and_kcat_finds_each_once_in_order() {
    let kafka = kafka();
    kafka.create_topic("firmware", 3, 1).unwrap();
    let (status, figures) = device(&kafka, "firmware", &["records=10000"]).end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged"), figures.of("failed")), (Some(0), 10_000, 0));
    assert_eq!(samples(&kafka, "firmware"), (0..10_000).collect::<Vec<_>>());
}

#[test]
fn a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    let kafka = kafka();
    // Small pieces of the log are on disk at once: what was acknowledged survives the kill.
    kafka.create_topic("killed", 1, 1).unwrap();
    let mut device = device(&kafka, "killed", &["records=300", "every=100"]);
    device.wait_for("network: ", PATIENCE).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    kafka.kill_node(1).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    kafka.start_node(1).unwrap();
    let (_, figures) = device.end(PATIENCE).unwrap();
    let (acknowledged, refused) = (figures.of("acknowledged"), figures.of("refused"));
    assert_eq!((acknowledged + refused, figures.of("failed")), (300, 0));
    assert!(figures.of("connections") > 1, "{figures:?}");
    let samples = samples(&kafka, "killed");
    assert_eq!(samples.len() as u64, acknowledged);
    assert!(samples.is_sorted_by(|a, b| a < b), "in order, none twice");
}
