//! The package for pages against real Kafka: the same tests of `tests/browser` as before the model broker.
#![cfg(all(feature = "real-kafka", feature = "browser"))]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_tests::kafka::shared;
use std::path::Path;
use std::process::Command;

fn node(file: &str) {
    let kafka = shared().unwrap();
    let topics: Vec<String> = (0..16).map(|_| kafka.topic("clicks", 3).unwrap()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let mut node = Command::new("node");
    node.arg("--test").arg(file).current_dir(folder);
    node.env("KURIER_PAGE_KAFKA", kafka.bootstrap()).env("KURIER_PAGE_TOPICS", topics.join(","));
    let status = node.status().unwrap();
    assert!(status.success(), "node --test {file}: {status}");
}

#[test]
fn pages_in_chromium_produce_to_real_kafka() {
    node("page.test.mjs");
}

#[test]
fn node_produces_to_real_kafka() {
    node("node.test.mjs");
}
