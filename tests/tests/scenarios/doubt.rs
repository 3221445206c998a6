//! What is in doubt, and what a broker's word proves about it: gaps, denials, topics made anew.
use super::stage::{NAME, Stage, config};
use kurier_broker::{Fault, Release, Settings, TopicConfig};
use kurier_core::error::Fate;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

/// A producer that the broker knows.
fn begun() -> Stage {
    let mut stage = Stage::new(config().request_timeout_ms(300));
    stage.send(8);
    stage.flush();
    stage.take_seen();
    stage
}

fn sequences(stage: &mut Stage) -> Vec<(i16, i32)> {
    stage.take_seen().iter().map(|seen| (seen.epoch, seen.sequence)).collect()
}

#[test]
fn a_broker_that_never_acknowledged_anything_proves_nothing_by_a_denial() {
    let mut stage = Stage::new(config());
    stage.inject(|nth, _| match nth {
        0 => Some(Fault::close_after()),
        1 => Some(Fault::refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)),
        _ => None,
    });
    let id = stage.send(8);
    stage.flush();
    assert_eq!(stage.refusal(id), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, Fate::MaybeWritten));
    stage.check();
}

#[test]
fn what_was_denied_and_sent_again_is_in_doubt_again() {
    let mut stage = begun();
    stage.inject(|nth, _| match nth {
        // Both are lost, and then the first is refused, so that the broker denies the second.
        0 | 1 => Some(Fault::ignore()),
        2 => Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS).and_delay(10)),
        3 => Some(Fault::delay(10)),
        // Then both are in the log, and nobody says so.
        4 => Some(Fault::fail_after(ErrorCode::UNKNOWN_SERVER_ERROR).and_delay(10)),
        5 => Some(Fault::lose_answer()),
        _ => None,
    });
    let ids = [stage.send(900), stage.send(900)];
    stage.flush();
    stage.check();
    assert_eq!(stage.told(ids[0]).outcome.fate(), Fate::MaybeWritten);
    assert_eq!(stage.told(ids[1]).offset, Some(2));
    assert_eq!(sequences(&mut stage), [(0, 1), (0, 2), (0, 1), (0, 2), (0, 1), (0, 2), (0, 2)]);
}

#[test]
fn what_is_behind_a_gap_and_denied_by_a_broker_that_may_have_lost_its_log_is_not_asked_about_again() {
    let mut stage = begun();
    stage.inject(|nth, _| match nth {
        0 | 1 => Some(Fault::ignore()),
        // From here on the topic may be another one.
        2 | 4 => Some(Fault::refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER).and_delay(10)),
        3 => Some(Fault::refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).and_delay(10)),
        _ => None,
    });
    let ids = [stage.send(900), stage.send(900)];
    stage.flush();
    stage.check();
    assert_eq!(stage.refusal(ids[1]), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, Fate::MaybeWritten));
    assert_eq!(sequences(&mut stage), [(0, 1), (0, 2), (0, 1), (0, 2), (0, 2), (1, 0)]);
}

#[test]
fn an_acknowledgement_ahead_of_a_hole_does_not_fill_it() {
    let mut stage = begun();
    stage.inject(|nth, _| match nth {
        0 => Some(Fault::fail_after(ErrorCode::REQUEST_TIMED_OUT).and_delay(10)),
        1 => Some(Fault::refuse(ErrorCode::INVALID_TIMESTAMP).and_delay(10)),
        _ => None,
    });
    let ids = [stage.send(900), stage.send(900)];
    stage.flush();
    assert_eq!(stage.refusal(ids[1]), (ErrorCode::INVALID_TIMESTAMP, Fate::NotWritten));
    stage.send(900);
    stage.flush();
    stage.check();
    assert_eq!(sequences(&mut stage), [(0, 1), (0, 2), (0, 1), (1, 0)], "nothing is tried in vain");
}

