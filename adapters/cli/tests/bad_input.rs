//! What a user may do wrong, and what may be wrong with the way to the cluster: each is said, nothing hangs, and
//! every record that was accepted is accounted for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{broker, kurier, start, until, values};
use kurier_broker::{Body, ErrorCode, Fault};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// So short that tests do not wait long, and long enough for a loaded machine.
const SOON: [&str; 4] = ["-X", "max.block.ms=1500", "-X", "linger.ms=0"];

#[test]
fn bad_input_unknown_property_names_the_nearest() {
    for command in [
        &["produce", "-t", "t"][..],
        &["metadata"],
        &["perf", "-t", "t", "--num-records", "1", "--record-size", "1"],
    ] {
        let done = kurier(&[command, &["-b", "127.0.0.1:1", "-X", "linger.mss=5"]].concat(), "a\n").expect(2);
        done.says(&["linger.mss", "did you mean `linger.ms`"]);
    }
}

#[test]
fn bad_input_value_names_key_value_and_range() {
    let produce =
        |property: &str| kurier(&["produce", "-b", "127.0.0.1:1", "-t", "t", "-X", property], "a\n");
    produce("linger.ms=soon").expect(2).says(&["linger.ms=soon", "a whole number from 0"]);
    produce("acks=2").expect(2).says(&["acks=2", "all, -1, 0, 1"]);
    produce("batch.size=-1").expect(2).says(&["batch.size=-1", "from 0"]);
    produce("linger.ms").expect(2).says(&["NAME=VALUE"]);
    kurier(&["produce", "-b", "127.0.0.1", "-t", "t"], "")
        .expect(2)
        .says(&["bootstrap.servers=127.0.0.1: allowed is a list", "`127.0.0.1` has no port"]);
    kurier(&["produce", "-t", "t"], "").expect(2).says(&["-b HOST:PORT"]);
}

#[test]
fn bad_input_conflicting_properties_name_both() {
    let produce = |properties: &[&str]| {
        kurier(&[&["produce", "-b", "127.0.0.1:1", "-t", "t"], properties].concat(), "a\n")
    };
    produce(&["-X", "acks=1", "-X", "enable.idempotence=true"])
        .expect(2)
        .says(&["acks=1 is in conflict with enable.idempotence=true", "must be all"]);
    produce(&["-X", "max.in.flight.requests.per.connection=6"])
        .expect(2)
        .says(&["max.in.flight.requests.per.connection=6", "1 to 5"]);
    produce(&["-X", "delivery.timeout.ms=10"]).expect(2).says(&["delivery.timeout.ms=10", "linger.ms=5"]);
}

#[test]
fn bad_input_features_not_built_yet() {
    let produce =
        |more: &[&str]| kurier(&[&["produce", "-b", "127.0.0.1:1", "-t", "t"], more].concat(), "a\n");
    produce(&["-z", "zstd"]).expect(2).says(&["compression.type=zstd", "not built yet"]);
    produce(&["-z", "lzma"]).expect(2).says(&["compression.type=lzma", "none, gzip, snappy, lz4, zstd"]);
    produce(&["-X", "security.protocol=SSL"]).expect(2).says(&["security.protocol=SSL", "not built yet"]);
    produce(&["-X", "transactional.id=x"]).expect(2).says(&["transactional.id=x", "not built yet"]);
}

#[test]
fn bad_input_usage_is_two_and_sends_nothing() {
    let server = broker(1);
    let bootstrap = server.bootstrap();
    for (args, part) in [
        (&["-t", "a b"][..], "topic `a b`"),
        (&["-t", "t", "-p", "-1"], "-1 is not in 0..=2147483647"),
        (&["-t", "t", "-K", ""], "must not be empty"),
        (&["-t", "t", "-D", "\\q"], "a backslash is followed by"),
        (&["-t", "t", "-H", "novalue"], "NAME=VALUE"),
        (&["-t", "t", "--rate", "0"], "above 0"),
        (&["-t", "t", "--format", "xml"], "xml"),
        (&["-t", "t", "--format", "json", "-K", ":"], "-K"),
        (&["-t", "t", "no/such/file"], "no/such/file"),
        (&["-t", "t", "/"], "it is a directory"),
        (&["-t", "t", "--config", "no/such/file"], "no/such/file"),
        (&["-t", "t", "--report", "no/such/folder/report"], "no/such/folder/report"),
        (&[], "-t TOPIC"),
        (&["-t", "t", "--nonsense"], "--nonsense"),
    ] {
        kurier(&[&["produce", "-b", &bootstrap], args].concat(), "a\n").expect(2).says(&[part]);
    }
    kurier(&[], "").expect(2);
    kurier(&["frobnicate"], "").expect(2).says(&["frobnicate"]);
    assert!(values(&server, "t", 0).is_empty());
}

