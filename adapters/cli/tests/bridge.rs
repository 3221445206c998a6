//! `bridge`: the command line, and that it listens and ends. What it lets through is tested with its library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{Folder, Running, broker, kurier, next, spawn, start};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// A bridge for the topics of these tests.
const BRIDGE: [&str; 5] = ["bridge", "--allow-topic", "t*", "--listen", "127.0.0.1:0"];

#[test]
fn it_says_where_it_listens_and_ends_in_good_order_when_it_is_told_to() {
    let server = broker(1);
    let status = |signals: &[Signal]| {
        let mut bridge =
            start(&[&BRIDGE[..], &["-b", &server.bootstrap(), "--metrics", "127.0.0.1:0"]].concat());
        let mut said = bridge.out();
        let open = TcpStream::connect(next(&mut said).strip_prefix("listening on ws://").unwrap()).unwrap();
        let metrics = next(&mut said);
        assert!(
            metrics.starts_with("metrics on http://127.0.0.1:") && metrics.ends_with("/metrics"),
            "{metrics}"
        );
        let waited_for = (signals.len() > 1).then_some(open);
        for signal in signals {
            // Until it has taken the connection, and heard of the signal before.
            std::thread::sleep(Duration::from_millis(300));
            bridge.signal(*signal);
        }
        let status = bridge.wait().status;
        drop(waited_for);
        status
    };
    assert_eq!(status(&[Signal::TERM]), 0, "no failure to who manages services");
    assert_eq!(status(&[Signal::INT]), 130);
    let start = Instant::now();
    assert_eq!(status(&[Signal::TERM, Signal::TERM]), 130, "somebody was cut off");
    assert!(start.elapsed() < Duration::from_secs(5), "it did not wait");
}

#[test]
fn bad_input_options_that_make_no_bridge_are_named() {
    let folder = Folder::new();
    let token = folder.path("token");
    std::fs::write(&token, "short\n").unwrap();
    let bridge = |more: &[&str]| kurier(&[&["bridge", "-b", "127.0.0.1:9"], more].concat(), "").expect(2);
    bridge(&[]).says(&["--allow-topic"]);
    bridge(&["--allow-topic", "a b"]).says(&["--allow-topic a b", "letters, digits"]);
    let t = ["--allow-topic", "t"];
    let with = |more: &[&str]| bridge(&[&t[..], more].concat());
    with(&["--listen", "0.0.0.0:0"]).says(&["0.0.0.0:0", "--allow-origin", "--token-file", "--insecure"]);
    for origin in ["https://x.example/", "x.example", "*", "https://x.example:443"] {
        with(&["--allow-origin", origin]).says(&["--allow-origin", origin, "would match no page"]);
    }
    with(&["--token-file", &token]).says(&["16 or more characters"]);
    with(&["--token-file", "/no/such/file"]).says(&["--token-file /no/such/file"]);
    with(&["--allow-broker", "nonsense"]).says(&["HOST:PORT", "it has no port"]);
    with(&["--allow-broker", "::1:9092"]).says(&["--allow-broker", "IPv6 address without brackets"]);
    with(&["--max-frame", "0"]).says(&["--max-frame"]);
    with(&["--max-requests-per-second", "0"]).says(&["--max-requests-per-second"]);
    with(&["--min-rate", "0"]).says(&["--min-rate"]);
    with(&["--idle-timeout", "0"]).says(&["--idle-timeout"]);
    kurier(&["bridge", "--allow-topic", "t"], "").expect(2).says(&["--bootstrap"]);
    with(&["--tls-cert", &token]).says(&["--tls-key"]);
    with(&["--tls-key", &token]).says(&["--tls-cert"]);
    with(&["--tls-cert", "/no/such/file", "--tls-key", &token])
        .says(&["--tls-cert /no/such/file", "No such"]);
    with(&["--tls-cert", &token, "--tls-key", &token]).says(&["--tls-cert", "no CERTIFICATE"]);
}

/// A certificate with this serial number in the folder's `cert` and `key`, valid for the years given; its options.
fn certify(folder: &Folder, serial: u8, years: (i32, i32)) -> [String; 4] {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.serial_number = Some(vec![serial].into());
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let (cert_file, key_file) = (folder.path("cert"), folder.path("key"));
    std::fs::write(&cert_file, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    ["--tls-cert".into(), cert_file, "--tls-key".into(), key_file]
}

#[test]
fn bad_input_metrics_that_other_machines_could_read_are_warned_of() {
    let server = broker(1);
    // An address of documents, which no machine has.
    let done = kurier(&[&BRIDGE[..], &["-b", &server.bootstrap(), "--metrics", "192.0.2.1:0"]].concat(), "");
    let done = done.expect(2);
    assert!(done.err.contains("warning: --metrics 192.0.2.1:0 can be read"), "{done:?}");
    done.says(&["without a token", "error: --metrics 192.0.2.1:0: "]);
}

#[test]
fn with_a_certificate_it_speaks_wss_and_reads_it_anew_on_sighup() {
    let (server, folder) = (broker(1), Folder::new());
    let tls = certify(&folder, 7, (2001, 2002));
    let tls_args = tls.each_ref().map(String::as_str);
    let mut bridge = start(&[&BRIDGE[..], &["-b", &server.bootstrap(), "-v"], &tls_args].concat());
    let first = next(&mut bridge.out());
    assert!(first.starts_with("listening on wss://127.0.0.1:"), "{first}");
    let mut said = bridge.err();
    let warning = next(&mut said);
    assert!(warning.contains("warning: --tls-cert") && warning.contains("expired"), "{warning}");
    let mut hang_up = || {
        bridge.signal(Signal::HUP);
        next(&mut said)
    };
    let _fresh = certify(&folder, 8, (2001, 2100));
    assert!(hang_up().contains("read anew"));
    std::fs::write(&tls[3], "nonsense").unwrap();
    let error = hang_up();
    assert!(error.contains("no PRIVATE KEY") && error.contains("stays as it was"), "{error}");
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().status, 0);
}

/// A bridge that a shell starts after it has said this to the system, and its address.
fn limited(limit: &str, bootstrap: &str) -> (Running, String) {
    let words = format!("ulimit {limit} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &words, env!("CARGO_BIN_EXE_kurier")]).args(BRIDGE).args(["-b", bootstrap]);
    command.args(["--max-connections", "1000", "--max-connections-per-client", "1000"]);
    let mut bridge = spawn(&mut command);
    let said = next(&mut bridge.out());
    (bridge, said.strip_prefix("listening on ws://").unwrap().to_owned())
}

#[test]
fn it_takes_the_open_files_that_its_connections_need_or_says_that_it_may_not() {
    let server = broker(1);
    let (_bridge, address) = limited("-Sn 100", &server.bootstrap());
    let crowd: Vec<_> = (0..150).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut late = TcpStream::connect(&address).unwrap();
    late.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(
        late,
        "GET /{} HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        server.bootstrap().replace(':', "/")
    )
    .unwrap();
    let answer = late.read(&mut [0; 12]);
    assert_eq!(answer.unwrap(), 12, "served beside {} others", crowd.len());

    let (mut bridge, _) = limited("-n 200", &server.bootstrap());
    let said = next(&mut bridge.err());
    assert!(said.contains("200 open files, enough for 36 of --max-connections 1000"), "{said}");
}
