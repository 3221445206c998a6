//! No room: the newest record is refused, or the oldest batch that was never sent is dropped for it.
use super::stage::{NAME, Stage, config};
use kurier_broker::{Fault, TopicConfig};
use kurier_core::error::{DeliveryError, Fate, Outcome, SendError};
use kurier_core::record::Record;
use kurier_core::storage::Storage;

const DISPLACED: Outcome = Outcome::Failed { error: DeliveryError::Displaced, written: Fate::NotWritten };

/// A producer without room: answers are withheld, so that one batch is in flight and three wait.
fn full() -> (Stage, Vec<usize>) {
    let config = config().request_timeout_ms(500).delivery_timeout_ms(60_000);
    let mut stage = Stage::with(Storage::<2, 4, 4, 1024>::new(), config, 2, 1);
    stage.inject(|nth, _| (nth == 0).then(Fault::lose_answer));
    let first = stage.send(800);
    stage.until(|stage| stage.log(0).len() == 1);
    let mut ids = vec![first];
    ids.extend((0..3).map(|_| stage.try_send(Some(0), None, 800).unwrap()));
    assert_eq!(stage.try_send(Some(0), None, 800), Err(SendError::Full));
    (stage, ids)
}

#[test]
fn the_oldest_that_was_never_sent_makes_room_and_all_others_are_written() {
    let (mut stage, ids) = full();
    let topic = stage.topic;
    assert!(stage.producer.drop_oldest(topic));
    assert_eq!(stage.try_send(Some(0), None, 800), Err(SendError::Full), "its delivery was not taken");
    stage.take();
    assert_eq!(stage.told(ids[1]).outcome, DISPLACED, "before that of the batch ahead of it");
    let newer = stage.try_send(Some(0), None, 800).unwrap();
    assert!(stage.producer.drop_oldest(topic));
    stage.flush();
    stage.check();
    assert_eq!(stage.told(ids[2]).outcome, DISPLACED);
    assert_eq!(stage.log(0), [(ids[0], 0), (ids[3], 1), (newer, 2)]);
    assert_eq!(stage.stats().record_errors, 2);
}

#[test]
fn what_was_sent_once_is_never_dropped() {
    let (mut stage, ids) = full();
    let topic = stage.topic;
    for id in &ids[1..] {
        assert!(stage.producer.drop_oldest(topic));
        stage.take();
        assert_eq!(stage.told(*id).outcome, DISPLACED);
    }
    assert!(!stage.producer.drop_oldest(topic));
    stage.flush();
    stage.check();
    assert_eq!(stage.log(0), [(ids[0], 0)]);
}

#[test]
fn other_topics_keep_theirs_however_old() {
    let (mut stage, ids) = full();
    stage.net.cluster.create_topic("other", 1, TopicConfig::default()).unwrap();
    let other = stage.producer.topic("other", stage.now).unwrap();
    assert!(!stage.producer.drop_oldest(other), "nothing of it waits");
    assert!(stage.producer.drop_oldest(stage.topic));
    stage.until(|stage| stage.producer.partitions(other).is_some());
    let now = stage.now;
    stage.producer.send(other, Record::value(b"00000000"), now).unwrap();
    assert!(stage.producer.drop_oldest(other), "the batch that takes records, too");
    stage.flush();
    stage.check();
    assert_eq!(stage.log(0), [(ids[0], 0), (ids[2], 1), (ids[3], 2)]);
    assert_eq!(stage.net.cluster.records("other", 0).count(), 0);
}

#[test]
fn the_oldest_is_so_among_all_partitions() {
    let mut stage = Stage::with(Storage::<2, 4, 4, 1024>::new(), config().linger_ms(10_000), 1, 3);
    stage.until(|stage| stage.producer.partitions(stage.topic).is_some());
    let ids = [2, 0, 1, 0].map(|partition| stage.try_send(Some(partition), None, 800).unwrap());
    for id in ids {
        assert!(stage.producer.drop_oldest(stage.topic));
        stage.take();
        assert_eq!(stage.told(id).outcome, DISPLACED);
    }
    assert!(!stage.producer.drop_oldest(stage.topic));
}

#[test]
fn nothing_is_flushed_before_it_is_told_that_it_was_dropped() {
    let (mut stage, _) = full();
    let mark = stage.producer.flush();
    for _ in 0..3 {
        assert!(stage.producer.drop_oldest(stage.topic));
    }
    stage.net.cluster.inject(|_| None);
    assert!(!stage.is_flushed(mark));
    stage.until(|stage| stage.is_flushed(mark));
    assert_eq!(stage.counts(), (1, 0, 3));
    assert_eq!(stage.net.cluster.records(NAME, 0).count(), 1);
}
