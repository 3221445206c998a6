//! InitProducerId.
use crate::normal::FIRST;
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::codec::{Value, object};

/// Error, id (in order of appearance), epoch. The ids handed out to this script are told as [`FIRST`], `FIRST` + 1, ...
fn init(talk: &mut Talk, version: i16, name: Option<&str>, timeout: i32, own: (i64, i16)) -> (i64, i64, i64) {
    let name = name.map_or(Value::Null, Value::from);
    let request = object([
        ("transactionalId", name),
        ("transactionTimeoutMs", timeout.into()),
        ("producerId", own.0.into()),
        ("producerEpoch", own.1.into()),
    ]);
    match talk.ask(api::INIT_PRODUCER_ID, version, &request) {
        Answer::Body(body) => (body.int("errorCode"), body.int("producerId"), body.int("producerEpoch")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_request_gets_a_new_id_in_every_version() {
    let mut talk = Talk::new();
    for version in 0..=5 {
        assert_eq!(init(&mut talk, version, None, 60_000, (-1, -1)), (0, i64::from(version), 0));
    }
    for timeout in [0, -1, i32::MAX] {
        let (error, _, epoch) = init(&mut talk, 5, None, timeout, (-1, -1));
        assert_eq!((error, epoch), (0, 0), "the timeout does not matter without transactions");
    }
}

#[test]
fn an_own_id_without_a_transactional_one_changes_nothing() {
    let mut talk = Talk::new();
    assert_eq!(init(&mut talk, 4, None, 60_000, (-1, -1)), (0, 0, 0));
    assert_eq!(init(&mut talk, 4, None, 60_000, (123_456_789, 7)), (0, 1, 0));
    assert_eq!(init(&mut talk, 3, None, 60_000, (123_456_789, 7)), (0, 2, 0));
    assert_eq!(init(&mut talk, 4, None, 60_000, (5, -1)), (42, -1, -1));
    assert_eq!(init(&mut talk, 4, None, 60_000, (-1, 5)), (42, -1, -1));
}

#[test]
fn versions_outside_the_range_are_closed() {
    let mut talk = Talk::new();
    for version in [-1, 6, 7] {
        assert_eq!(
            talk.ask_bytes(api::INIT_PRODUCER_ID, version, &[0; 40]),
            Answer::Closed,
            "version {version}"
        );
    }
}

#[test]
fn an_empty_transactional_id_is_refused() {
    let mut talk = Talk::new();
    assert_eq!(init(&mut talk, 4, Some(""), 60_000, (-1, -1)), (42, -1, -1));
}

#[test]
fn a_transactional_id_keeps_its_producer_id_and_fences_the_old_epoch() {
    let mut talk = Talk::new();
    talk.await_coordinator();
    let name = format!("transactional-{}", std::process::id());
    let name = Some(name.as_str());
    for timeout in [0, -1, 900_001] {
        assert_eq!(init(&mut talk, 4, name, timeout, (-1, -1)), (50, -1, -1));
    }
    for epoch in 0..3 {
        assert_eq!(init(&mut talk, 4, name, 60_000, (-1, -1)), (0, 0, epoch));
    }
    let again = |talk: &mut Talk, version, epoch| init(talk, version, name, 60_000, (FIRST, epoch));
    assert_eq!(again(&mut talk, 4, 2), (0, 0, 3));
    assert_eq!(again(&mut talk, 4, 2), (0, 0, 3), "a repeated request");
    assert_eq!(again(&mut talk, 4, 3), (0, 0, 4));
    assert_eq!(again(&mut talk, 4, 2), (90, -1, -1));
    assert_eq!(again(&mut talk, 3, 2), (47, -1, -1), "version 3 knows no better name");
    assert_eq!(init(&mut talk, 4, name, 60_000, (987_654_321, 4)), (90, -1, -1));
    assert_eq!(init(&mut talk, 4, name, 60_000, (-1, -1)), (0, 0, 5));
    assert_eq!(again(&mut talk, 4, 4), (90, -1, -1), "a new instance forgot the last epoch");
}
