//! `perf`, `metadata`, `broker`, `demo` and `completions`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{Folder, broker, kurier, start, until, values};
use kurier_broker::{Body, ErrorCode, Fault};
use rustix::process::Signal;
use serde_json::Value;
use std::net::TcpListener;
use std::time::Duration;

fn perf(bootstrap: &str, more: &[&str]) -> common::Done {
    let base = ["perf", "-b", bootstrap, "-t", "t", "--num-records", "5000", "--record-size", "100"];
    kurier(&[&base[..], more].concat(), "")
}

#[test]
fn perf_prints_one_object_with_the_documented_figures() {
    let server = broker(3);
    let done = perf(&server.bootstrap(), &["--json", "--producers", "3"]).expect(0);
    assert_eq!(done.out.lines().count(), 1);
    let figures: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&figures["records"], &figures["bytes"], &figures["errors"]),
        (&5000.into(), &500_000.into(), &0.into())
    );
    for name in ["seconds", "records_per_second", "mb_per_second", "max_rss_bytes", "batches", "requests"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {figures}");
    }
    assert_eq!(figures["retries"], 0);
    let latency: Vec<f64> =
        ["p50", "p95", "p99", "p999", "max"].map(|name| figures["latency_ms"][name].as_f64().unwrap()).into();
    assert!(
        latency.is_sorted() && latency[0] > 0.0 && figures["latency_ms"]["avg"].as_f64().unwrap() > 0.0,
        "{figures}"
    );
    assert!(
        figures["cpu_seconds"]["user"].as_f64().unwrap() + figures["cpu_seconds"]["system"].as_f64().unwrap()
            > 0.0
    );
    let held: usize = (0..3).map(|partition| values(&server, "t", partition).len()).sum();
    assert_eq!(held, 5000);
    assert!(values(&server, "t", 0).iter().all(|value| value.len() == 100));
}

#[test]
fn perf_keeps_its_throughput_and_draws_a_plot() {
    let server = broker(1);
    let folder = Folder::new();
    let plot = folder.path("plot.svg");
    let done = perf(&server.bootstrap(), &["--throughput", "5000", "--plot", &plot]).expect(0);
    assert!(done.took > Duration::from_millis(990), "{done:?}");
    assert!(done.out.contains("5,000 records of 100 bytes"), "{done:?}");
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("p99"));
}

#[test]
fn perf_counts_errors_and_fails() {
    let server = broker(1);
    server.with(|cluster| {
        cluster.inject(|request| {
            matches!(request.body, Body::Produce(_))
                .then(|| Fault::refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        });
    });
    let done = perf(&server.bootstrap(), &["--json"]).expect(1);
    let figures: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(figures["errors"], 5000, "{done:?}");
    let done = kurier(
        &[
            "perf",
            "-b",
            &server.bootstrap(),
            "-t",
            "no",
            "--num-records",
            "9",
            "--record-size",
            "1",
            "-X",
            "max.block.ms=300",
        ],
        "",
    );
    done.expect(1).says(&["no"]);
}

#[test]
fn bad_input_perf_without_a_broker_says_how_many_records_were_not_tried() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let soon = ["-X", "max.block.ms=500"];
    let done = perf(&address, &[&soon[..], &["--json"]].concat()).expect(1);
    let figures: Value = serde_json::from_str(&done.out).unwrap();
    let counts = ["records", "errors", "not_tried", "bytes"].map(|name| figures[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 4999, 0], "{figures}");
    assert_eq!(figures["records_per_second"], 0.0, "what is not written is no throughput: {figures}");
    done.says(&["4,999 of 5,000 records were not tried", "no broker was reached"]);
    let done = perf(&address, &soon).expect(1);
    assert!(done.out.contains(": 0 written, 1 error, 0 retries, 4,999 not tried"), "{done:?}");
}

#[test]
fn perf_with_several_producers_says_each_warning_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let more = ["--producers", "3", "-X", "group.id=g", "-X", "max.block.ms=700"];
    let done = perf(&format!("127.0.0.1:{port}"), &more).expect(1);
    let count = |words: &str| done.err.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count("warning: group.id "), count("warning: ")), (1, 2), "{done:?}");
    assert_eq!(count(&format!("warning: 127.0.0.1:{port} cannot be reached")), 1, "{done:?}");
}

#[test]
fn perf_is_interrupted() {
    let server = broker(1);
    let args = [
        "perf",
        "-b",
        &server.bootstrap(),
        "-t",
        "t",
        "--num-records",
        "100000",
        "--record-size",
        "10",
        "--throughput",
        "100",
    ];
    let running = start(&args);
    until("records", || !values(&server, "t", 0).is_empty());
    running.signal(Signal::INT);
    let done = running.wait().expect(130);
    assert!(done.out.contains(" records of 10 bytes"), "{done:?}");
    assert!(done.took < Duration::from_secs(15), "{done:?}");
}