#[test]
fn bad_input_no_broker_reachable() {
    // A port where nothing listens any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let done =
        kurier(&[&["produce", "-b", &address, "-t", "t", "--report", "-"], &SOON[..]].concat(), "a\nb\n")
            .expect(1);
    assert!(done.took > Duration::from_millis(1400), "{done:?}");
    let report = done.report();
    assert_eq!((report.len(), &report[0]["outcome"]), (1, &"not-written".into()), "{done:?}");
    done.says(&["record 0", "topic t", &format!("no broker was reached; {address}: cannot connect")]);
    kurier(&["metadata", "-b", &address], "").expect(1).says(&[&address, "cannot connect"]);
}

#[test]
fn bad_input_name_not_resolvable() {
    let address = "no-such-host.invalid:9092";
    kurier(&[&["produce", "-b", address, "-t", "t"], &SOON[..]].concat(), "a\n")
        .expect(1)
        .says(&["record 0", "cannot resolve no-such-host.invalid"]);
    kurier(&["metadata", "-b", address], "").expect(1).says(&["cannot resolve no-such-host.invalid"]);
}

/// A port that answers `reply` to whatever comes, to any number of connections.
fn stranger(reply: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|len| len > 0) {
                    if stream.write_all(reply).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn bad_input_port_of_something_that_is_not_kafka() {
    for (reply, part) in [
        (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], "HTTP"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "TLS"),
        (b"", "no answer in time"),
        (b"\x9c\x11\xfe\x42\x00\x17random bytes\x80\x81", "not a Kafka broker"),
        (b"\x7f\xff\xff\xffgigantic", "not Kafka's"),
    ] {
        let address = stranger(reply);
        let done = kurier(&[&["produce", "-b", &address, "-t", "t"], &SOON[..]].concat(), "a\n").expect(1);
        assert!(done.took < Duration::from_secs(10), "{part}: {done:?}");
        done.says(&["record 0", "topic t", "no broker was reached", part]);
        let done = kurier(&["metadata", "-b", &address, "-X", "request.timeout.ms=500"], "").expect(1);
        done.says(&[&address, part]);
    }
}

#[test]
fn bad_input_topic_that_does_not_exist_does_not_stop_others() {
    let server = broker(1);
    let bootstrap = server.bootstrap();
    let base = [&["produce", "-b", &bootstrap, "--report", "-"], &SOON[..]].concat();
    let done = kurier(&[&base[..], &["-t", "missing"]].concat(), "a\nb\nc\n").expect(1);
    assert!(done.took > Duration::from_millis(1400) && done.took < Duration::from_secs(10), "{done:?}");
    assert_eq!(done.report().len(), 1);
    done.says(&["record 0", "missing", "stopped reading"]);
    let line = |topic: &str| format!("{{\"topic\": \"{topic}\", \"value\": \"v\"}}\n");
    let input = [line("t"), line("missing"), line("missing"), line("t"), line("no name")].concat();
    let done = kurier(&[&base[..], &["--format", "json"]].concat(), input).expect(1);
    let outcomes: Vec<_> =
        done.report().iter().map(|line| line["outcome"].as_str().unwrap().to_owned()).collect();
    assert_eq!(outcomes, ["written", "not-written", "not-written", "written", "not-written"], "{done:?}");
    assert!(done.took < Duration::from_secs(5), "only the first record of a missing topic waits: {done:?}");
    assert_eq!(values(&server, "t", 0), ["v", "v"]);
}

#[test]
fn bad_input_partition_that_the_topic_does_not_have_is_named_with_how_many_there_are() {
    let server = broker(3);
    let bootstrap = server.bootstrap();
    let args = [&["produce", "-b", &bootstrap, "-t", "t", "-p", "99", "--report", "-"], &SOON[..]].concat();
    let done = kurier(&args, "a\nb\n").expect(1);
    let report = done.report();
    assert_eq!((&report[0]["partition"], &report[0]["error"]), (&99.into(), &"METADATA_TIMED_OUT".into()));
    done.says(&["record 0", "no partition 99: the topic has 3", "stopped reading"]);
}

