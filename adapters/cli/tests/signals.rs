//! Interrupts, and what a terminal shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{broker, start, until, values};
use kurier_broker::{Body, Fault};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn bad_input_interrupt_sends_what_was_read_and_reports_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = broker(1);
        // A long linger: the records are still waiting when the interrupt comes.
        let args =
            ["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-", "-X", "linger.ms=20000"];
        let mut running = start(&args);
        running.write(b"a\nb\n");
        until("a connection", || server.with(|cluster| cluster.requests()) >= 2);
        std::thread::sleep(Duration::from_millis(300));
        running.signal(signal);
        // Standard input is still open.
        let done = running.wait().expect(130);
        assert!(done.took < Duration::from_secs(15), "{done:?}");
        assert_eq!(done.report().len(), 2, "{done:?}");
        assert_eq!(values(&server, "t", 0), ["a", "b"]);
        done.says(&["interrupted", "2 written"]);
    }
}

#[test]
fn bad_input_second_interrupt_stops_at_once_and_says_what_is_open() {
    let server = broker(1);
    server.with(|cluster| {
        cluster.inject(|request| matches!(request.body, Body::Produce(_)).then(Fault::lose_answer))
    });
    let mut running =
        start(&["produce", "-b", &server.bootstrap(), "-t", "t", "--report", "-", "-X", "linger.ms=0"]);
    running.write(b"a\n");
    until("the record", || values(&server, "t", 0) == ["a"]);
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    let before = std::time::Instant::now();
    running.signal(Signal::INT);
    let done = running.wait().expect(130);
    assert!(before.elapsed() < Duration::from_secs(5), "{done:?}");
    let report = done.report();
    assert_eq!((report.len(), &report[0]["outcome"]), (1, &"maybe-written".into()), "{done:?}");
    done.says(&["0 written, 1 maybe written"]);
}

#[test]
fn bad_input_interrupt_in_a_slow_run_is_heard_before_the_next_record() {
    let server = broker(1);
    let mut running = start(&["produce", "-b", &server.bootstrap(), "-t", "t", "--rate", "0.01"]);
    running.write(b"a\nb\nc\n");
    until("the first record", || values(&server, "t", 0) == ["a"]);
    running.signal(Signal::INT);
    let done = running.wait().expect(130);
    assert!(done.took < Duration::from_secs(10), "{done:?}");
    assert_eq!(values(&server, "t", 0), ["a"], "what was not accepted is not sent");
    done.says(&["1 written"]);
}

#[test]
fn bad_input_interrupt_is_heard_while_no_broker_answers() {
    let mut running = start(&["produce", "-b", "127.0.0.1:1", "-t", "t", "--report", "-"]);
    running.write(b"a\n");
    std::thread::sleep(Duration::from_millis(500));
    running.signal(Signal::INT);
    let done = running.wait().expect(130);
    assert!(done.took < Duration::from_secs(10), "{done:?}");
    // It was read, but never accepted.
    assert!(done.report().is_empty(), "{done:?}");
    done.says(&["0 written"]);
}

#[test]
fn bad_input_interrupt_ends_the_wait_for_a_report_that_nobody_reads() {
    let folder = common::Folder::new();
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let running = start(&["produce", "-b", "127.0.0.1:1", "-t", "t", "--report", &pipe]);
    std::thread::sleep(Duration::from_millis(500));
    // Not SIGINT: under a shell in the background that one is ignored until somebody asks for it.
    running.signal(Signal::TERM);
    assert!(running.wait().took < Duration::from_secs(10));
}

#[test]
fn progress_is_shown_on_a_terminal_and_nowhere_else() {
    use std::io::Read;
    use std::process::{Command, Stdio};
    let server = broker(1);
    let terminal =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&terminal).unwrap();
    rustix::pty::unlockpt(&terminal).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let side = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&side, size).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kurier"))
        .args(["produce", "-b", &server.bootstrap(), "-t", "t", "--rate", "10"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(side)
        .spawn()
        .unwrap();
    {
        use std::io::Write;
        child.stdin.take().unwrap().write_all("x\n".repeat(8).as_bytes()).unwrap();
    }
    let mut terminal = std::fs::File::from(terminal);
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    // Once the command has ended the other side is closed, and reading is an error.
    while let Ok(len @ 1..) = terminal.read(&mut chunk) {
        shown.extend_from_slice(&chunk[..len]);
    }
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown).into_owned();
    for part in ["records,", "records/s", "in flight", "retries", "errors", "8 written"] {
        assert!(shown.contains(part), "{part} is not in {shown:?}");
    }
}