#[test]
fn a_piece_that_was_written_proves_that_the_whole_batch_was_not() {
    let mut stage = Stage::new(config().linger_ms(50));
    stage.send(8);
    stage.flush();
    let mut pieces = 0;
    stage.inject(move |nth, seen| match nth {
        0 => Some(Fault::close_before()),
        _ if seen.len > 300 => Some(Fault::refuse(ErrorCode::MESSAGE_TOO_LARGE)),
        _ => {
            pieces += 1;
            (pieces > 1).then(|| Fault::refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        }
    });
    for _ in 0..35 {
        stage.send(16);
    }
    stage.flush();
    stage.check();
    let (written, maybe, not) = stage.counts();
    assert!(written > 2 && maybe == 0 && not > 20, "{:?}", stage.counts());
}

#[test]
fn a_topic_that_was_made_anew_has_a_limit_of_its_own() {
    let mut stage =
        Stage::with(Storage::<1, 4, 12, 1024>::new(), config().linger_ms(20).metadata_max_age_ms(30), 1, 1);
    stage.limit(300);
    for _ in 0..35 {
        stage.send(16);
    }
    stage.flush();
    assert!(stage.stats().splits > 0);
    assert!(stage.net.cluster.delete_topic(NAME));
    stage.net.cluster.create_topic(NAME, 1, TopicConfig::default()).unwrap();
    stage.turns(100);
    stage.take_seen();
    for _ in 0..35 {
        stage.send(16);
    }
    stage.flush();
    let most = stage.take_seen().iter().map(|seen| seen.len).max().unwrap();
    assert!(most > 600, "{most}");
    stage.check_tail(35);
}

/// `retries` is for each piece, and what came before the split counts for none.
#[test]
fn every_piece_has_all_its_attempts() {
    for idempotent in [true, false] {
        let mut stage = Stage::new(config().linger_ms(50).enable_idempotence(idempotent).retries(1));
        stage.send(8);
        stage.flush();
        stage.take_seen();
        let mut pieces = 0;
        stage.inject(move |nth, seen| match nth {
            0 => Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS)),
            _ if seen.len > 300 => Some(Fault::refuse(ErrorCode::MESSAGE_TOO_LARGE)),
            _ => {
                pieces += 1;
                (pieces % 2 == 1).then(|| Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS))
            }
        });
        for _ in 0..35 {
            stage.send(16);
        }
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (36, 0, 0), "idempotent {idempotent}");
        assert!(stage.log(0).len() == 36 && stage.seen.lock().unwrap().len() > 10);
    }
}

/// Below Produce 13 an answer names its topic only, which may be another one by then.
#[test]
fn the_answer_of_a_topic_that_is_gone_proves_nothing_of_the_one_that_was_made_anew() {
    let settings = Settings { apis: Release::V4_0.apis(), ..Settings::default() };
    let config = config().metadata_max_age_ms(50).enable_idempotence(true);
    let mut stage = Stage::on(settings, Storage::<2, 4, 12, 1024>::new(), config, 2, 2);
    // Another broker, of which the cluster can be asked while this one is slow.
    stage.net.cluster.move_leader(NAME, 1, 2);
    stage.send_to(1, 8);
    stage.send(8);
    stage.flush();
    stage.inject(|nth, _| match nth {
        0 => Some(Fault::delay(400)),
        // The first batch in the new log.
        1 => Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS).and_delay(10)),
        _ => Some(Fault::delay(10)),
    });
    let late = stage.send(8);
    stage.until(|stage| stage.log(0).len() == 2);
    stage.net.cluster.delete_topic(NAME);
    stage.net.cluster.create_topic(NAME, 2, TopicConfig::default()).unwrap();
    for partition in [0, 1] {
        stage.net.cluster.set_replicas(NAME, partition, &[1, 2], &[1, 2]);
    }
    let (known, answers) = (stage.stats().metadata_updates, stage.stats().answers);
    stage.until(move |stage| stage.stats().metadata_updates > known + 1);
    assert_eq!(stage.stats().answers, answers, "the late one is still to come");
    stage.flush();
    assert!(stage.told(late).outcome.is_written(), "in the old log");
    stage.most_in_flight = 0;
    let ids: Vec<_> = (0..5).map(|_| stage.send(900)).collect();
    stage.flush();
    for id in &ids {
        assert!(stage.told(*id).outcome.is_written());
    }
    assert_eq!(stage.log(0), [(ids[0], 0), (ids[1], 1), (ids[2], 2), (ids[3], 3), (ids[4], 4)]);
    // With nothing of the old log in flight any more, acknowledgements prove again.
    stage.most_in_flight = 0;
    for _ in 0..5 {
        stage.send(900);
    }
    stage.flush();
    assert!(stage.most_in_flight > 2, "pipelined: {}", stage.most_in_flight);
}
