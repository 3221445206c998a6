//! Records and topics that are deleted, and topics made anew.
use crate::produce::{Produced, produce_request, produced, refused, written};
use crate::talk::Answer;
use crate::talk::Talk;
use kurier_broker::api;
use kurier_broker::testing::BatchBuilder;

const UNKNOWN_TOPIC: i64 = 3;
const OUT_OF_ORDER: i64 = 45;
const INVALID_EPOCH: i64 = 47;
const UNKNOWN_TOPIC_ID: i64 = 100;
/// The timestamp of the records here; a duplicate is answered with it.
const TIME: i64 = 1_700_000_000_000;

fn batch(epoch: i16, sequence: i32, count: i32) -> Vec<u8> {
    (0..count).fold(BatchBuilder::new().producer(4000, epoch, sequence), |batch, _| batch.value(b"v")).build()
}

fn duplicate(offset: i64) -> Produced {
    Produced { append_time: TIME, ..written(offset) }
}

#[test]
fn a_producer_is_remembered_when_its_records_are_deleted() {
    let mut talk = Talk::new();
    let topic = talk.topic("deleted-records", 1, &[]);
    for (sequence, offset) in [(0, 0), (3, 3), (6, 6)] {
        assert_eq!(talk.produce(9, &topic, 0, &batch(1, sequence, 3)), written(offset));
    }
    // Into the middle of a batch, then everything: where the log begins is told with every answer that has room for it.
    for start in [4, 9] {
        talk.trim(&topic, 0, start);
        for version in [3, 5, 9, 13] {
            assert_eq!(
                talk.produce(version, &topic, 0, &batch(1, 0, 3)),
                duplicate(0),
                "before the log's start"
            );
            assert_eq!(talk.produce(version, &topic, 0, &batch(1, 6, 3)), duplicate(6));
            assert_eq!(talk.produce(version, &topic, 0, &batch(1, 10, 1)), refused(OUT_OF_ORDER));
            assert_eq!(talk.produce(version, &topic, 0, &batch(2, 1, 1)), refused(OUT_OF_ORDER));
            assert_eq!(talk.produce(version, &topic, 0, &batch(0, 0, 1)), refused(INVALID_EPOCH));
        }
    }
    assert_eq!(talk.produce(9, &topic, 0, &batch(1, 9, 1)), written(9), "never UNKNOWN_PRODUCER_ID");
}

#[test]
fn a_deleted_topic_is_unknown_by_name_and_by_id() {
    let mut talk = Talk::new();
    let topic = talk.topic("deleted-topic", 1, &[]);
    assert_eq!(talk.produce(13, &topic, 0, &batch(0, 0, 1)), written(0));
    talk.delete(&topic);
    for version in [3, 9, 12] {
        assert_eq!(talk.produce(version, &topic, 0, &batch(0, 1, 1)), refused(UNKNOWN_TOPIC));
    }
    assert_eq!(talk.produce(13, &topic, 0, &batch(0, 1, 1)), refused(UNKNOWN_TOPIC_ID));
}

#[test]
fn a_topic_made_anew_has_another_id_and_remembers_nobody() {
    let mut talk = Talk::new();
    let topic = talk.topic("made-anew", 1, &[]);
    assert_eq!(talk.produce(13, &topic, 0, &batch(5, 0, 1)), written(0));
    assert_eq!(talk.produce(12, &topic, 0, &batch(5, 1, 1)), written(1));
    let old = talk.recreate(&topic);
    assert_eq!(talk.produce(13, &old, 0, &batch(5, 2, 1)), refused(UNKNOWN_TOPIC_ID));
    // Both in one request, as from a client that learned of it in between.
    let (two, nine) = (batch(5, 2, 1), batch(5, 9, 1));
    let parts: [(&str, i32, Option<&[u8]>); 2] = [(&old, 0, Some(&two)), (&topic, 0, Some(&nine))];
    let Answer::Body(body) = talk.ask(api::PRODUCE, 13, &produce_request(-1, &parts)) else { panic!() };
    let errors = body.list("responses").iter().flat_map(|topic| topic.list("partitionResponses"));
    let mut errors: Vec<i64> = errors.map(|part| part.int("errorCode")).collect();
    errors.sort_unstable();
    assert_eq!(errors, [0, UNKNOWN_TOPIC_ID], "any first sequence will do");
    // By name nobody notices: what continues the old topic's sequences is judged by the new one's.
    assert_eq!(talk.produce(12, &topic, 0, &two), refused(OUT_OF_ORDER));
    assert_eq!(talk.produce(12, &topic, 0, &batch(5, 10, 1)), written(1));

    let other = talk.topic("made-anew-again", 1, &[]);
    assert_eq!(talk.produce(12, &other, 0, &batch(5, 0, 4)), written(0));
    talk.recreate(&other);
    assert_eq!(
        talk.produce(12, &other, 0, &batch(5, 4, 1)),
        written(0),
        "the old topic's next sequence is let in"
    );
    let request = produce_request(-1, &[(&other, 0, Some(&batch(5, 0, 4)))]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 12, &request) else { panic!() };
    assert_eq!(
        produced(&body),
        refused(OUT_OF_ORDER),
        "and its earlier ones are not, not even as duplicates"
    );
}
