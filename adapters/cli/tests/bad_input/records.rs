//! Topics and records that cannot be written, and the report of those that were.
use crate::SOON;
use crate::common::{self, broker, kurier, start, until, values};
use kurier_broker::{Body, ErrorCode, Fault};
use std::time::Duration;

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
fn bad_input_report_over_its_own_input_is_refused_and_the_input_kept() {
    use std::process::{Command, Stdio};
    let server = broker(1);
    let folder = common::Folder::new();
    let file = folder.file("f", "a\nb\n");
    let (hard, soft) = (folder.path("hard"), folder.path("soft"));
    std::fs::hard_link(&file, &hard).unwrap();
    std::os::unix::fs::symlink(&file, &soft).unwrap();
    let other = folder.file("other", "c\n");
    let refused = |done: &std::process::Output, case: &str| {
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{case}: {said}");
        assert!(said.contains("same file"), "{case}: {said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\n", "{case}");
    };
    let command = |report: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kurier"));
        command
            .args(["produce", "-b", &server.bootstrap(), "-t", "t", "--report", report])
            .stdin(Stdio::null());
        command
    };
    let reading = || std::fs::File::open(&file).unwrap();
    for report in [&file, &hard, &soft] {
        refused(&command(report).args([&other, &file]).output().unwrap(), report);
        refused(&command(report).stdin(reading()).output().unwrap(), report);
        refused(&command(report).arg("-").stdin(reading()).output().unwrap(), report);
    }
    // `--report - f >> f` would read its own report for ever.
    let appending = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    refused(&command("-").arg(&file).stdout(appending).output().unwrap(), ">>");
    // The configuration is an input as well.
    let config = folder.file("config", "linger.ms=0\n");
    kurier(&["produce", "-b", "127.0.0.1:1", "-t", "t", "--config", &config, "--report", &config], "a")
        .expect(2)
        .says(&["--report", "same file", "config"]);
    let perf = ["perf", "-b", "127.0.0.1:1", "-t", "t", "--num-records", "1", "--record-size", "1"];
    kurier(&[&perf[..], &["--config", &config, "--plot", &config]].concat(), "").expect(2).says(&[
        "--plot",
        "same file",
        "config",
    ]);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "linger.ms=0\n");
    assert!(values(&server, "t", 0).is_empty());
    // Where nothing is kept nothing can be destroyed.
    let null = command("/dev/null").output().unwrap();
    assert!(null.status.success(), "{null:?}");
}
