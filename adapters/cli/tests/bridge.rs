//! `bridge`: the command line, and that it listens and ends. What it lets through is tested with its library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{Folder, broker, kurier};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn it_says_where_it_listens_and_ends_with_130_when_it_is_told_to() {
    let server = broker(1);
    let mut child = Command::new(env!("CARGO_BIN_EXE_kurier"))
        .args(["bridge", "-b", &server.bootstrap(), "--allow-topic", "t*", "--listen", "127.0.0.1:0"])
        .args(["--metrics", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines.take(2).map(Result::unwrap).collect();
    let address = said[0].strip_prefix("listening on ws://").unwrap();
    assert!(TcpStream::connect(address).is_ok());
    assert!(said[1].starts_with("metrics on http://127.0.0.1:") && said[1].ends_with("/metrics"), "{said:?}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
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
    with(&["--token-file", &token]).says(&["16 or more characters"]);
    with(&["--token-file", "/no/such/file"]).says(&["--token-file /no/such/file"]);
    with(&["--allow-broker", "nonsense"]).says(&["HOST:PORT"]);
    with(&["--max-frame", "0"]).says(&["--max-frame"]);
    with(&["--max-requests-per-second", "0"]).says(&["--max-requests-per-second"]);
    with(&["--idle-timeout", "0"]).says(&["--idle-timeout"]);
    kurier(&["bridge", "--allow-topic", "t"], "").expect(2).says(&["--bootstrap"]);
}
