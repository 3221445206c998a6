//! Sequences, epochs and the errors that concern them (KIP-98, KIP-360).
use super::stage::{NAME, Seen, Stage, config};
use kurier_broker::{Body, Fault, RequestInfo, TimestampType};
use kurier_core::error::Fate;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

/// A producer that the broker knows, so that batches are pipelined.
pub(super) fn begun() -> Stage {
    let mut stage = Stage::new(config().linger_ms(20));
    stage.send(8);
    stage.flush();
    stage.take_seen();
    stage
}

/// Five batches at once, one request each.
pub(super) fn five(stage: &mut Stage) -> Vec<usize> {
    let ids = (0..10).map(|_| stage.send(450)).collect();
    stage.producer.flush();
    ids
}

#[test]
fn five_in_flight_keep_their_order_whichever_of_them_is_refused() {
    for refused in 0..5 {
        for error in
            [ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::CORRUPT_MESSAGE]
        {
            let mut stage = begun();
            stage.inject(move |nth, _| {
                let fault = if nth == refused { Fault::refuse(error) } else { Fault::default() };
                Some(fault.and_delay(10))
            });
            five(&mut stage);
            stage.flush();
            stage.check();
            assert_eq!(stage.most_in_flight, 5, "pipelined");
            assert_eq!(stage.counts(), (11, 0, 0));
            assert!(stage.batches(0).iter().all(|(epoch, _, _)| *epoch == 0), "the epoch is kept");
        }
    }
}

#[test]
fn five_in_flight_keep_their_order_whichever_answer_is_lost() {
    for lost in 0..5 {
        for fault in
            [Fault::close_after(), Fault::close_before(), Fault::fail_after(ErrorCode::REQUEST_TIMED_OUT)]
        {
            let mut stage = begun();
            stage.inject(move |nth, _| {
                Some(if nth == lost { fault.clone() } else { Fault::default() }.and_delay(10))
            });
            five(&mut stage);
            stage.flush();
            stage.check();
            assert_eq!(stage.counts(), (11, 0, 0));
            assert!(stage.batches(0).iter().all(|(epoch, _, _)| *epoch == 0), "the epoch is kept");
        }
    }
}

#[test]
fn after_a_refusal_nothing_is_sent_before_all_in_flight_are_answered_and_then_from_the_oldest_on() {
    let mut stage = begun();
    stage.inject(|nth, _| {
        let fault = if nth == 0 { Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS) } else { Fault::default() };
        Some(fault.and_delay(30))
    });
    for _ in 0..6 {
        stage.send(450);
    }
    stage.until(|stage| stage.seen.lock().unwrap().len() == 3);
    // The first answer has come, the others have not; another batch is ready meanwhile.
    stage.until(|stage| stage.producer.requests_in_flight() < 3);
    stage.send(450);
    stage.send(450);
    stage.flush();
    stage.check();
    let seen: Vec<_> = stage.take_seen().iter().map(|seen| seen.sequence).collect();
    assert_eq!(seen[..7], [1, 3, 5, 1, 3, 5, 7], "{seen:?}");
}

#[test]
fn after_an_expiry_the_next_acknowledgement_closes_the_gap_if_the_batch_was_written() {
    let mut stage = Stage::new(config().request_timeout_ms(300).delivery_timeout_ms(400));
    stage.send(8);
    stage.flush();
    stage.take_seen();
    stage.inject(|_, seen| (seen.sequence == 1).then(Fault::lose_answer));
    let expired = stage.send(8);
    stage.until(|stage| stage.seen.lock().unwrap().len() == 1);
    stage.turns(200);
    let next = stage.send(8);
    stage.flush();
    assert_eq!(stage.told(expired).outcome.fate(), Fate::MaybeWritten);
    assert!(stage.told(next).outcome.is_written());
    stage.check();
    assert_eq!(stage.batches(0), [(0, 0, 1), (0, 1, 1), (0, 2, 1)]);
}

#[test]
fn after_an_expiry_a_gap_that_is_real_begins_a_new_epoch() {
    let mut stage = Stage::new(config().request_timeout_ms(300).delivery_timeout_ms(400));
    stage.send(8);
    stage.flush();
    stage.inject(|_, seen| (seen.sequence == 1).then(Fault::ignore));
    let expired = stage.send(8);
    stage.until(|stage| stage.seen.lock().unwrap().len() == 1);
    stage.turns(150);
    let next = stage.send(8);
    stage.flush();
    assert!(matches!(stage.told(expired).outcome.fate(), Fate::MaybeWritten));
    assert!(stage.told(next).outcome.is_written());
    stage.check();
    assert_eq!(stage.batches(0).last().unwrap().0, 1);
}

