//! What the device's image in QEMU samples, and what it says of a topic that takes no records.
#![cfg(feature = "firmware")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_broker::{Denial, Server, ServerOptions, Settings, TopicConfig};
use kurier_tests::device::{Device, HOST, M3};
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn broker(listen: &str) -> Server {
    let settings = Settings { auto_create_topics: false, ..Settings::default() };
    let advertised_host = Some(HOST.to_owned());
    let options =
        ServerOptions { listen: listen.to_owned(), advertised_host, settings, ..Default::default() };
    let server = Server::start(options).unwrap();
    server.with(|cluster| cluster.create_topic("telemetry", 1, TopicConfig::default()).unwrap());
    server
}

fn bootstrap(broker: &Server) -> String {
    format!("bootstrap={HOST}:{}", broker.addresses()[0].port())
}

fn samples(broker: &Server) -> Vec<Value> {
    broker.with(|cluster| {
        let records = cluster.records("telemetry", 0);
        records.map(|record| serde_json::from_slice(record.value.unwrap()).unwrap()).collect()
    })
}

/// A number in each sample.
fn column(samples: &[Value], place: &str) -> Vec<u64> {
    samples.iter().map(|sample| sample.pointer(place).and_then(Value::as_u64).unwrap()).collect()
}

fn steps(column: &[u64]) -> Vec<u64> {
    column.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

#[test]
fn samples_tell_of_the_moments_they_were_taken_in_and_none_of_the_time_before_the_broker_came() {
    let port = kurier_tests::kafka::free_port().unwrap();
    let words =
        [&*format!("bootstrap={HOST}:{}", port.number()), "topic=telemetry", "records=30", "every=100"];
    let mut device = Device::start(M3, &words).unwrap();
    device.wait_for("network: ", PATIENCE).unwrap();
    // More of the stack than is ever in use, as if it had been in use once.
    let top = device.stack_start().unwrap();
    device.overwrite(top - 8000, 0).unwrap();
    // The first is said after five seconds.
    device.wait_for("trouble: Unreachable", PATIENCE).unwrap();
    device.wait_for("\"stack\":8000,", Duration::from_secs(4)).unwrap();
    device.overwrite(top - 8400, 0).unwrap();
    let broker = broker(&format!("127.0.0.1:{}", port.number()));
    while samples(&broker).len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Longer than this machine made it wait so far; twice, since it may be caught awake.
    let late = *column(&samples(&broker), "/late_us").last().unwrap();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(40));
        device.stall(Duration::from_micros(late + 500_000)).unwrap();
    }
    let (status, figures) = device.end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged"), figures.of("refused")), (Some(0), 30, 0), "{figures:?}");
    assert!((40..400).contains(&figures.of("missed")), "{figures:?}");
    let samples = samples(&broker);
    assert_eq!(column(&samples, "/n"), (0..30).collect::<Vec<_>>());
    let times = column(&samples, "/us");
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    let step = median(steps(&times));
    assert!((80_000..150_000).contains(&step), "{times:?}");
    // The counter of 25 MHz, read beside the time.
    for (ticks, us) in column(&samples, "/counter").windows(2).zip(steps(&times)) {
        let passed = u64::from((ticks[1] as u32).wrapping_sub(ticks[0] as u32)) / 25;
        assert!(passed > 0 && passed.abs_diff(us) < 50_000, "{ticks:?} in {us} us");
    }
    for (place, range) in [
        ("/late_us", 1..10_000_000),
        ("/stack", 8400..8401),
        ("/sleeps", 10..100_000),
        ("/frames/0", 5..100_000),
        ("/frames/1", 5..100_000),
    ] {
        let column = column(&samples, place);
        assert!(column.is_sorted() && column.iter().all(|of| range.contains(of)), "{place}: {column:?}");
        let grows = matches!(place, "/sleeps" | "/frames/0" | "/frames/1");
        assert!(!grows || column.last() > column.first(), "{place}: {column:?}");
    }
    assert_eq!(figures.of("stack"), 8400);
    let late = column(&samples, "/late_us");
    let longest = steps(&times).into_iter().max().unwrap();
    assert!((late[0] + 300_000..longest).contains(late.last().unwrap()), "{late:?}, {times:?}");
}

