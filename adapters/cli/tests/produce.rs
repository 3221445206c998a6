//! `kurier produce` against the model broker: every form of input, every option, the report, the exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{Folder, broker, kurier, logged, report, values};
use kurier_broker::Body;
use std::sync::{Arc, Mutex};

#[test]
fn lines_of_files_arrive_in_order_with_empty_and_unended_ones() {
    let server = broker(1);
    let folder = Folder::new();
    let first = folder.file("first", "a\n\nb");
    let second = folder.file("second", b"c\xff\0\n");
    let done =
        kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", &first, "-", &second], "from stdin\n")
            .expect(0);
    assert_eq!(
        (done.out.as_str(), done.err.as_str()),
        ("", ""),
        "silent when all is well and nobody watches"
    );
    let values: Vec<_> = logged(&server, "t", 0).into_iter().map(|(_, value, _)| value.unwrap()).collect();
    assert_eq!(values, [&b"a"[..], b"", b"b", b"from stdin", b"c\xff\0"]);
}

#[test]
fn nothing_to_send_is_well_done() {
    let server = broker(1);
    kurier(&["produce", "-b", &server.bootstrap(), "-t", "t"], "").expect(0);
    assert!(values(&server, "t", 0).is_empty());
}

#[test]
fn a_hundred_thousand_lines_round_trip_and_the_report_accounts_for_each() {
    let server = broker(3);
    let folder = Folder::new();
    let lines: Vec<String> = (0..100_000).map(|n| format!("line {n}")).collect();
    let input = folder.file("input", lines.join("\n"));
    let path = folder.path("report");
    kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", "--report", &path, &input], "").expect(0);
    let report = report(&std::fs::read_to_string(path).unwrap());
    assert_eq!(report.len(), lines.len());
    let logs: Vec<Vec<String>> = (0..3).map(|partition| values(&server, "t", partition)).collect();
    assert_eq!(logs.iter().map(Vec::len).sum::<usize>(), lines.len());
    // Every line lies where the report says; so offsets have no gap and no repetition.
    for (line, told) in lines.iter().zip(&report) {
        assert_eq!(told["outcome"], "written");
        let (partition, offset) = (told["partition"].as_u64().unwrap(), told["offset"].as_u64().unwrap());
        assert_eq!(&logs[partition as usize][offset as usize], line);
    }
}

#[test]
fn separators_of_any_length_and_escapes() {
    let server = broker(1);
    let bootstrap = server.bootstrap();
    kurier(&["produce", "-b", &bootstrap, "-t", "t", "-D", "\\x00\\x01"], b"a\0b\0\x01c\nd\0\x01").expect(0);
    kurier(&["produce", "-b", &bootstrap, "-t", "t", "-D", "--", "-K", "\\t=>"], "k\t=>v\t=>w--\t=>")
        .expect(0);
    let all: Vec<_> = logged(&server, "t", 0).into_iter().map(|(key, value, _)| (key, value)).collect();
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    assert_eq!(
        all,
        [(None, some(b"a\0b")), (None, some(b"c\nd")), (some(b"k"), some(b"v\t=>w")), (some(b""), some(b""))]
    );
}

#[test]
fn keys_headers_partition_and_tombstones() {
    let server = broker(4);
    let args = [
        "produce",
        "-b",
        &server.bootstrap(),
        "-t",
        "t",
        "-p",
        "3",
        "-K",
        ":",
        "-Z",
        "-H",
        "a=1",
        "-H",
        "a=x=y",
    ];
    kurier(&args, "k:v\ngone:\n").expect(0);
    let headers = vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"a".to_vec(), Some(b"x=y".to_vec()))];
    let expected = [
        (Some(b"k".to_vec()), Some(b"v".to_vec()), headers.clone()),
        (Some(b"gone".to_vec()), None, headers),
    ];
    assert_eq!(logged(&server, "t", 3), expected);
    // Without a partition the key decides, and one key stays on one partition.
    kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", "-K", ":"], "x:1\nx:2\nx:3\n").expect(0);
    let held: Vec<usize> = (0..4).map(|partition| values(&server, "t", partition).len()).collect();
    assert_eq!(held.iter().sum::<usize>(), 5);
    assert!(held.iter().all(|count| [0, 2, 3, 5].contains(count)), "{held:?}");
}