#[test]
fn the_oldest_out_of_order_begins_a_new_epoch_if_it_was_never_written() {
    for error in [ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode::UNKNOWN_PRODUCER_ID] {
        let mut stage = begun();
        stage.inject(move |nth, _| (nth == 0).then(|| Fault::refuse(error).and_delay(10)));
        stage.send(8);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (2, 0, 0));
        assert_eq!(stage.batches(0), [(0, 0, 1), (1, 0, 1)]);
    }
}

#[test]
fn the_newest_out_of_order_was_not_written_though_an_attempt_at_it_was_lost() {
    let mut stage = begun();
    stage.inject(|nth, _| match nth {
        0 => Some(Fault::close_before()),
        1 => Some(Fault::refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)),
        _ => None,
    });
    stage.send(8);
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (2, 0, 0));
    assert_eq!(stage.batches(0), [(0, 0, 1), (1, 0, 1)]);
}

/// `logStartOffset` of the first partition in an answer of version 13: behind the size, the number on the link, no tags,
/// one topic with its id, one partition with its index, error, offset and time.
const LOG_START: usize = 4 + 4 + 1 + 1 + 16 + 1 + 4 + 2 + 8 + 8;

#[test]
fn a_broker_that_knows_neither_the_producer_nor_the_log_is_asked_again() {
    let no_log: fn(&mut Vec<u8>) = |frame| {
        let start = &mut frame[LOG_START..][..8];
        assert_eq!(start, 0_i64.to_be_bytes(), "the log begins at 0");
        start.copy_from_slice(&(-1_i64).to_be_bytes());
    };
    for written in [true, false] {
        let mut stage = begun();
        stage.inject(move |nth, _| match nth {
            0 if written => Some(Fault::close_after()),
            0 => Some(Fault::close_before()),
            1 | 2 => Some(Fault { alter: Some(no_log), ..Fault::refuse(ErrorCode::UNKNOWN_PRODUCER_ID) }),
            _ => None,
        });
        let id = stage.send(8);
        stage.flush();
        stage.check();
        assert_eq!(stage.told(id).offset, Some(1));
        assert_eq!(stage.batches(0), [(0, 0, 1), (0, 1, 1)], "no new epoch");
    }
}

#[test]
fn a_broker_that_has_forgotten_the_producer_does_not_tell_what_it_has_of_it() {
    let mut stage = begun();
    stage.inject(|nth, _| match nth {
        0 => Some(Fault::close_after()),
        1 => Some(Fault::refuse(ErrorCode::UNKNOWN_PRODUCER_ID)),
        _ => None,
    });
    let id = stage.send(8);
    stage.flush();
    assert_eq!(stage.refusal(id), (ErrorCode::UNKNOWN_PRODUCER_ID, Fate::MaybeWritten));
    stage.send(8);
    stage.flush();
    stage.check();
    assert_eq!(stage.batches(0), [(0, 0, 1), (0, 1, 1), (1, 0, 1)]);
}

#[test]
fn one_that_is_not_the_oldest_is_sent_again_as_it_was() {
    for error in [ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode::UNKNOWN_PRODUCER_ID] {
        let mut stage = begun();
        stage.inject(move |nth, _| match nth {
            // Its answer comes after that of none: both are in flight.
            0 => Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS).and_delay(10)),
            1 => Some(Fault::refuse(error).and_delay(10)),
            _ => None,
        });
        for _ in 0..4 {
            stage.send(450);
        }
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (5, 0, 0));
        assert!(stage.batches(0).iter().all(|(epoch, _, _)| *epoch == 0), "no new epoch");
    }
}