#[test]
fn bad_input_topic_that_may_not_be_written_fails_at_once() {
    for metadata in [true, false] {
        let server = broker(1);
        server.with(|cluster| {
            cluster.inject(move |request| {
                let strike = matches!((&request.body, metadata), (Body::Metadata(m), true) if m.topics.is_some())
                    || matches!((&request.body, metadata), (Body::Produce(_), false));
                strike.then(|| Fault::refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
            });
        });
        let done =
            kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-"], "a\n").expect(1);
        assert!(done.took < Duration::from_secs(10), "{metadata}: {done:?}");
        assert_eq!(done.report()[0]["error"], "TOPIC_AUTHORIZATION_FAILED", "{metadata}: {done:?}");
        assert_eq!(done.report()[0]["outcome"], "not-written");
        done.says(&["record 0", "topic t", "TOPIC_AUTHORIZATION_FAILED"]);
    }
}

#[test]
fn bad_input_record_over_max_request_size_is_named_and_others_go_on() {
    let server = broker(1);
    let input = format!("a\n{}\nb\n{}\n", "x".repeat(1_048_576), "y".repeat(3_000_000));
    let done = kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-"], input).expect(1);
    let report = done.report();
    assert_eq!(report.iter().filter(|line| line["error"] == "RECORD_TOO_LARGE").count(), 2, "{:?}", done.err);
    assert_eq!(values(&server, "t", 0), ["a", "b"]);
    done.says(&["record 1 (stdin line 2): RECORD_TOO_LARGE", "record 3 (stdin line 4)", "max.request.size"]);
}

#[test]
fn bad_input_record_over_the_brokers_limit() {
    let server = broker(1);
    server.with(|cluster| cluster.configure_topic("t", |config| config.max_message_bytes = 1000));
    let input = format!("a\n{}\n", "x".repeat(2000));
    let args = ["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-", "-X", "batch.size=0"];
    let done = kurier(&args, input).expect(1);
    let report = done.report();
    assert_eq!((&report[0]["outcome"], &report[1]["outcome"]), (&"written".into(), &"not-written".into()));
    assert_eq!(report[1]["error"], "MESSAGE_TOO_LARGE");
    done.says(&["record 1 (stdin line 2): MESSAGE_TOO_LARGE"]);
    assert_eq!(values(&server, "t", 0), ["a"]);
}

#[test]
fn bad_input_lines_that_are_no_records_stop_or_are_skipped() {
    for (args, input, good, part) in [
        (&["-K", ":"][..], &b"a:1\nbad\nb:2\n"[..], ["1", "2"], "stdin line 2: it has no key delimiter"),
        (
            &["--format", "json"],
            b"{\"value\": \"1\"}\n{\"value\": \n{\"value\": \"2\"}",
            ["1", "2"],
            "stdin line 2: not JSON",
        ),
        (
            &["--format", "json"],
            b"{\"value\": \"1\"}\n{\"value\": \"\xff\"}\n{\"value\": \"2\"}",
            ["1", "2"],
            "stdin line 2: not UTF-8",
        ),
    ] {
        let server = broker(1);
        let bootstrap = server.bootstrap();
        let base = [&["produce", "-b", &bootstrap, "-t", "t", "--report", "-"], args].concat();
        let done = kurier(&base, input).expect(1).says(&[part, "--skip-bad-lines"]);
        assert_eq!(done.report().len(), 1);
        assert_eq!(values(&server, "t", 0), good[..1], "what was accepted is delivered");
        let done = kurier(&[&base[..], &["--skip-bad-lines"]].concat(), input).expect(0);
        assert_eq!(done.report().len(), 2);
        done.says(&[part, "1 line that could not be read was skipped"]);
        assert_eq!(values(&server, "t", 0)[1..], good);
        // Before anything was sent, it is wrong usage.
        let first: &[u8] = if args[0] == "-K" { b"bad\n" } else { b"{\n" };
        kurier(&base, first).expect(2).says(&["stdin line 1"]);
    }
}

/// The first Produce answers are damaged in every way; the records arrive once all the same.
#[test]
fn bad_input_damaged_answers_cost_a_retry_and_no_record() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("truncated", |frame| frame.truncate(frame.len() / 2)),
        ("oversized", |frame| frame[0] = 0x7f),
        ("wrong correlation id", |frame| frame[7] ^= 0x55),
        ("damaged inside", |frame| frame[9..].fill(0xff)),
    ];
    for (name, damage) in damages {
        let server = broker(1);
        let mut struck = 0;
        server.with(|cluster| {
            cluster.inject(move |request| {
                let strike = matches!(request.body, Body::Produce(_)) && struck < 2;
                struck += u32::from(strike);
                strike.then(|| Fault::alter(damage))
            });
        });
        let args = [
            "produce",
            "-b",
            &server.bootstrap(),
            "-t",
            "t",
            "--report",
            "-",
            "-X",
            "request.timeout.ms=2000",
        ];
        let done = kurier(&args, "a\nb\nc\n").expect(0);
        assert_eq!(done.report().len(), 3, "{name}: {done:?}");
        assert_eq!(values(&server, "t", 0), ["a", "b", "c"], "{name}");
    }
}

