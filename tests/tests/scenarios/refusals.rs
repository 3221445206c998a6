//! What a broker says of single records when it refuses a batch (KIP-467), and what it does not get to say.
use super::stage::{NAME, Stage, config};
use kurier_broker::{Body, Fault, RequestInfo};
use kurier_core::error::{DeliveryError, Fate, Outcome};
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

const REFUSED: DeliveryError = DeliveryError::Broker(ErrorCode::INVALID_RECORD.0);

/// A producer that the broker knows, and a topic that takes no record without a key.
fn wants_keys() -> Stage {
    let mut stage = Stage::new(config().linger_ms(20));
    stage.send(8);
    stage.flush();
    assert!(stage.net.cluster.configure_topic(NAME, |config| config.compact = true));
    stage
}

fn failed(stage: &Stage, id: usize) -> (DeliveryError, Fate) {
    match stage.told(id).outcome {
        Outcome::Failed { error, written } => (error, written),
        outcome => panic!("{id} is {outcome:?}"),
    }
}

#[test]
fn records_to_blame_are_told_the_error_and_the_others_that_they_failed_with_them() {
    for pieces in [usize::MAX, 1] {
        let mut stage = wants_keys();
        stage.net.read_limit = pieces;
        let good = [stage.send_keyed(8), stage.send_keyed(8)];
        let bad = [stage.send(8), stage.send(8)];
        let last = stage.send_keyed(8);
        stage.flush();
        for id in bad {
            assert_eq!(failed(&stage, id), (REFUSED, Fate::NotWritten));
        }
        for id in [good[0], good[1], last] {
            assert_eq!(failed(&stage, id), (DeliveryError::BatchRejected, Fate::NotWritten));
        }
        assert_eq!(stage.message(last), "a record is not allowed");
        let next = stage.send_keyed(8);
        stage.flush();
        assert!(stage.told(next).outcome.is_written());
        stage.check();
    }
}

/// The notes on a refusal are written over the batch. If the answer breaks off behind them, the batch must not be sent
/// again.
#[test]
fn what_a_refusal_that_broke_off_was_written_over_is_not_sent_again() {
    for cut in [8, 12, 30] {
        let mut stage = wants_keys();
        let mut nth = 0;
        stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
            if !matches!(request.body, Body::Produce(_)) {
                return None;
            }
            nth += 1;
            let change: fn(&mut Vec<u8>) = match cut {
                8 => |frame| cut_short(frame, 8),
                12 => |frame| cut_short(frame, 12),
                _ => |frame| cut_short(frame, 30),
            };
            (nth == 1).then(|| Fault::alter(change))
        });
        let ids: Vec<_> =
            (0..30).map(|nth| if nth % 2 == 0 { stage.send(8) } else { stage.send_keyed(8) }).collect();
        stage.flush();
        assert!(stage.net.cluster.configure_topic(NAME, |config| config.compact = false));
        for id in ids {
            let (error, fate) = failed(&stage, id);
            assert_eq!((error, fate), (REFUSED, Fate::MaybeWritten), "cut by {cut}");
        }
        assert_eq!(stage.message(1), "", "nobody knows whether that was all of it");
        let next = stage.send(8);
        stage.flush();
        assert!(stage.told(next).outcome.is_written());
        stage.check();
    }
}

/// The frame ends so many bytes earlier.
fn cut_short(frame: &mut Vec<u8>, by: usize) {
    frame.truncate(frame.len() - by);
    let size = i32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&size.to_be_bytes());
}

/// A partition moves to a broker that speaks no version of Produce which this producer does, while its old leader has not
/// answered yet.
#[test]
fn what_the_old_leader_may_have_written_is_not_called_not_written_because_of_the_new_one() {
    let config = config().metadata_max_age_ms(50).request_timeout_ms(1000);
    let mut stage = Stage::with(Storage::<2, 4, 12, 1024>::new(), config, 2, 2);
    for partition in [0, 1] {
        stage.net.cluster.move_leader(NAME, partition, partition + 1);
    }
    let mut slow = false;
    stage.net.cluster.inject(move |request: &RequestInfo<'_>| match &request.body {
        Body::ApiVersions(_) if request.broker == 2 => {
            // Produce comes first, behind size, number, error and the length of the list.
            Some(Fault::alter(|frame| frame[13..17].copy_from_slice(&[0, 50, 0, 60])))
        }
        // All but the first one.
        Body::Produce(_) => std::mem::replace(&mut slow, true).then(|| Fault::delay(400)),
        _ => None,
    });
    let refused = [stage.send(8), stage.send_to(1, 8)][1];
    stage.flush();
    assert_eq!(failed(&stage, refused), (DeliveryError::UnsupportedVersion, Fate::NotWritten));
    let old = stage.send(8);
    stage.turns(5);
    stage.net.cluster.move_leader(NAME, 0, 2);
    stage.turns(200);
    let new = stage.send(8);
    stage.flush();
    stage.check();
    assert_eq!(failed(&stage, new), (DeliveryError::UnsupportedVersion, Fate::NotWritten));
    assert!(stage.told(old).outcome.is_written(), "{:?}", stage.told(old));
}

#[test]
fn what_a_broker_says_is_told_also_when_it_ends_the_producer() {
    // The error of the first partition in an answer of version 13 is another: behind the size, the number on the link, no
    // tags, one topic with its id, one partition with its index.
    const ERROR: usize = 4 + 4 + 1 + 1 + 16 + 1 + 4;
    let over: fn(&mut Vec<u8>) = |frame| {
        assert_eq!(frame[ERROR..][..2], ErrorCode::INVALID_RECORD.0.to_be_bytes());
        frame[ERROR..][..2].copy_from_slice(&ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0.to_be_bytes());
    };
    let mut stage = wants_keys();
    stage.inject(move |_, _| Some(Fault::alter(over)));
    let id = stage.send(8);
    stage.flush();
    assert_eq!(stage.refusal(id), (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, Fate::NotWritten));
    assert_eq!(stage.message(id), "a record is not allowed");
}