/// Kafka's `canRetry` wants an attempt that is left, whatever the error is.
#[test]
fn what_is_behind_a_gap_is_tried_no_more_often_than_the_rest() {
    let mut stage = Stage::new(config().linger_ms(20).enable_idempotence(true).retries(1));
    stage.send(8);
    stage.flush();
    // The second of five fails when it is tried again, which leaves a gap before the three behind it.
    stage.inject(|nth, _| match nth {
        1..=4 => Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS).and_delay(10)),
        5 => Some(Fault::refuse(ErrorCode::INVALID_TIMESTAMP).and_delay(10)),
        6..=8 => Some(Fault::refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER).and_delay(10)),
        _ => None,
    });
    let ids = five(&mut stage);
    stage.flush();
    stage.check();
    assert_eq!(stage.seen.lock().unwrap().len(), 9, "each of the four is tried twice");
    let not_written = |code: ErrorCode| (code, Fate::NotWritten);
    assert_eq!(stage.refusal(ids[2]), not_written(ErrorCode::INVALID_TIMESTAMP));
    for id in &ids[4..] {
        assert_eq!(stage.refusal(*id), not_written(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    }
    let next = stage.send(8);
    stage.flush();
    assert_eq!(stage.told(next).offset, Some(3), "a new epoch follows on");
}

#[test]
fn a_duplicate_is_written_at_an_offset_that_nobody_knows() {
    let mut stage = begun();
    stage.inject(|nth, _| (nth == 0).then(|| Fault::fail_after(ErrorCode::DUPLICATE_SEQUENCE_NUMBER)));
    let id = stage.send(8);
    stage.flush();
    assert!(stage.told(id).outcome.is_written());
    assert_eq!(stage.told(id).offset, None);
    let next = stage.send(8);
    stage.flush();
    assert_eq!(stage.told(next).offset, Some(2));
    stage.check();
}

#[test]
fn a_producer_that_its_broker_has_forgotten_goes_on() {
    let mut stage = begun();
    // All of the log is deleted, and the state with it.
    stage.net.cluster.delete_records(NAME, 0, 1);
    for _ in 0..3 {
        stage.send(8);
        stage.flush();
    }
    stage.check_tail(1);
    assert_eq!(stage.counts(), (4, 0, 0));
}

#[test]
fn a_used_up_epoch_ends_in_a_new_producer_id() {
    let mut stage = Stage::new(config());
    let mut nth = 0;
    let mut identities = 0;
    stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
        if matches!(request.body, Body::InitProducerId(_)) {
            identities += 1;
            // The last epoch there is: 32766.
            return (identities == 1).then(|| {
                Fault::alter(|frame| {
                    let end = frame.len() - 1;
                    frame[end - 2..end].copy_from_slice(&32_766_i16.to_be_bytes());
                })
            });
        }
        let seen = Seen::of(request)?;
        nth += 1;
        assert_eq!(seen.epoch, if nth <= 2 { 32_766 } else { 0 }, "request {nth}");
        (nth == 2).then(|| Fault::refuse(ErrorCode::INVALID_RECORD))
    });
    stage.send(8);
    stage.flush();
    let refused = stage.send(8);
    stage.flush();
    assert_eq!(stage.told(refused).outcome.fate(), Fate::NotWritten);
    stage.send(8);
    stage.send(8);
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (3, 0, 1));
    let ids: Vec<_> = stage.net.cluster.batches(NAME, 0).map(|batch| batch.header.producer_id).collect();
    assert!(ids.first() != ids.last());
}

#[test]
fn one_new_epoch_serves_all_partitions_and_batches_on_their_way_keep_the_old_one() {
    let mut stage = Stage::with(Storage::<2, 4, 12, 1024>::new(), config(), 1, 2);
    for partition in [0, 1] {
        stage.send_to(partition, 8);
        stage.flush();
    }
    stage.inject(|nth, _| (nth == 0).then(|| Fault::refuse(ErrorCode::INVALID_RECORD)));
    stage.send_to(0, 8);
    stage.flush();
    for _ in 0..2 {
        for partition in [0, 1] {
            stage.send_to(partition, 8);
            stage.flush();
        }
    }
    stage.check();
    assert_eq!(stage.batches(0), [(0, 0, 1), (1, 0, 1), (1, 1, 1)]);
    assert_eq!(stage.batches(1), [(0, 0, 1), (1, 0, 1), (1, 1, 1)]);
}

#[test]
fn records_without_a_time_go_one_batch_at_a_time_unless_the_topic_stamps_them() {
    for (kind, most) in [(TimestampType::CreateTime, 1), (TimestampType::LogAppendTime, 5)] {
        let mut stage = begun();
        assert!(stage.net.cluster.configure_topic(NAME, |config| config.timestamp_type = kind));
        stage.stamps = false;
        stage.send(8);
        stage.flush();
        stage.most_in_flight = 0;
        stage.inject(|_, _| Some(Fault::default().and_delay(10)));
        five(&mut stage);
        stage.flush();
        stage.check();
        assert_eq!((stage.counts(), stage.most_in_flight), ((12, 0, 0), most), "{kind:?}");
        // The next that has a time proves again that it is known.
        stage.stamps = true;
        stage.send(8);
        stage.flush();
        stage.most_in_flight = 0;
        five(&mut stage);
        stage.flush();
        stage.check();
        assert_eq!(stage.most_in_flight, 5);
    }
}

#[test]
fn the_time_of_a_batch_that_the_broker_has_already_is_not_told_as_the_brokers_own() {
    for (kind, stamped) in [(TimestampType::CreateTime, false), (TimestampType::LogAppendTime, true)] {
        let mut stage = begun();
        assert!(stage.net.cluster.configure_topic(NAME, |config| config.timestamp_type = kind));
        stage.inject(|nth, _| (nth == 0).then(Fault::close_after));
        let again = stage.send(8);
        stage.flush();
        assert_eq!(stage.log(0).len(), 2, "it was in the log when it was sent again");
        let once = stage.send(8);
        stage.flush();
        stage.check();
        // A broker tells the newest time in a batch that it has, as if it had stamped it itself.
        for id in [again, once] {
            assert_eq!(stage.told(id).timestamp.is_some(), stamped, "{kind:?}: {:?}", stage.told(id));
        }
    }
}
