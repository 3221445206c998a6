//! The images of devices that leave features out, as `docs/microcontroller.md` makes them of the example, in QEMU against the model broker.
#![cfg(feature = "firmware")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_broker::{Server, ServerOptions, TopicConfig};
use kurier_tests::device::{Device, HOST, number};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// With keys, headers, and words about what is wrong.
const FEW: &str = "KURIER_FIRMWARE_FEW";
/// With records of values.
const NONE: &str = "KURIER_FIRMWARE_NONE";
const SEED: u32 = 5;

fn broker(listen: &str) -> Server {
    let advertised_host = Some(HOST.to_owned());
    let options = ServerOptions { listen: listen.to_owned(), advertised_host, ..ServerOptions::default() };
    let server = Server::start(options).unwrap();
    server.with(|cluster| cluster.create_topic("telemetry", 1, TopicConfig::default()).unwrap());
    server
}

fn device(image: &str, port: u16, records: u64) -> Device {
    let words = [format!("bootstrap={HOST}:{port}"), format!("records={records}"), format!("seed={SEED}")];
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["topic=telemetry"]).collect();
    Device::start_lean(image, &words).unwrap()
}

/// The log has these samples once each, in order, as this image sends them.
fn holds(broker: &Server, image: &str, samples: u64) {
    let key = (image == FEW).then_some(SEED.to_be_bytes());
    broker.with(|cluster| {
        let mut numbers = Vec::new();
        for record in cluster.records("telemetry", 0) {
            assert_eq!(record.key, key.as_ref().map(|key| &key[..]), "{image}");
            assert_eq!(record.headers().count(), usize::from(image == FEW), "{image}");
            numbers.push(number(record.value.unwrap()).unwrap());
        }
        assert_eq!(numbers, (0..samples).collect::<Vec<_>>(), "{image}");
    });
}

#[test]
fn records_of_a_lean_device_are_acknowledged_and_in_the_log_once_each_in_order() {
    for image in [FEW, NONE] {
        let broker = broker("127.0.0.1:0");
        let (status, figures) = device(image, broker.addresses()[0].port(), 500).end(PATIENCE).unwrap();
        assert_eq!((status, figures.of("acknowledged"), figures.of("failed")), (Some(0), 500, 0), "{image}");
        holds(&broker, image, 500);
    }
}

#[test]
fn a_lean_device_finds_a_broker_that_comes_later_and_says_why_until_then() {
    for image in [FEW, NONE] {
        let port = kurier_tests::kafka::free_port().unwrap();
        let mut device = device(image, port.number(), 100);
        device.wait_for("\"acknowledged\":0,", PATIENCE).unwrap();
        let says = |line: &str| device.said.iter().any(|said| said == line);
        assert!(says("link: connection refused"), "{image}: {:?}", device.said);
        // Nothing tells the leaner one where it was.
        let trouble = format!("trouble: Unreachable at {HOST}:{}", port.number());
        assert_eq!(says(&trouble), image == FEW, "{:?}", device.said);
        let broker = broker(&format!("127.0.0.1:{}", port.number()));
        let (status, figures) = device.end(PATIENCE).unwrap();
        assert_eq!((status, figures.of("acknowledged"), figures.of("failed")), (Some(0), 100, 0), "{image}");
        holds(&broker, image, 100);
    }
}
