//! `delivery.timeout.ms`, wherever a batch is by then, and what is said of it.
use super::stage::{NAME, Stage, config};
use kurier_broker::{Body, Fault, Release, RequestInfo, Settings};
use kurier_core::config::Config;
use kurier_core::error::{DeliveryError, Fate};
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

const TIMEOUT: u64 = 500;

fn short(idempotent: bool) -> Config<'static> {
    config().request_timeout_ms(300).delivery_timeout_ms(500).enable_idempotence(idempotent)
}

fn begun(config: Config<'static>) -> Stage {
    let mut stage = Stage::new(config);
    stage.send(8);
    stage.flush();
    stage
}

/// It expires when its time is over, not before and not much later.
fn expires(mut stage: Stage, fate: Fate, what: &str) {
    let from = stage.now;
    let id = stage.send(8);
    stage.flush();
    let waited = (stage.now.as_micros() - from.as_micros()) / 1000;
    assert!((TIMEOUT..TIMEOUT + 10).contains(&waited), "{what}: {waited} ms");
    let outcome = stage.told(id).outcome;
    assert_eq!((outcome.error(), outcome.fate()), (Some(DeliveryError::TimedOut), fate), "{what}");
    stage.inject(|_, _| None);
    stage.net.cluster.restart(1);
    stage.net.cluster.restart(2);
    let next = stage.send(8);
    stage.flush();
    assert!(stage.told(next).outcome.is_written(), "{what}: what follows goes on");
    stage.check();
}

#[test]
fn in_the_accumulator_nothing_was_written() {
    for idempotent in [true, false] {
        let mut stage = begun(short(idempotent));
        stage.net.cluster.kill(1);
        stage.net.cluster.kill(2);
        stage.net.cut();
        expires(stage, Fate::NotWritten, "no broker");
    }
}

#[test]
fn in_flight_it_may_have_been_written() {
    for idempotent in [true, false] {
        for fault in [Fault::ignore(), Fault::lose_answer()] {
            let mut stage = begun(short(idempotent));
            stage.inject(move |_, _| Some(fault.clone()));
            expires(stage, Fate::MaybeWritten, "no answer");
        }
    }
}

#[test]
fn during_backoff_it_depends_on_what_was_answered() {
    for idempotent in [true, false] {
        for (error, fate) in [
            (ErrorCode::NOT_ENOUGH_REPLICAS, Fate::NotWritten),
            (ErrorCode::LEADER_NOT_AVAILABLE, Fate::NotWritten),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, Fate::MaybeWritten),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Fate::MaybeWritten),
            (ErrorCode::REQUEST_TIMED_OUT, Fate::MaybeWritten),
            (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, Fate::MaybeWritten),
            (ErrorCode::KAFKA_STORAGE_ERROR, Fate::MaybeWritten),
        ] {
            let mut stage = begun(short(idempotent).retry_backoff_ms(400).retry_backoff_max_ms(5000));
            stage.inject(move |_, _| Some(Fault::refuse(error)));
            expires(stage, fate, &format!("{error}"));
        }
    }
}

#[test]
fn in_a_log_that_is_deleted_before_its_followers_have_it_it_was_written() {
    let mut stage = begun(short(false).retries(0));
    stage.net.cluster.set_replication_lag(100);
    let id = stage.send(8);
    stage.until(|stage| stage.log(0).len() == 2);
    stage.net.cluster.delete_topic(NAME);
    stage.flush();
    assert_eq!(stage.refusal(id), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Fate::MaybeWritten));
}

#[test]
fn a_refusal_does_not_cancel_an_earlier_maybe() {
    for idempotent in [true, false] {
        let mut stage = begun(short(idempotent).retry_backoff_ms(100).retry_backoff_max_ms(100));
        stage.inject(|nth, _| {
            Some(if nth == 0 { Fault::close_before() } else { Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS) })
        });
        expires(stage, Fate::MaybeWritten, "closed, then refused");
    }
}

#[test]
fn what_can_be_read_as_acknowledged_after_a_long_pause_is_not_given_up() {
    for idempotent in [true, false] {
        let mut stage = begun(short(idempotent));
        stage.inject(|_, _| Some(Fault::delay(50)));
        let id = stage.send(8);
        stage.until(|stage| stage.log(0).len() == 2);
        stage.now = stage.now.plus_millis(60_000);
        stage.net.now += 60_000;
        stage.net.cluster.poll(stage.net.now);
        stage.flush();
        assert!(stage.told(id).outcome.is_written());
        stage.check();
    }
}

#[test]
fn the_time_runs_from_the_batchs_beginning_whatever_was_tried() {
    let mut stage = begun(short(true).retry_backoff_ms(1).retry_backoff_max_ms(1));
    stage.inject(|_, _| Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS).and_delay(3)));
    let from = stage.now;
    let id = stage.send(8);
    stage.flush();
    let waited = (stage.now.as_micros() - from.as_micros()) / 1000;
    assert!((TIMEOUT..TIMEOUT + 10).contains(&waited), "{waited}");
    assert!(stage.take_seen().len() > 50);
    let outcome = stage.told(id).outcome;
    assert!(matches!(outcome.fate(), Fate::NotWritten | Fate::MaybeWritten));
    stage.check();
}

#[test]
fn a_throttle_time_counts_when_its_whole_answer_has_come() {
    // An hour, told at the beginning of an answer that never ends.
    fn an_hour_and_no_end(frame: &mut Vec<u8>) {
        frame[..4].copy_from_slice(&i32::MAX.to_be_bytes());
        frame[8..12].copy_from_slice(&3_600_000_i32.to_be_bytes());
        frame.truncate(20);
    }
    let mut stage = Stage::on(
        Settings::release(Release::V2_1),
        Storage::<2, 4, 12, 1024>::new(),
        config().request_timeout_ms(300).delivery_timeout_ms(600),
        1,
        1,
    );
    let mut asked = 0;
    stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
        asked += i32::from(matches!(request.body, Body::InitProducerId(_)));
        let first = asked == 1 && matches!(request.body, Body::InitProducerId(_));
        first.then(|| Fault::alter(an_hour_and_no_end))
    });
    let id = stage.send(8);
    stage.flush();
    assert!(stage.told(id).outcome.is_written());
    assert_eq!(stage.stats().throttle_ms, 0);
}

#[test]
fn a_topic_that_was_idle_is_asked_about_at_once_when_a_partition_of_it_needs_a_slot() {
    let settings = short(true).retry_backoff_ms(2000).retry_backoff_max_ms(2000).metadata_max_idle_ms(5000);
    let mut stage = Stage::with(Storage::<1, 2, 4, 1024>::new(), settings, 1, 9);
    stage.send(8);
    stage.send_to(1, 8);
    stage.flush();
    stage.turns(20_000);
    let id = stage.send_to(5, 8);
    stage.flush();
    assert!(stage.told(id).outcome.is_written(), "{:?}", stage.told(id).outcome);
}