#[test]
fn metadata_shows_brokers_topics_partitions_leaders_and_versions() {
    let server = broker(2);
    let bootstrap = server.bootstrap();
    let done = kurier(&["metadata", "-b", &bootstrap], "").expect(0);
    for part in [
        "1 broker:",
        &format!("1 at {bootstrap}"),
        "t, 2 partitions",
        "1 leader 1, replicas 1",
        "Produce (0) 0-13",
    ] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    let done = kurier(&["metadata", "-b", &bootstrap, "-t", "t", "--json"], "").expect(0);
    let all: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(all["brokers"][0]["id"], 1);
    assert_eq!(all["topics"][0]["partitions"][1]["leader"], 1);
    assert_eq!(all["topics"][0]["id"].as_str().unwrap().len(), 32);
    let produce =
        all["api_versions"].as_array().unwrap().iter().find(|api| api["name"] == "Produce").unwrap();
    assert_eq!(produce["max"], 13);
}

#[test]
fn metadata_tries_every_server_and_names_a_missing_topic() {
    let server = broker(1);
    let servers = format!("127.0.0.1:1,{}", server.bootstrap());
    kurier(&["metadata", "-b", &servers], "").expect(0);
    let done = kurier(&["metadata", "-b", &servers, "-t", "missing"], "").expect(1);
    done.says(&["topic missing: UNKNOWN_TOPIC_OR_PARTITION (3)"]);
    assert_eq!(server.with(|cluster| cluster.topics().count()), 1, "asking creates nothing");
    kurier(&["metadata", "-b", &servers, "-t", "a b"], "").expect(2).says(&["a b"]);
}

#[test]
fn broker_serves_until_it_is_interrupted() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let running = start(&["broker", "--listen", &address, "--topic", "lines:3", "--topic", "one"]);
    until("the broker", || kurier(&["metadata", "-b", &address, "-q"], "").status == 0);
    kurier(&["produce", "-b", &address, "-t", "lines"], "a\n").expect(0);
    let done = kurier(&["metadata", "-b", &address], "").expect(0);
    assert!(
        done.out.contains("lines, 3 partitions") && done.out.contains("one, 1 partition"),
        "{}",
        done.out
    );
    kurier(&["broker", "--listen", &address], "").expect(2).says(&[&address]);
    let twice = ["broker", "--listen", "127.0.0.1:0", "--topic", "a:2", "--topic", "a"];
    kurier(&twice, "").expect(2).says(&["--topic a: it is given twice"]);
    // Kafka's own topics are there as soon as they are asked for, and not for producers.
    kurier(&["produce", "-b", &address, "-t", "__consumer_offsets", "-X", "max.block.ms=1500"], "a\n")
        .expect(1)
        .says(&["INVALID_TOPIC_EXCEPTION"]);
    running.signal(Signal::TERM);
    let done = running.wait().expect(130);
    assert_eq!(done.out, format!("listening on {address}\n"));
    kurier(&["broker", "--topic", "a b"], "").expect(2).says(&["a b"]);
    kurier(&["broker", "--topic", "a:0"], "").expect(2).says(&["a:0"]);
    kurier(&["broker", "--listen", "127.0.0.1:0", "--topic", "a", "--topic", "a"], "")
        .expect(2)
        .says(&["topic a"]);
}

#[test]
fn demo_shows_what_came_back_and_ends_by_itself() {
    let done = kurier(&["demo", "--seconds", "2"], "").expect(0);
    assert!(done.took < Duration::from_secs(20), "{done:?}");
    for part in
        ["sent 3 records, acknowledged in", "read telemetry-", "cpu", "memory", "network", "all identical"]
    {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    // On a cluster of one's own, in a topic with other records.
    let server = broker(2);
    kurier(&["produce", "-b", &server.bootstrap(), "-t", "t"], "other\nrecords\n").expect(0);
    kurier(&["demo", "--seconds", "1", "-b", &server.bootstrap(), "-t", "t"], "").expect(0);
    kurier(&["demo", "-b", "nonsense"], "").expect(2).says(&["nonsense"]);
}

#[test]
fn completions_are_scripts_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = kurier(&["completions", shell], "").expect(0);
        assert!(done.out.contains("kurier") && done.out.contains("skip-bad-lines"), "{shell}");
    }
    kurier(&["completions", "dos"], "").expect(2);
    let help = kurier(&["produce", "--help"], "").expect(0);
    assert!(
        help.out.contains("--key-delimiter") && help.out.contains("max.request.size")
            || help.out.contains("KEY=VALUE")
    );
    kurier(&["--version"], "").expect(0);
}
