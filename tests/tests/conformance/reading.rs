//! What was produced is read back the same: the log's bytes, and where it begins and ends.
use crate::produce::written;
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::codec::{Value, object};
use kurier_broker::testing::{BatchBuilder, TestRecord};

fn in_partition_zero(topic: &str, partition: Value) -> Value {
    let topic = object([("topic", topic.into()), ("partitions", Value::Array(vec![partition]))]);
    Value::Array(vec![topic])
}

fn fetch(topic: &str, offset: i64, epoch: i32, max_bytes: i32) -> Value {
    let partition = object([
        ("partition", 0.into()),
        ("currentLeaderEpoch", epoch.into()),
        ("fetchOffset", offset.into()),
        ("lastFetchedEpoch", (-1).into()),
        ("logStartOffset", (-1).into()),
        ("partitionMaxBytes", max_bytes.into()),
    ]);
    object([
        ("replicaId", (-1).into()),
        ("maxWaitMs", 100.into()),
        ("minBytes", 1.into()),
        ("maxBytes", 10_000_000.into()),
        ("sessionEpoch", (-1).into()),
        ("topics", in_partition_zero(topic, partition)),
    ])
}

/// Error code and bytes.
fn fetched(talk: &mut Talk, version: i16, request: &Value) -> (i64, usize) {
    let Answer::Body(body) = talk.ask(api::FETCH, version, request) else { panic!() };
    let part = &body.list("responses")[0].list("partitions")[0];
    (part.int("errorCode"), part.bytes("records").map_or(0, <[u8]>::len))
}

#[test]
fn the_logs_bytes_are_the_same() {
    let mut talk = Talk::new();
    let topic = talk.topic("bytes", 1, &[]);
    let record = || TestRecord::new().key(b"k").value(b"v").header(b"h", None);
    let one = BatchBuilder::new().producer(4000, 3, 7).record(record()).record(record().timestamp(5)).build();
    // A wrong maximum, an unknown attribute and a claimed timestamp type are corrected, and the CRC with them.
    let two = BatchBuilder::new().max_timestamp(1).attributes(0x4080).value(b"second").build();
    let three = BatchBuilder::new().attributes(8).value(b"third").build();
    for (records, offset) in [(&one, 0), (&two, 2), (&three, 3)] {
        assert_eq!(talk.produce(9, &topic, 0, records), written(offset));
    }
    let all = one.len() + two.len() + three.len();
    for version in 4..=12 {
        assert_eq!(fetched(&mut talk, version, &fetch(&topic, 0, -1, 1_000_000)), (0, all));
        assert_eq!(
            fetched(&mut talk, version, &fetch(&topic, 1, -1, 1_000_000)),
            (0, all),
            "from inside a batch"
        );
        assert_eq!(
            fetched(&mut talk, version, &fetch(&topic, 2, -1, 1_000_000)),
            (0, two.len() + three.len())
        );
        assert_eq!(fetched(&mut talk, version, &fetch(&topic, 4, -1, 1_000_000)), (0, 0), "the end");
        assert_eq!(fetched(&mut talk, version, &fetch(&topic, 5, -1, 1_000_000)), (1, 0), "beyond");
        assert_eq!(fetched(&mut talk, version, &fetch(&topic, -1, -1, 1_000_000)), (1, 0), "before");
        assert_eq!(fetched(&mut talk, version, &fetch("never-created", 0, -1, 1_000_000)), (3, 0));
    }
    assert_eq!(fetched(&mut talk, 12, &fetch(&topic, 0, 0, 1_000_000)), (0, all));
    for offset in [0, 5] {
        let Value::Struct(mut committed) = fetch(&topic, offset, -1, 1_000_000) else { panic!() };
        committed.push(("isolationLevel", 1.into()));
        fetched(&mut talk, 11, &Value::Struct(committed));
    }
    assert_eq!(
        fetched(&mut talk, 12, &fetch(&topic, 0, 1, 1_000_000)),
        (75, 0),
        "a newer epoch than there is"
    );
    assert_eq!(fetched(&mut talk, 12, &fetch(&topic, 0, -1, 1)), (0, one.len()), "at least one batch");
}

#[test]
fn offsets_are_listed_by_time() {
    let mut talk = Talk::new();
    let topic = talk.topic("offsets", 1, &[]);
    let at = |times: &[i64]| {
        let record = |&time| TestRecord::new().value(b"v").timestamp(time);
        times.iter().map(record).fold(BatchBuilder::new(), BatchBuilder::record).build()
    };
    let list = |talk: &mut Talk, version, timestamp: i64| {
        let partition = object([
            ("partitionIndex", 0.into()),
            ("currentLeaderEpoch", (-1).into()),
            ("timestamp", timestamp.into()),
        ]);
        let topic = object([("name", topic.as_str().into()), ("partitions", Value::Array(vec![partition]))]);
        let request = object([("replicaId", (-1).into()), ("topics", Value::Array(vec![topic]))]);
        let Answer::Body(body) = talk.ask(api::LIST_OFFSETS, version, &request) else { panic!() };
        let part = &body.list("topics")[0].list("partitions")[0];
        (part.int("errorCode"), part.int("offset"), part.int("timestamp"))
    };
    for version in 1..=7 {
        assert_eq!(list(&mut talk, version, -1), (0, 0, -1));
    }
    assert_eq!(talk.produce(9, &topic, 0, &at(&[100, 300, 200])), written(0));
    assert_eq!(talk.produce(9, &topic, 0, &at(&[150, 400])), written(3));
    for version in 1..=7 {
        for (timestamp, expected) in [
            (-2, (0, 0, -1)),
            (-1, (0, 5, -1)),
            (0, (0, 0, 100)),
            (101, (0, 1, 300)),
            (301, (0, 4, 400)),
            (401, (0, -1, -1)),
        ] {
            assert_eq!(list(&mut talk, version, timestamp), expected, "version {version}, {timestamp}");
        }
    }
    assert_eq!(list(&mut talk, 7, -3), (0, 4, 400));
}