#[test]
fn json_lines_say_everything_about_a_record() {
    let server = broker(2);
    server.with(|cluster| cluster.create_topic("other", 1, Default::default())).unwrap();
    let now = kurier_broker::Server::now_ms();
    let input = format!(
        "{}\n\n{}\n",
        serde_json::json!({"key": {"base64": "/w=="}, "value": "ä", "partition": 1, "timestamp": now - 5000,
                           "headers": [["h", null], ["h", {"base64": "AA=="}]]}),
        serde_json::json!({"topic": "other", "value": null, "key": "k"}),
    );
    let args =
        ["produce", "-b", &server.bootstrap(), "-t", "t", "--format", "json", "-H", "all=1", "--report", "-"];
    let report = kurier(&args, input).expect(0).report();
    let header = |name: &str, value: Option<&[u8]>| (name.as_bytes().to_vec(), value.map(<[u8]>::to_vec));
    let headers = vec![header("all", Some(b"1")), header("h", None), header("h", Some(b"\0"))];
    assert_eq!(logged(&server, "t", 1), [(Some(vec![0xff]), Some("ä".as_bytes().to_vec()), headers)]);
    assert_eq!(logged(&server, "other", 0), [(Some(b"k".to_vec()), None, vec![header("all", Some(b"1"))])]);
    assert_eq!(report[0]["timestamp"], now - 5000);
    assert_eq!((&report[1]["topic"], &report[1]["partition"]), (&"other".into(), &0.into()));
}

#[test]
fn without_acknowledgements_a_record_is_written_at_no_known_offset() {
    let server = broker(1);
    let args = ["produce", "-b", &server.bootstrap(), "-t", "t", "-X", "acks=0", "--report", "-"];
    let done = kurier(&args, "a\nb\n").expect(0).says(&["enable.idempotence is turned off"]);
    for line in done.report() {
        assert_eq!((&line["outcome"], line["offset"].is_null()), (&"written".into(), true));
    }
    common::until("the records", || values(&server, "t", 0) == ["a", "b"]);
}

#[test]
fn properties_come_from_the_file_then_from_x_then_from_options() {
    let server = broker(1);
    let folder = Folder::new();
    let file = folder.file("p", "# c\nbootstrap.servers = 127.0.0.1:1\nclient.id = from-file\nacks: 1\n");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&seen);
    server.with(|cluster| {
        cluster.observe(move |request| {
            if let Body::Produce(produce) = &request.body {
                let client = request.client_id.as_deref().unwrap_or_default().to_owned();
                theirs.lock().unwrap().push((client, produce.acks));
            }
        });
    });
    let bootstrap = server.bootstrap();
    let args = ["produce", "--config", &file, "-X", "client.id=from-x", "-b", &bootstrap, "-t", "t", "-q"];
    kurier(&args, "a\n").expect(0);
    assert_eq!(*seen.lock().unwrap(), [("from-x".to_owned(), 1)]);
}

#[test]
fn a_rate_is_kept() {
    let server = broker(1);
    let done = kurier(&["produce", "-b", &server.bootstrap(), "-t", "t", "--rate", "50"], "x\n".repeat(31))
        .expect(0);
    // The 31st record is due after 0.6 s.
    assert!(done.took.as_secs_f64() >= 0.6, "{done:?}");
    assert_eq!(values(&server, "t", 0).len(), 31);
}

#[test]
fn quiet_verbose_and_consumer_keys() {
    let server = broker(1);
    let base =
        ["produce", "-b", &server.bootstrap(), "-t", "t", "-X", "group.id=g", "-X", "key.serializer=K"];
    kurier(&base, "a\n").expect(0).says(&[
        "warning",
        "group.id is not a property of a producer",
        "key.serializer has no effect",
    ]);
    let quiet = kurier(&[&base[..], &["-q"]].concat(), "a\n").expect(0);
    assert_eq!(quiet.err, "");
    kurier(&[&base[..], &["-v"]].concat(), "a\n").expect(0).says(&["1 written"]);
}
