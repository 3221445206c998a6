//! What an authorizer denies. Part of the script of a broker of its own, see `settings`.
use crate::produce::{produce_request, refused, written};
use crate::talk::{Answer, Talk};
use kurier_broker::codec::{Value, object};
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Denial, api};

const CORRUPT: i64 = 2;
const UNKNOWN_TOPIC: i64 = 3;
const TOPIC_AUTHORIZATION: i64 = 29;
const CLUSTER_AUTHORIZATION: i64 = 31;
const TXN_ID_AUTHORIZATION: i64 = 53;

fn batch(sequence: i32) -> Vec<u8> {
    BatchBuilder::new().producer(7000, 0, sequence).value(b"v").build()
}

fn init(talk: &mut Talk, version: i16, name: Option<&str>) -> (i64, i64) {
    let name = name.map_or(Value::Null, Value::from);
    let request = object([("transactionalId", name), ("transactionTimeoutMs", 60_000.into())]);
    let Answer::Body(body) = talk.ask(api::INIT_PRODUCER_ID, version, &request) else { panic!() };
    (body.int("errorCode"), body.int("producerEpoch"))
}

/// Error and partitions of each topic asked for by name, or of all.
fn metadata(talk: &mut Talk, version: i16, names: Option<&[&str]>) -> Vec<(i64, usize)> {
    let topic = |name: &&str| object([("name", (*name).into()), ("topicId", Value::Uuid([0; 16]))]);
    let topics = names.map_or(Value::Null, |names| Value::Array(names.iter().map(topic).collect()));
    let request = object([("topics", topics), ("allowAutoTopicCreation", false.into())]);
    let Answer::Body(body) = talk.ask(api::METADATA, version, &request) else { panic!() };
    let seen = |topic: &Value| (topic.int("errorCode"), topic.list("partitions").len());
    let mut seen: Vec<_> = body.list("topics").iter().map(seen).collect();
    seen.sort_unstable();
    seen
}

/// Writing to a topic, and writing at all.
pub fn writing(talk: &mut Talk) {
    let (open, barred) = (talk.topic("open", 1, &[]), talk.topic("barred", 1, &[]));
    assert_eq!(talk.produce(9, &barred, 0, &batch(0)), written(0));
    let write = Denial::Write(barred.clone());
    talk.access(&write, true);
    for version in [3, 8, 12, 13] {
        assert_eq!(talk.produce(version, &barred, 0, &batch(1)), refused(TOPIC_AUTHORIZATION));
        assert_eq!(talk.produce(version, &barred, 0, b"no batch"), refused(TOPIC_AUTHORIZATION));
        assert_eq!(
            talk.produce(version, &barred, 7, &batch(1)),
            refused(TOPIC_AUTHORIZATION),
            "no partition"
        );
        let (right, wrong) = (batch(1), BatchBuilder::new().value(b"v").bad_crc().build());
        let parts: [(&str, i32, Option<&[u8]>); 3] =
            [(&open, 0, Some(&wrong)), (&open, 1, Some(&right)), (&barred, 0, Some(&right))];
        let Answer::Body(body) = talk.ask(api::PRODUCE, version, &produce_request(-1, &parts)) else {
            panic!()
        };
        let errors = body.list("responses").iter().flat_map(|topic| topic.list("partitionResponses"));
        let mut errors: Vec<i64> = errors.map(|part| part.int("errorCode")).collect();
        errors.sort_unstable();
        assert_eq!(errors, [CORRUPT, UNKNOWN_TOPIC, TOPIC_AUTHORIZATION], "the others are judged as ever");
    }
    let zero = produce_request(0, &[(&barred, 0, Some(&batch(1)))]);
    assert_eq!(talk.ask(api::PRODUCE, 9, &zero), Answer::Closed);
    assert_eq!(metadata(talk, 9, Some(&[&barred])), [(0, 1)], "it is seen");
    assert_eq!(init(talk, 4, None), (0, 0), "another may be written to");
    talk.access(&write, false);
    assert_eq!(talk.produce(9, &barred, 0, &batch(1)), written(1), "once it is allowed it goes on");

    // Neither alone keeps a producer from its id: both do.
    talk.access(&Denial::IdempotentWrite, true);
    assert_eq!(init(talk, 4, None), (0, 0));
    talk.access(&Denial::Write("*".to_owned()), true);
    for version in [0, 1, 2, 4, 5] {
        assert_eq!(init(talk, version, None), (CLUSTER_AUTHORIZATION, -1));
    }
    assert_eq!(talk.produce(9, &open, 0, &batch(0)), refused(TOPIC_AUTHORIZATION));
    assert_eq!(
        talk.produce(9, "never-created", 0, &batch(0)),
        refused(TOPIC_AUTHORIZATION),
        "whether it is there or not"
    );
    talk.access(&Denial::IdempotentWrite, false);
    assert_eq!(init(talk, 4, None), (0, 0), "the right to idempotence is enough for an id");
    talk.access(&Denial::Write("*".to_owned()), false);
    let plain = BatchBuilder::new().value(b"v").build();
    assert_eq!(talk.produce(9, &open, 0, &plain), written(0));
}

/// Seeing a topic, and using a transactional id.
pub fn seeing(talk: &mut Talk) {
    let (open, hidden) = (talk.topic("seen", 1, &[]), talk.topic("hidden", 2, &[]));
    let describe = Denial::Describe(hidden.clone());
    talk.access(&describe, true);
    for version in [4, 7, 9, 12, 13] {
        assert_eq!(metadata(talk, version, Some(&[&open, &hidden])), [(0, 1), (TOPIC_AUTHORIZATION, 0)]);
        assert_eq!(
            metadata(talk, version, None).iter().filter(|seen| seen.1 == 2).count(),
            0,
            "all but that one"
        );
    }
    let topic =
        object([("name", Value::Null), ("topicId", Value::Uuid(crate::normal::placeholder(&hidden)))]);
    let request = object([("topics", Value::Array(vec![topic])), ("allowAutoTopicCreation", false.into())]);
    let Answer::Body(body) = talk.ask(api::METADATA, 12, &request) else { panic!() };
    assert_eq!(body.list("topics")[0].int("errorCode"), TOPIC_AUTHORIZATION);
    assert_eq!(
        talk.produce(9, &hidden, 0, &batch(0)),
        written(0),
        "what is not seen may still be written to"
    );
    talk.access(&describe, false);

    let transactional = Denial::TransactionalId("barred".to_owned());
    talk.access(&transactional, true);
    for version in [0, 4] {
        assert_eq!(init(talk, version, Some("barred")), (TXN_ID_AUTHORIZATION, -1));
    }
    talk.access(&transactional, false);
}
