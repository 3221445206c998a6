//! A broker that is started again remembers of a producer only its newest batch, and denies the older ones though it
//! has them (OUT_OF_ORDER_SEQUENCE_NUMBER; seen on 4.3.1).
use super::stage::{NAME, Seen, Stage, config};
use kurier_broker::{Fault, Release, Settings, TopicConfig};
use kurier_core::error::Fate;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;

const PORT: i32 = 1;

/// One record acknowledged, then batches of one record each, which are carried out or not, and none answered.
fn in_doubt(batches: usize, carried_out: usize) -> Stage {
    let mut stage = Stage::new(config().reconnect_backoff_ms(10).reconnect_backoff_max_ms(20));
    stage.send(8);
    stage.flush();
    stage.take_seen();
    stage.inject(move |nth, _| match nth {
        nth if nth < carried_out => Some(Fault::lose_answer()),
        nth if nth < batches => Some(Fault::ignore()),
        _ => None,
    });
    for _ in 0..batches {
        // Each fills its batch.
        stage.send(900);
    }
    stage.until(move |stage| stage.seen.lock().unwrap().len() == batches);
    stage
}

/// The broker ends and starts again, with what its snapshot holds.
fn restart(stage: &mut Stage) {
    stage.net.cluster.kill(PORT);
    stage.turns(50);
    stage.net.cluster.restart(PORT);
    stage.take_seen();
}

#[test]
fn what_was_written_before_a_restart_is_neither_doubled_nor_in_doubt() {
    for batches in 1..=5 {
        let mut stage = in_doubt(batches, batches);
        restart(&mut stage);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (batches + 1, 0, 0), "{batches}");
        assert_eq!(stage.log(0).len(), batches + 1);
    }
}

#[test]
fn what_was_not_written_before_a_restart_is_sent_behind_what_was() {
    for carried_out in 0..=5 {
        let mut stage = in_doubt(5, carried_out);
        restart(&mut stage);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (6, 0, 0), "{carried_out}");
        assert!(stage.batches(0).iter().all(|(epoch, ..)| *epoch == 0), "no gap, so no new epoch");
    }
}

#[test]
fn when_each_batch_is_denied_all_are_stamped_anew() {
    // The acknowledged record is lost with its leader's log: nothing that follows on it can be taken.
    let mut stage = in_doubt(5, 0);
    stage.net.cluster.kill(PORT);
    stage.turns(50);
    stage.net.cluster.restart(PORT);
    stage.inject(|_, seen: Seen| {
        (seen.epoch == 0).then(|| Fault::refuse(kurier_core::wire::ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER))
    });
    stage.take_seen();
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (6, 0, 0));
    assert!(stage.batches(0)[1..].iter().all(|(epoch, ..)| *epoch == 1));
}

/// A topic is deleted and made anew, which nothing says where topics have no ids. Of two batches on their way the first is
/// refused, and the second taken, as the first of a producer nobody knows.
#[test]
fn an_acknowledgement_from_a_log_made_anew_says_nothing_of_earlier_batches_and_they_are_not_written_behind_it()
 {
    let maybe = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let not = ErrorCode::NOT_ENOUGH_REPLICAS;
    for (error, duplicate) in [(maybe, false), (not, false), (maybe, true), (not, true)] {
        let settings = Settings::release(Release::V3_9);
        let mut stage = Stage::on(settings, Storage::<2, 4, 12, 1024>::new(), config().linger_ms(20), 1, 1);
        stage.send(8);
        stage.flush();
        // No metadata is under way.
        stage.turns(200);
        stage.net.cluster.delete_topic(NAME);
        stage.net.cluster.create_topic(NAME, 1, TopicConfig::default()).unwrap();
        stage.inject(move |nth, _| match nth {
            0 => Some(Fault::refuse(error).and_delay(5)),
            // Which tells no offset, so the log may be any.
            1 if duplicate => Some(Fault::fail_after(ErrorCode::DUPLICATE_SEQUENCE_NUMBER)),
            _ => None,
        });
        let refused = stage.send(900);
        let taken = stage.send(900);
        stage.flush();
        assert!(stage.told(taken).outcome.is_written());
        let fate = if error == maybe { Fate::MaybeWritten } else { Fate::NotWritten };
        assert_eq!(stage.refusal(refused), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, fate));
        let last = stage.send(8);
        stage.flush();
        assert!(stage.told(last).outcome.is_written());
        assert_eq!(stage.log(0), [(taken, 0), (last, 1)]);
    }
}

/// The leader does not know the partition, because its topic was deleted; it is made anew before anybody asks, and topics
/// have no ids. Of what was acknowledged the new log has nothing: so batches go one at a time, as at the very beginning.
#[test]
fn a_partition_that_its_leader_did_not_know_is_written_to_one_batch_at_a_time() {
    let settings = Settings::release(Release::V2_4);
    let mut stage = Stage::on(settings, Storage::<2, 4, 12, 1024>::new(), config(), 1, 1);
    stage.send(8);
    stage.flush();
    stage.turns(200);
    stage.net.cluster.delete_topic(NAME);
    stage.inject(move |nth, _| match nth {
        0 => Some(Fault::refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
        // The first one of the new log.
        1 => Some(Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS).and_delay(5)),
        _ => None,
    });
    let first = stage.send(900);
    stage.until(|stage| !stage.seen.lock().unwrap().is_empty());
    stage.net.cluster.create_topic(NAME, 1, TopicConfig::default()).unwrap();
    let second = stage.send(900);
    stage.flush();
    assert_eq!(stage.log(0), [(first, 0), (second, 1)]);
    for (id, offset) in [(first, 0), (second, 1)] {
        assert_eq!((stage.told(id).outcome.fate(), stage.told(id).offset), (Fate::Written, Some(offset)));
    }
}
