//! Brokers that answer wrongly, are too old, or die.
use crate::SOON;
use crate::common::{broker, kurier, start, until, values};
use kurier_broker::{Body, ErrorCode, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The first Produce answers are damaged in every way; the records arrive once all the same.
#[test]
fn bad_input_damaged_answers_cost_a_retry_and_no_record() {
    type Damage = fn(&mut Vec<u8>);
    // How many answers are struck. One that says it is longer than it is tells of its records before its end is
    // missed: it costs no retry.
    let damages: [(&str, u32, Damage); 4] = [
        ("truncated", 2, |frame| frame.truncate(frame.len() / 2)),
        ("oversized", 1, |frame| frame[0] = 0x7f),
        ("wrong correlation id", 2, |frame| frame[7] ^= 0x55),
        ("damaged inside", 2, |frame| frame[9..].fill(0xff)),
    ];
    for (name, strikes_expected, damage) in damages {
        let server = broker(1);
        let struck = Arc::new(AtomicU32::new(0));
        let strikes = Arc::clone(&struck);
        server.with(|cluster| {
            cluster.inject(move |request| {
                let strike = matches!(request.body, Body::Produce(_)) && strikes.load(Ordering::Relaxed) < 2;
                strikes.fetch_add(u32::from(strike), Ordering::Relaxed);
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
        // All records fit one batch: it is sent again only if the damage was seen.
        assert_eq!(struck.load(Ordering::Relaxed), strikes_expected, "{name}");
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
    done.says(&["error 777, which is unknown to this version; the record may have been written"]);
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
