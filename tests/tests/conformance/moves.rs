//! Leaders that move and followers that stand still. Part of the script of a cluster of three brokers, see `leaders`.
use crate::produce::{Produced, produce_request, produce_within, produced, refused, written};
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::testing::BatchBuilder;

const NOT_LEADER: i64 = 6;
const TIMED_OUT: i64 = 7;
const NOT_ENOUGH_REPLICAS: i64 = 19;
const OUT_OF_ORDER: i64 = 45;

fn batch(sequence: i32) -> Vec<u8> {
    BatchBuilder::new().producer(4000, 0, sequence).value(b"v").build()
}

fn duplicate(offset: i64) -> Produced {
    Produced { append_time: 1_700_000_000_000, ..written(offset) }
}

/// The new leader was told of every batch as a follower: it knows the last five, and the old one says who leads (KIP-951).
pub fn a_new_leader(talk: &mut Talk) {
    let topic = talk.place("moved", &[&[1, 2]], &[]);
    for sequence in 0..6 {
        assert_eq!(talk.produce(9, &topic, 0, &batch(sequence)), written(i64::from(sequence)));
    }
    talk.lead(&topic, 0, 2);
    for version in [9, 10, 13] {
        let request = produce_request(-1, &[(&topic, 0, Some(&batch(6)))]);
        let Answer::Body(body) = talk.ask(api::PRODUCE, version, &request) else { panic!() };
        assert_eq!(produced(&body), refused(NOT_LEADER));
        if version >= 10 {
            let leader = body.list("responses")[0].list("partitionResponses")[0].field("currentLeader");
            assert_eq!(leader.int("leaderId"), 2);
            assert!(leader.int("leaderEpoch") > 0);
            assert_eq!(body.list("nodeEndpoints")[0].int("nodeId"), 2);
        }
    }
    talk.to(2);
    assert_eq!(talk.produce(9, &topic, 0, &batch(0)), refused(OUT_OF_ORDER), "older than the last five");
    for sequence in 1..6 {
        assert_eq!(talk.produce(9, &topic, 0, &batch(sequence)), duplicate(i64::from(sequence)));
    }
    assert_eq!(talk.produce(9, &topic, 0, &batch(6)), written(6));
    talk.to(1);
}

/// A batch that too few replicas have is in the leader's log: it times out, is then refused as if it were not there, and is a
/// duplicate in the end. NOT_ENOUGH_REPLICAS_AFTER_APPEND does not come: below min.insync.replicas nothing counts as written
/// (KIP-966), so there is nothing to find out about.
pub fn a_follower_that_stands_still(talk: &mut Talk) {
    let topic = talk.place("stands-still", &[&[1, 2]], &[("min.insync.replicas", "2")]);
    assert_eq!(talk.produce(9, &topic, 0, &batch(0)), written(0));
    talk.pause(2);
    let request = produce_within(700, &[(&topic, 0, Some(&batch(1)))]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &request) else { panic!() };
    assert_eq!(produced(&body).error, TIMED_OUT);
    talk.await_in_sync(&topic, &[1]);
    assert_eq!(talk.produce(9, &topic, 0, &batch(1)), refused(NOT_ENOUGH_REPLICAS), "though it is there");
    assert_eq!(talk.produce(9, &topic, 0, &batch(2)), refused(NOT_ENOUGH_REPLICAS));
    talk.resume(2);
    talk.await_in_sync(&topic, &[1, 2]);
    assert_eq!(talk.produce(9, &topic, 0, &batch(1)), duplicate(1));
    assert_eq!(talk.produce(9, &topic, 0, &batch(2)), written(2));
}

/// A request that waits for a follower when the in-sync set falls below the minimum is answered at its own timeout.
pub fn an_in_sync_set_that_shrinks_under_a_request(talk: &mut Talk) {
    let topic = talk.place("shrinks", &[&[1, 2]], &[("min.insync.replicas", "2")]);
    talk.pause(2);
    let request = produce_within(8_000, &[(&topic, 0, Some(&batch(0)))]);
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &request) else { panic!() };
    assert_eq!(produced(&body).error, TIMED_OUT);
    talk.await_in_sync(&topic, &[1]);
    talk.resume(2);
    talk.await_in_sync(&topic, &[1, 2]);
    assert_eq!(talk.produce(9, &topic, 0, &batch(0)), duplicate(0));
}
