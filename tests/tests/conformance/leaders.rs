//! Leaders and replicas: three brokers, one of which is lost.
use crate::moves;
use crate::normal::placeholder;
use crate::produce::{produce_request, produced, refused, written};
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::codec::{Value, object};
use kurier_broker::testing::BatchBuilder;

const NOT_LEADER: i64 = 6;
const NOT_ENOUGH_REPLICAS: i64 = 19;

fn metadata(talk: &mut Talk, version: i16, topic: &str) -> Value {
    let topic = object([("name", topic.into()), ("topicId", Value::Uuid([0; 16]))]);
    match talk.ask(api::METADATA, version, &object([("topics", Value::Array(vec![topic]))])) {
        Answer::Body(body) => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_brokers() {
    let mut talk = Talk::cluster(3);
    moves::a_new_leader(&mut talk);
    moves::a_follower_that_stands_still(&mut talk);
    moves::an_in_sync_set_that_shrinks_under_a_request(&mut talk);
    only_the_leader_appends_and_only_with_enough_replicas(&mut talk);
}

fn only_the_leader_appends_and_only_with_enough_replicas(talk: &mut Talk) {
    let records = BatchBuilder::new().value(b"v").build();
    let pairs: [&[i32]; 3] = [&[1, 2], &[2, 3], &[3, 1]];
    let topic = talk.place("placed", &pairs, &[("min.insync.replicas", "2")]);
    let alone = talk.place("alone", &[&[2], &[3]], &[("min.insync.replicas", "2")]);
    for version in [4, 5, 7, 9, 12, 13] {
        metadata(talk, version, &topic);
    }

    // Broker 1 leads partition 0, follows in 2, and has nothing of 1.
    for version in [3, 9, 10, 12, 13] {
        assert_eq!(talk.produce(version, &topic, 1, &records), refused(NOT_LEADER));
        assert_eq!(talk.produce(version, &topic, 2, &records), refused(NOT_LEADER));
        let parts: [(&str, i32, Option<&[u8]>); 4] = [
            (&topic, 0, Some(&records)),
            (&topic, 1, Some(&records)),
            (&topic, 2, Some(&records)),
            (&alone, 0, Some(&records)),
        ];
        let Answer::Body(body) = talk.ask(api::PRODUCE, version, &produce_request(-1, &parts)) else {
            panic!()
        };
        let nodes: Vec<i64> = body.list("nodeEndpoints").iter().map(|node| node.int("nodeId")).collect();
        assert_eq!(nodes, if version >= 10 { vec![2, 3] } else { vec![] });
    }
    assert_eq!(talk.produce(9, &topic, 0, &records), written(5));
    let zero = produce_request(0, &[(&topic, 1, Some(&records))]);
    assert_eq!(talk.ask(api::PRODUCE, 9, &zero), Answer::Closed);

    talk.lose(2, &[&topic, &alone]);
    for version in [5, 7, 9, 13] {
        metadata(talk, version, &topic);
        metadata(talk, version, &alone);
    }
    assert_eq!(talk.produce(9, &topic, 0, &records), refused(NOT_ENOUGH_REPLICAS));
    let wrong = BatchBuilder::new().value(b"v").bad_crc().build();
    assert_eq!(
        talk.produce(9, &topic, 0, &wrong),
        refused(NOT_ENOUGH_REPLICAS),
        "the replicas are counted first"
    );
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &produce_request(1, &[(&topic, 0, Some(&records))]))
    else {
        panic!()
    };
    assert_eq!(produced(&body), written(6), "acks=1 asks for no replicas");
    // Nobody leads the partition that only broker 2 had; version 10 names no leader then.
    assert_eq!(talk.produce(13, &alone, 0, &records), refused(NOT_LEADER));
    talk.to(3);
    assert_eq!(
        talk.produce(9, &alone, 1, &records),
        written(0),
        "one replica is enough where there is only one"
    );
    assert_eq!(talk.produce(9, &topic, 1, &records), refused(NOT_ENOUGH_REPLICAS), "it leads now, alone");
    assert_eq!(talk.produce(9, &topic, 2, &records), written(0));
    assert_ne!(placeholder(&topic), placeholder(&alone));
}
