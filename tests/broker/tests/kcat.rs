//! A client of other makers against the TCP shell: kcat (librdkafka) lists, produces and consumes.
#![allow(clippy::unwrap_used)]
use std::io::Write;
use std::process::{Command, Stdio};

use kurier_broker::{Server, ServerOptions, TopicConfig};

/// What kcat prints; `None` if it is not installed (`apt-get install kcat`).
fn kcat(server: &Server, arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = Command::new("kcat");
    command.args(["-b", &server.bootstrap(), "-X", "broker.address.family=v4"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: kcat is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "kcat {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn kcat_lists_brokers_topics_and_leaders() {
    let server = Server::start(ServerOptions { brokers: 3, ..ServerOptions::default() }).unwrap();
    server.with(|cluster| cluster.create_topic("lines", 4, TopicConfig::default())).unwrap();
    let Some(listing) = kcat(&server, &["-L"], b"") else { return };
    for address in server.addresses() {
        assert!(listing.contains(&format!("at {address}")), "{listing}");
    }
    assert!(listing.contains("topic \"lines\" with 4 partitions"), "{listing}");
    assert!(listing.contains("partition 3, leader 1, replicas: 1, isrs: 1"), "{listing}");
}

#[test]
fn kcat_reads_back_what_kcat_wrote_in_order() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("lines", 1, TopicConfig::default())).unwrap();
    let lines: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    for idempotent in ["enable.idempotence=false", "enable.idempotence=true"] {
        if kcat(&server, &["-P", "-t", "lines", "-X", idempotent], lines.as_bytes()).is_none() {
            return;
        }
    }
    let consumed =
        kcat(&server, &["-C", "-t", "lines", "-o", "beginning", "-e", "-q", "-X", "check.crcs=true"], b"")
            .unwrap();
    assert_eq!(consumed.len(), 2 * lines.len());
    assert_eq!(consumed, lines.repeat(2));
    assert_eq!(server.with(|cluster| cluster.records("lines", 0).count()), 40_000);
}

#[test]
fn kcat_sees_keys_headers_and_tombstones() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("lines", 1, TopicConfig::default())).unwrap();
    if kcat(&server, &["-P", "-t", "lines", "-K", ":", "-Z", "-H", "a=1", "-H", "a=2"], b"k:v\nk:\n")
        .is_none()
    {
        return;
    }
    let consumed =
        kcat(&server, &["-C", "-t", "lines", "-e", "-q", "-f", "%o %K %k %S %s %h\\n"], b"").unwrap();
    assert_eq!(consumed, "0 1 k 1 v a=1,a=2\n1 1 k -1  a=1,a=2\n");
}

#[test]
fn a_waiting_consumer_gets_what_is_appended_meanwhile() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.create_topic("lines", 1, TopicConfig::default())).unwrap();
    let address = server.bootstrap();
    let consumer = Command::new("kcat")
        .args(["-b", &address, "-C", "-t", "lines", "-o", "beginning", "-c", "1", "-q", "-u"])
        .args(["-X", "fetch.wait.max.ms=10000"])
        .stdout(Stdio::piped())
        .spawn();
    let Ok(consumer) = consumer else { return eprintln!("skipped: kcat is not installed") };
    // The fetch is waiting when it has been asked and nothing is there.
    let fetches = || server.with(|cluster| cluster.requests()) > 4;
    for _ in 0..100 {
        if fetches() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let started = std::time::Instant::now();
    kcat(&server, &["-P", "-t", "lines"], b"late\n").unwrap();
    let output = consumer.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"late\n");
    assert!(started.elapsed().as_secs() < 8, "it waited for its deadline instead");
}
