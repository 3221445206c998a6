//! Idempotent producers: the next batch, duplicates, gaps, epochs.
use crate::produce::{Produced, refused, written};
use crate::talk::Talk;
use kurier_broker::testing::BatchBuilder;

const OUT_OF_ORDER: i64 = 45;
const INVALID_EPOCH: i64 = 47;
/// The timestamp of the records here; a duplicate is answered with it.
const TIME: i64 = 1_700_000_000_000;

fn batch(id: i64, epoch: i16, sequence: i32, count: i32) -> Vec<u8> {
    (0..count).fold(BatchBuilder::new().producer(id, epoch, sequence), |batch, _| batch.value(b"v")).build()
}

fn duplicate(offset: i64) -> Produced {
    Produced { append_time: TIME, ..written(offset) }
}

#[test]
fn batches_follow_each_other_and_duplicates_get_the_old_offset() {
    let mut talk = Talk::new();
    let topic = talk.topic("duplicates", 1, &[]);
    let mut send = |sequence, count| talk.produce(9, &topic, 0, &batch(4000, 0, sequence, count));
    assert_eq!(send(0, 3), written(0));
    assert_eq!(send(0, 3), duplicate(0));
    assert_eq!(send(3, 1), written(3));
    assert_eq!(send(4, 2), written(4));
    assert_eq!(send(0, 3), duplicate(0));
    assert_eq!(send(3, 1), duplicate(3));
    assert_eq!(send(3, 2), refused(OUT_OF_ORDER), "another range is no duplicate");
    assert_eq!(send(7, 1), refused(OUT_OF_ORDER));
    assert_eq!(send(6, 1), written(6));
}

#[test]
fn only_five_batches_are_remembered() {
    let mut talk = Talk::new();
    let topic = talk.topic("five", 1, &[]);
    let mut send = |sequence| talk.produce(9, &topic, 0, &batch(4000, 0, sequence, 1));
    for sequence in 0..6 {
        assert_eq!(send(sequence), written(i64::from(sequence)));
    }
    assert_eq!(send(0), refused(OUT_OF_ORDER));
    assert_eq!(send(1), duplicate(1));
    assert_eq!(send(5), duplicate(5));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut talk = Talk::new();
    let topic = talk.topic("unknown-producer", 1, &[]);
    assert_eq!(talk.produce(9, &topic, 0, &batch(4000, 3, 17, 2)), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &batch(4000, 3, 19, 1)), written(2));
    assert_eq!(talk.produce(9, &topic, 0, &batch(4001, 0, 0, 1)), written(3));
}

#[test]
fn a_new_epoch_begins_at_zero_and_the_old_one_is_refused() {
    let mut talk = Talk::new();
    let topic = talk.topic("epochs", 1, &[]);
    let mut send = |epoch, sequence| talk.produce(9, &topic, 0, &batch(4000, epoch, sequence, 1));
    assert_eq!(send(1, 0), written(0));
    assert_eq!(send(0, 0), refused(INVALID_EPOCH));
    assert_eq!(send(0, 1), refused(INVALID_EPOCH));
    assert_eq!(send(2, 1), refused(OUT_OF_ORDER));
    assert_eq!(send(2, 0), written(1));
    assert_eq!(send(1, 0), refused(INVALID_EPOCH), "not even a duplicate");
    assert_eq!(send(2, 0), duplicate(1));
    assert_eq!(send(9, 0), written(2));
}

#[test]
fn sequences_wrap_to_zero() {
    let mut talk = Talk::new();
    let topic = talk.topic("wrap", 1, &[]);
    let mut send = |sequence, count| talk.produce(9, &topic, 0, &batch(4000, 0, sequence, count));
    assert_eq!(send(i32::MAX - 1, 2), written(0));
    assert_eq!(send(0, 1), written(2));
    let mut across = |sequence, count| talk.produce(9, &topic, 0, &batch(4001, 0, sequence, count));
    assert_eq!(across(i32::MAX, 3), written(3));
    assert_eq!(across(2, 1), written(6));
    assert_eq!(across(i32::MAX, 3), duplicate(3));
    assert_eq!(across(0, 1), refused(OUT_OF_ORDER));
}

#[test]
fn partitions_remember_apart() {
    let mut talk = Talk::new();
    let topic = talk.topic("apart", 2, &[]);
    assert_eq!(talk.produce(9, &topic, 0, &batch(4000, 0, 0, 1)), written(0));
    assert_eq!(talk.produce(9, &topic, 1, &batch(4000, 0, 0, 1)), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &batch(4000, 0, 1, 1)), written(1));
}

#[test]
fn producer_fields_without_sense() {
    let mut talk = Talk::new();
    let topic = talk.topic("no-sense", 1, &[]);
    let mut send = |id, epoch, sequence| talk.produce(9, &topic, 0, &batch(id, epoch, sequence, 1));
    assert_eq!(send(4000, 0, -1), refused(87), "an id without a sequence");
    assert_eq!(send(4000, 0, i32::MIN), refused(87));
    assert_eq!(send(-1, 5, 7), written(0), "no id: nothing is looked at");
    assert_eq!(send(-2, 0, 0), written(1));
    assert_eq!(send(4001, -1, 5), written(2), "no epoch");
    assert_eq!(send(4001, -1, 7), written(3));
    assert_eq!(send(4001, -1, 7), duplicate(3));
    assert_eq!(send(4001, 0, 3), written(4));
    assert_eq!(send(4002, i16::MAX, 0), written(5));
    assert_eq!(send(4002, i16::MAX, 1), written(6));
}