#[test]
fn taking_a_sample_costs_little() {
    let broker = broker("127.0.0.1:0");
    let device = Device::start_counted(M3, &[&bootstrap(&broker), "topic=telemetry", "records=500"]).unwrap();
    let (status, figures) = device.end(PATIENCE).unwrap();
    assert_eq!(status, Some(0));
    let stack = column(&samples(&broker), "/stack");
    assert!(stack.is_sorted() && stack[0] > 2000 && figures.of("stack") < 16_000, "{stack:?}, {figures:?}");
    assert!(*stack.last().unwrap() <= figures.of("stack"), "{stack:?}, {figures:?}");
    // Microseconds are thousands of instructions; to look through all of the stack's paint takes over a hundred.
    let cost = median(steps(&column(&samples(&broker), "/us")));
    assert!((1..60).contains(&cost), "{cost} thousand instructions from one to the next");
}

#[test]
fn a_topic_that_cannot_be_is_an_error_with_its_reason() {
    let broker = broker("127.0.0.1:0");
    let long = "n".repeat(129);
    for (topic, reason) in [("bad/name", "a topic's name has only"), (&long, "NAME_BYTES")] {
        let mut device = Device::start(M3, &[&bootstrap(&broker), &format!("topic={topic}")]).unwrap();
        let said = device.wait_for("error: ", PATIENCE).unwrap();
        assert!(said.contains(&format!("topic {topic}: ")) && said.contains(reason), "{said}");
    }
}

#[test]
fn a_topic_that_is_not_there_is_told_of_until_it_is() {
    let broker = broker("127.0.0.1:0");
    let words = [&*bootstrap(&broker), "topic=later", "records=5"];
    let mut device = Device::start(M3, &words).unwrap();
    for _ in 0..2 {
        device.wait_for("trouble: topic later is not there", PATIENCE).unwrap();
    }
    broker.with(|cluster| cluster.create_topic("later", 1, TopicConfig::default()).unwrap());
    let (status, figures) = device.end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged"), figures.of("errors")), (Some(0), 5, 0));
}

#[test]
fn a_topic_that_may_not_be_seen_is_told_of_at_once_and_taken_for_no_lack_of_room() {
    let broker = broker("127.0.0.1:0");
    let denial = Denial::Describe("telemetry".to_owned());
    broker.with(|cluster| cluster.deny(denial.clone()));
    for (records, every) in [(200, 50), (5, 0)] {
        let words = [
            &*bootstrap(&broker),
            "topic=telemetry",
            &format!("records={records}"),
            &format!("every={every}"),
        ];
        let mut device = Device::start(M3, &words).unwrap();
        device.wait_for("network: ", PATIENCE).unwrap();
        let trouble = device.wait_for("trouble: ", Duration::from_secs(4)).unwrap();
        assert!(trouble.starts_with("trouble: topic telemetry: the cluster refuses the topic"), "{trouble}");
        if every > 0 {
            broker.with(|cluster| cluster.allow(&denial));
        }
        let (status, figures) = device.end(PATIENCE).unwrap();
        let (acknowledged, errors) = (figures.of("acknowledged"), figures.of("errors"));
        assert_eq!(
            (status, acknowledged + errors, figures.of("refused")),
            (Some(1), records, 0),
            "{figures:?}"
        );
        assert_eq!((acknowledged > 0, errors > 0), (every > 0, true), "{figures:?}");
        broker.with(|cluster| cluster.deny(denial.clone()));
    }
    // It is said again while there is nothing to sample yet, and no frame to wake for.
    let words = [&*bootstrap(&broker), "topic=telemetry", "every=60000"];
    let mut device = Device::start(M3, &words).unwrap();
    device.wait_for("trouble: topic telemetry: ", PATIENCE).unwrap();
    device.wait_for("trouble: topic telemetry: ", Duration::from_secs(15)).unwrap();
}
