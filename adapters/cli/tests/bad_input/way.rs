//! Nobody there, or somebody who is not Kafka.
use crate::SOON;
use crate::common::kurier;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

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
