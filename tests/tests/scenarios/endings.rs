//! Flush, close and abort, in every order and in the middle of every other state: each record gets exactly one
//! delivery, and what it says is true.
use super::stage::{Stage, config};
use kurier_broker::Fault;
use kurier_core::config::Acks;
use kurier_core::record::Record;
use kurier_core::sender::Wake;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

/// What the producer is in the middle of.
const STATES: &[&str] = &[
    "nothing was polled",
    "no leader is known",
    "no identity has come",
    "lingering",
    "in flight",
    "half written",
    "backing off",
    "muted",
    "a link was lost",
    "pieces",
    "a gap",
    "throttled",
    "all is over",
    "deliveries were not taken",
];

/// Puts a producer into a state; five records and more are under way.
fn within(state: &str, idempotent: bool) -> Stage {
    let config =
        config().linger_ms(if state == "lingering" { 1000 } else { 0 }).enable_idempotence(idempotent);
    let mut stage = Stage::new(config.retry_backoff_ms(100).retry_backoff_max_ms(200));
    if state == "nothing was polled" {
        assert!(stage.producer.send(stage.topic, Record::value(b"early"), stage.now).is_err());
        return stage;
    }
    if state == "no identity has come" {
        stage.net.cluster.inject(|request| {
            matches!(request.body, kurier_broker::Body::InitProducerId(_)).then(|| Fault::delay(300))
        });
        stage.send(8);
        stage.turns(5);
        return stage;
    }
    stage.send(8);
    stage.flush();
    match state {
        "in flight" => stage.inject(|_, _| Some(Fault::delay(50))),
        "backing off" => {
            stage.inject(|nth, _| (nth < 2).then(|| Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS)))
        }
        "muted" => stage.inject(|nth, _| {
            let fault =
                if nth == 0 { Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS) } else { Fault::default() };
            Some(fault.and_delay(30))
        }),
        "pieces" => {
            stage.limit(300);
            stage.inject(|_, _| Some(Fault::delay(10)));
        }
        "a gap" => stage.inject(|nth, _| {
            let fault = if nth == 0 { Fault::refuse(ErrorCode::INVALID_RECORD) } else { Fault::default() };
            Some(fault.and_delay(30))
        }),
        "throttled" => {
            let fault = Fault { throttle_ms: Some(100), ..Fault::default() };
            stage.inject(move |nth, _| (nth == 0).then(|| fault.clone()));
        }
        "no leader is known" => {
            stage.net.cluster.kill(1);
            stage.net.cluster.kill(2);
            stage.net.cut();
        }
        "half written" => stage.net.write_limit = 100,
        _ => {}
    }
    for _ in 0..7 {
        stage.send(300);
    }
    match state {
        "half written" => {
            let _ = stage.producer.poll(stage.now, &mut stage.net);
            stage.net.write_limit = usize::MAX;
        }
        "a link was lost" => {
            let _ = stage.producer.poll(stage.now, &mut stage.net);
            stage.net.cut();
        }
        "deliveries were not taken" => {
            for _ in 0..50 {
                let _ = stage.producer.poll(stage.now, &mut stage.net);
            }
        }
        "lingering" | "all is over" => stage.turns(30),
        _ => stage.turns(12),
    }
    stage
}

/// Everything mended, and all of it over.
fn end(mut stage: Stage, closed: bool, what: &str) {
    stage.inject(|_, _| None);
    stage.net.cluster.restart(1);
    stage.net.cluster.restart(2);
    let mark = stage.producer.flush();
    stage.until(|stage| stage.is_flushed(mark));
    stage.check();
    let refused = stage.producer.send(stage.topic, Record::value(b"late"), stage.now);
    assert_eq!(refused == Err(kurier_core::error::SendError::Closed), closed, "{what}: {refused:?}");
    if closed {
        // Even what a request carried is free once its link is closed or it is answered.
        stage.until(|stage| stage.producer.free_buffers() == 12);
    }
}

#[test]
fn each_record_is_told_once_whatever_is_called_in_whatever_state() {
    for state in STATES {
        for idempotent in [true, false] {
            for calls in
                ["", "f", "c", "a", "ff", "fc", "cf", "fa", "af", "ca", "ac", "cc", "aa", "fca", "afc", "caf"]
            {
                for between in [0, 1, 40] {
                    let what =
                        format!("{state}, idempotent {idempotent}, calls {calls}, {between} ms between");
                    let mut stage = within(state, idempotent);
                    for call in calls.chars() {
                        match call {
                            'f' => drop(stage.producer.flush()),
                            'c' => drop(stage.producer.close()),
                            _ => stage.producer.abort(),
                        }
                        stage.turns(between);
                    }
                    end(stage, calls.contains(['c', 'a']), &what);
                }
            }
        }
    }
}

#[test]
fn after_an_abort_everything_is_told_at_once() {
    for state in STATES {
        let mut stage = within(state, true);
        stage.producer.abort();
        stage.turn();
        // Nothing waits for an answer: that a request carries a record is no reason.
        stage.check();
    }
}

#[test]
fn a_flush_covers_what_was_sent_before_it_and_nothing_after() {
    let mut stage = Stage::new(config().linger_ms(500));
    stage.send(8);
    let mark = stage.producer.flush();
    stage.until(|stage| stage.is_flushed(mark));
    stage.send(8);
    let second = stage.producer.flush();
    stage.send(8);
    stage.until(|stage| stage.is_flushed(second));
    assert_eq!(stage.log(0).len(), 2, "what came after it lingers");
    assert!(stage.is_flushed(mark));
}

/// Nothing is answered that would wake the producer for what the last request left behind.
#[test]
fn without_acknowledgements_every_partition_has_its_turn_after_a_full_request() {
    for first in 0..4 {
        let settings =
            config().acks(Acks::Zero).enable_idempotence(false).linger_ms(20).max_request_size(600);
        let mut stage = Stage::with(Storage::<2, 4, 12, 512>::new(), settings, 1, 4);
        for partition in [0, 1, 2, 3] {
            stage.send_to(partition, 8);
        }
        stage.flush();
        for (partition, len) in [(first, 400), (0, 250), (1, 250), (2, 250), (3, 100), (first, 300)] {
            stage.send_to(partition, len);
        }
        let mark = stage.producer.flush();
        // It says itself that there is more to do.
        let mut passes = 0;
        while stage.producer.poll(stage.now, &mut stage.net) == Wake::Now {
            passes += 1;
            assert!(passes < 100, "first {first}: a busy loop");
        }
        while stage.producer.next_delivery().is_some() {}
        assert!(stage.is_flushed(mark), "first {first}");
    }
}
