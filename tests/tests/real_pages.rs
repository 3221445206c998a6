//! The package for pages against real Kafka: the same tests of `tests/browser` as before the model broker, and one of a
//! broker that is killed.
#![cfg(all(feature = "real-kafka", feature = "browser"))]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_kafka::{Kafka, Options};
use kurier_tests::kafka::shared;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// `node --test` of a file, with topics that nobody has written to.
fn node(file: &str, bootstrap: &str, topics: &[String]) -> Command {
    let mut node = Command::new("node");
    node.arg("--test").arg(file).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser"));
    node.env("KURIER_PAGE_KAFKA", bootstrap).env("KURIER_PAGE_TOPICS", topics.join(","));
    node
}

fn passes(file: &str) {
    let kafka = shared().unwrap();
    let topics: Vec<String> = (0..16).map(|_| kafka.topic("clicks", 3).unwrap()).collect();
    let status = node(file, kafka.bootstrap(), &topics).status().unwrap();
    assert!(status.success(), "node --test {file}: {status}");
}

#[test]
fn pages_in_chromium_produce_to_real_kafka() {
    passes("page.test.mjs");
}

#[test]
fn pages_with_a_bad_network_produce_to_real_kafka() {
    passes("network.test.mjs");
}

#[test]
fn pages_that_are_hidden_or_left_produce_to_real_kafka() {
    passes("hidden.test.mjs");
}

#[test]
fn node_produces_to_real_kafka() {
    passes("node.test.mjs");
}

#[test]
fn a_page_goes_on_when_its_broker_was_killed() {
    let kafka = Kafka::start(Options::new()).unwrap();
    kafka.create_topic("clicks", 3, 1).unwrap();
    let wish = kafka.folder().join("outage");
    let mut node = node("outage.test.mjs", &kafka.bootstrap(), &["clicks".to_owned()]);
    let mut child = node.env("KURIER_PAGE_OUTAGE", &wish).spawn().unwrap();
    let mut is_over = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if !is_over && wish.exists() {
            is_over = true;
            kafka.kill_node(1).unwrap();
            std::thread::sleep(Duration::from_secs(1));
            kafka.start_node(1).unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success() && is_over, "node --test outage.test.mjs: {status}");
}
