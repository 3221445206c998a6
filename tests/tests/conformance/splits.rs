//! Batches refused as too large, and the pieces that take their place, while others are in flight.
use crate::produce::{Produced, refused, written};
use crate::talk::Talk;
use kurier_broker::testing::BatchBuilder;

const TOO_LARGE: i64 = 10;
const OUT_OF_ORDER: i64 = 45;
const SMALL: &[(&str, &str)] = &[("max.message.bytes", "100")];

/// `count` records of 10 bytes: three fit, four do not.
fn batch(sequence: i32, count: i32) -> Vec<u8> {
    let batch = BatchBuilder::new().producer(4000, 0, sequence);
    (0..count).fold(batch, |batch, _| batch.value(b"vvv")).build()
}

fn duplicate(offset: i64) -> Produced {
    Produced { append_time: 1_700_000_000_000, ..written(offset) }
}

#[test]
fn pieces_share_the_sequences_of_the_batch_that_was_too_large() {
    let mut talk = Talk::new();
    let topic = talk.topic("pieces", 1, SMALL);
    assert_eq!(talk.produce(9, &topic, 0, &batch(0, 1)), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &batch(1, 6)), refused(TOO_LARGE), "leaves no trace");
    assert_eq!(talk.produce(9, &topic, 0, &batch(4, 3)), refused(OUT_OF_ORDER), "the second piece first");
    assert_eq!(talk.produce(9, &topic, 0, &batch(1, 3)), written(1), "a prefix with the same first sequence");
    assert_eq!(talk.produce(9, &topic, 0, &batch(1, 3)), duplicate(1));
    assert_eq!(
        talk.produce(9, &topic, 0, &batch(1, 6)),
        refused(TOO_LARGE),
        "the size comes before the sequence"
    );
    assert_eq!(
        talk.produce(9, &topic, 0, &batch(1, 2)),
        refused(OUT_OF_ORDER),
        "another prefix is no duplicate"
    );
    assert_eq!(talk.produce(9, &topic, 0, &batch(3, 2)), refused(OUT_OF_ORDER), "nor is one that overlaps");
    assert_eq!(talk.produce(9, &topic, 0, &batch(4, 1)), written(4), "the rest in other pieces");
    assert_eq!(talk.produce(9, &topic, 0, &batch(5, 2)), written(5));
    assert_eq!(talk.produce(9, &topic, 0, &batch(7, 1)), written(7));
}

#[test]
fn what_is_in_flight_behind_a_batch_that_is_too_large_is_out_of_order() {
    let mut talk = Talk::new();
    let topic = talk.topic("behind", 1, SMALL);
    assert_eq!(talk.produce(9, &topic, 0, &batch(0, 1)), written(0));
    let five = [batch(1, 6), batch(7, 1), batch(8, 4), batch(12, 1), batch(13, 1)];
    let errors: Vec<i64> = talk.produce_at_once(&topic, 0, &five).iter().map(|answer| answer.error).collect();
    assert_eq!(errors, [TOO_LARGE, OUT_OF_ORDER, TOO_LARGE, OUT_OF_ORDER, OUT_OF_ORDER]);
    // All of it again, the large ones in pieces.
    let again =
        [batch(1, 3), batch(4, 3), batch(7, 1), batch(8, 2), batch(10, 2), batch(12, 1), batch(13, 1)];
    let offsets: Vec<i64> =
        talk.produce_at_once(&topic, 0, &again).iter().map(|answer| answer.offset).collect();
    assert_eq!(offsets, [1, 4, 7, 8, 10, 12, 13]);
}

#[test]
fn behind_the_first_batch_of_all_anything_is_let_in() {
    let mut talk = Talk::new();
    let topic = talk.topic("first-of-all", 1, SMALL);
    let answers = talk.produce_at_once(&topic, 0, &[batch(0, 6), batch(6, 1), batch(7, 1)]);
    assert_eq!(
        answers,
        [refused(TOO_LARGE), written(0), written(1)],
        "the partition knows nothing of the producer"
    );
    assert_eq!(
        talk.produce(9, &topic, 0, &batch(0, 3)),
        refused(OUT_OF_ORDER),
        "and now the pieces are too late"
    );
}

#[test]
fn a_gap_in_flight_refuses_all_that_follows_until_it_is_filled() {
    let mut talk = Talk::new();
    let topic = talk.topic("gap", 1, &[]);
    let lost = BatchBuilder::new().producer(4000, 0, 1).value(b"vvv").bad_crc().build();
    let sets = [batch(0, 1), lost, batch(2, 1), batch(3, 1), batch(4, 1)];
    let errors: Vec<i64> = talk.produce_at_once(&topic, 0, &sets).iter().map(|answer| answer.error).collect();
    assert_eq!(errors, [0, 2, OUT_OF_ORDER, OUT_OF_ORDER, OUT_OF_ORDER]);
    let again = [batch(1, 1), batch(2, 1), batch(3, 1), batch(4, 1)];
    let offsets: Vec<i64> =
        talk.produce_at_once(&topic, 0, &again).iter().map(|answer| answer.offset).collect();
    assert_eq!(offsets, [1, 2, 3, 4]);
    // Resent after a lost link: the answers of all five come again.
    let five = [batch(0, 1), batch(1, 1), batch(2, 1), batch(3, 1), batch(4, 1)];
    let answers = talk.produce_at_once(&topic, 0, &five);
    assert_eq!(answers, [duplicate(0), duplicate(1), duplicate(2), duplicate(3), duplicate(4)]);
}
