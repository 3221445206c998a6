//! Metadata.
use crate::normal::placeholder;
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::codec::{Value, object};

fn by_name(names: &[&str], create: bool) -> Value {
    let topic = |name: &&str| object([("name", (*name).into()), ("topicId", Value::Uuid([0; 16]))]);
    let topics = Value::Array(names.iter().map(topic).collect());
    object([("topics", topics), ("allowAutoTopicCreation", create.into())])
}

fn by_id(topics: &[&str]) -> Value {
    let topic = |name: &&str| object([("name", Value::Null), ("topicId", Value::Uuid(placeholder(name)))]);
    let topics = Value::Array(topics.iter().map(topic).collect());
    object([("topics", topics), ("allowAutoTopicCreation", false.into())])
}

fn ask(talk: &mut Talk, version: i16, request: &Value) -> Vec<(i64, i64)> {
    let Answer::Body(body) = talk.ask(api::METADATA, version, request) else { panic!() };
    let topics = body.list("topics").iter();
    let mut topics: Vec<_> =
        topics.map(|topic| (topic.int("errorCode"), topic.list("partitions").len() as i64)).collect();
    topics.sort_unstable();
    topics
}

#[test]
fn every_version_tells_brokers_leaders_and_ids() {
    let mut talk = Talk::new();
    let (one, three) = (talk.topic("meta-one", 1, &[]), talk.topic("meta-three", 3, &[]));
    for version in 4..=13 {
        assert_eq!(
            ask(&mut talk, version, &by_name(&[&one, &three], false)),
            [(0, 1), (0, 3)],
            "version {version}"
        );
        assert_eq!(ask(&mut talk, version, &by_name(&[&one, &one], false)), [(0, 1)], "named twice");
        assert_eq!(ask(&mut talk, version, &by_name(&[], false)), [], "none is asked for");
        let all = object([("topics", Value::Null), ("allowAutoTopicCreation", false.into())]);
        assert_eq!(ask(&mut talk, version, &all), [(0, 1), (0, 3)], "all");
    }
}

#[test]
fn unknown_and_invalid_names_have_errors() {
    let mut talk = Talk::new();
    let known = talk.topic("meta-known", 1, &[]);
    let long = "x".repeat(250);
    for version in 4..=13 {
        assert_eq!(ask(&mut talk, version, &by_name(&["never-created", &known], false)), [(0, 1), (3, 0)]);
        for invalid in ["", ".", "..", "a b", "a/b", "\u{e4}", &long] {
            assert_eq!(ask(&mut talk, version, &by_name(&[invalid], false)), [(17, 0)], "{invalid:?}");
            assert_eq!(
                ask(&mut talk, version, &by_name(&[invalid], true)),
                [(17, 0)],
                "{invalid:?} to be created"
            );
        }
    }
}

#[test]
fn topics_are_found_by_id_from_version_12_on() {
    let mut talk = Talk::new();
    let topic = talk.topic("meta-id", 2, &[]);
    for version in [12, 13] {
        assert_eq!(ask(&mut talk, version, &by_id(&[&topic])), [(0, 2)]);
        assert_eq!(ask(&mut talk, version, &by_id(&[&topic, "never-created"])), [(0, 2), (100, 0)]);
    }
    for version in [10, 11] {
        assert_eq!(ask(&mut talk, version, &by_id(&[&topic])), [(42, 0)]);
    }
}

#[test]
fn null_names_without_ids() {
    let mut talk = Talk::new();
    let null = object([("name", Value::Null), ("topicId", Value::Uuid([0; 16]))]);
    let request = object([("topics", Value::Array(vec![null])), ("allowAutoTopicCreation", false.into())]);
    for version in [10, 11] {
        assert_eq!(ask(&mut talk, version, &request), [(42, 0)]);
    }
    for version in [12, 13] {
        assert_eq!(ask(&mut talk, version, &request), [(-1, 0)]);
    }
}

#[test]
fn authorized_operations_come_if_asked_for() {
    let mut talk = Talk::new();
    let topic = talk.topic("meta-operations", 1, &[]);
    let Value::Struct(mut fields) = by_name(&[&topic, "never-created"], false) else { panic!() };
    fields.push(("includeTopicAuthorizedOperations", true.into()));
    fields.push(("includeClusterAuthorizedOperations", true.into()));
    let request = Value::Struct(fields);
    for version in 8..=13 {
        assert_eq!(ask(&mut talk, version, &request), [(0, 1), (3, 0)]);
    }
}

#[test]
fn a_missing_topic_is_created_once_it_was_asked_for() {
    let mut talk = Talk::new();
    let name = format!("created-{}", std::process::id());
    assert_eq!(ask(&mut talk, 9, &by_name(&[&name], true)), [(3, 0)], "not there yet");
    // Kafka needs a moment.
    std::thread::sleep(std::time::Duration::from_secs(if cfg!(feature = "real-kafka") { 2 } else { 0 }));
    assert_eq!(talk.model().partitions(&name), 1);
    let records = kurier_broker::testing::BatchBuilder::new().value(b"v").build();
    assert_eq!(talk.produce(9, &name, 0, &records).error, 0);
}

#[test]
fn versions_outside_the_range_are_closed() {
    let mut talk = Talk::new();
    for version in [-1, 14] {
        assert_eq!(
            talk.ask_bytes(api::METADATA, version, &[1, 0, 0, 0]),
            Answer::Closed,
            "version {version}"
        );
    }
}