#[test]
fn bad_input_unknown_error_code_is_told_with_its_number() {
    let server = broker(1);
    server.with(|cluster| {
        cluster.inject(|request| {
            matches!(request.body, Body::Produce(_)).then(|| Fault::fail_after(ErrorCode(777)))
        });
    });
    let done = kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-"], "a\n").expect(1);
    assert_eq!(done.report()[0]["outcome"], "maybe-written");
    done.says(&["777"]);
}

#[test]
fn bad_input_broker_too_old_is_refused_clearly() {
    use kurier_broker::{Release, Server, ServerOptions, Settings};
    let options = ServerOptions { settings: Settings::release(Release::V0_10), ..ServerOptions::default() };
    let server = Server::start(options).unwrap();
    let bootstrap = server.bootstrap();
    let args = [&["produce", "-b", &bootstrap, "-t", "t", "--report", "-"], &SOON[..]].concat();
    let done = kurier(&args, "a\n").expect(1);
    assert!(done.took < Duration::from_secs(10), "{done:?}");
    assert_eq!(done.report()[0]["outcome"], "not-written");
    done.says(&["record 0", "Produce 0-2 and this program 3-13", "Kafka 0.11 is the oldest"]);
    let done = kurier(&["metadata", "-b", &bootstrap], "").expect(1);
    done.says(&["Metadata 0-2", "too old"]);
}

#[test]
fn bad_input_full_disk_under_the_report() {
    let server = broker(1);
    let args = ["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "/dev/full"];
    let done = kurier(&args, "a\n".repeat(200_000)).expect(1);
    let done = done.says(&["the report is not complete", "No space left", "written"]);
    let held = values(&server, "t", 0).len();
    let counted = common::number_before(&done.err, " written");
    assert_eq!((held, counted), (200_000, 200_000), "all is read, delivered and counted: {done:?}");
    assert_eq!(done.err.matches("the report is not complete").count(), 1, "{done:?}");
}

#[test]
fn bad_input_closed_pipe_under_the_report() {
    let server = broker(1);
    let mut running = start(&["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-"]);
    running.close_stdout();
    running.write(b"a\nb\n");
    until("the first records", || values(&server, "t", 0).len() == 2);
    std::thread::sleep(Duration::from_millis(200));
    running.write(b"c\n");
    let done = running.done().expect(1).says(&["the report is not complete", "Broken pipe"]);
    assert_eq!(values(&server, "t", 0), ["a", "b", "c"], "a broken report does not stop the input");
    assert_eq!(common::number_before(&done.err, " written"), 3);
}

#[test]
fn bad_input_broker_dead_at_close() {
    let server = broker(1);
    let limits = ["-X", "delivery.timeout.ms=1500", "-X", "request.timeout.ms=1000", "-X", "linger.ms=0"];
    let base = ["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-"];
    let mut running = start(&[&base[..], &limits[..]].concat());
    running.write(b"a\n");
    until("the first record", || values(&server, "t", 0) == ["a"]);
    server.with(|cluster| cluster.kill(1));
    running.write(b"b\nc\n");
    let done = running.done().expect(1);
    let outcomes: Vec<_> = done.report().iter().map(|line| line["outcome"].clone()).collect();
    // A request that left just before the broker's end was heard of may have arrived.
    assert!(
        outcomes[0] == "written" && outcomes[1..].iter().all(|outcome| *outcome != "written"),
        "{done:?}"
    );
    assert!(done.report().iter().all(|line| line["partition"] == 0), "{done:?}");
    let warnings =
        done.err.lines().filter(|line| line.contains("warning: ") && line.contains("cannot be reached"));
    assert_eq!(warnings.count(), 1, "an outage is told once: {done:?}");
    done.says(&["record 1 (stdin line 2)", "1 written, "]);
}
