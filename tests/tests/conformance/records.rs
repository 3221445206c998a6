//! Records: keys, values, headers, timestamps, and damage inside a batch.
use crate::produce::{Produced, produce_request, refused, written};
use crate::talk::{Answer, Talk};
use kurier_broker::testing::{BatchBuilder, TestRecord};
use kurier_broker::{Server, api};

const INVALID_TIMESTAMP: i64 = 32;
const INVALID_RECORD: i64 = 87;
const UNKNOWN_SERVER: i64 = -1;
const HOUR: i64 = 3_600_000;

fn refused_records(error: i64, records: &[i64]) -> Produced {
    Produced { records: records.to_vec(), ..refused(error) }
}

#[test]
fn nulls_and_empties_are_accepted() {
    let mut talk = Talk::new();
    let topic = talk.topic("nulls", 1, &[]);
    let batch =
        BatchBuilder::new().record(TestRecord::new()).record(TestRecord::new().key(b"").value(b"")).record(
            TestRecord::new().key(b"k").header(b"", None).header(b"h", Some(b"")).header(b"h", Some(b"x")),
        );
    assert_eq!(talk.produce(9, &topic, 0, &batch.build()), written(0));
    assert_eq!(talk.model().records(&topic, 0).count(), 3);
}

#[test]
fn a_compacted_topic_needs_keys() {
    let mut talk = Talk::new();
    let topic = talk.topic("compacted", 1, &[("cleanup.policy", "compact")]);
    let keyed = || TestRecord::new().key(b"k").value(b"v");
    let keyless = || TestRecord::new().value(b"v");
    let tombstone = BatchBuilder::new().record(TestRecord::new().key(b"k"));
    assert_eq!(talk.produce(9, &topic, 0, &tombstone.build()), written(0));
    assert_eq!(
        talk.produce(9, &topic, 0, &BatchBuilder::new().record(TestRecord::new().key(b"")).build()),
        written(1)
    );
    let mixed =
        BatchBuilder::new().record(keyed()).record(keyless()).record(keyed()).record(keyless()).build();
    for version in [3, 7] {
        assert_eq!(
            talk.produce(version, &topic, 0, &mixed),
            refused(INVALID_RECORD),
            "no details before version 8"
        );
    }
    for version in [8, 9, 13] {
        assert_eq!(talk.produce(version, &topic, 0, &mixed), refused_records(INVALID_RECORD, &[1, 3]));
    }
    assert_eq!(talk.produce(9, &topic, 0, &BatchBuilder::new().record(keyed()).build()), written(2));
}

#[test]
fn timestamps_far_from_now_are_refused() {
    let mut talk = Talk::new();
    let topic = talk.topic("timestamps", 1, &[]);
    let now = Server::now_ms();
    let mut send = |timestamps: &[i64]| {
        let record = |&at| TestRecord::new().value(b"v").timestamp(at);
        let batch = timestamps.iter().map(record).fold(BatchBuilder::new(), BatchBuilder::record);
        talk.produce(9, &topic, 0, &batch.build())
    };
    assert_eq!(send(&[now, now + HOUR - 60_000, 0, -1, 1]), written(0));
    assert_eq!(send(&[-1]), written(5));
    assert_eq!(send(&[-2]), written(6), "any past is allowed, also before 1970");
    assert_eq!(send(&[now, now + HOUR + 60_000, now, i64::MAX]), refused_records(INVALID_TIMESTAMP, &[1, 3]));
    assert_eq!(send(&[i64::MIN]), refused_records(INVALID_TIMESTAMP, &[0]), "the difference overflows");
    assert_eq!(send(&[now]), written(7));
}

#[test]
fn a_limit_on_the_past_and_a_missing_key_are_told_together() {
    let mut talk = Talk::new();
    let configs = [("cleanup.policy", "compact"), ("message.timestamp.before.max.ms", "60000")];
    let topic = talk.topic("both", 1, &configs);
    let now = Server::now_ms();
    let keyed = |at| TestRecord::new().key(b"k").timestamp(at);
    let batch = BatchBuilder::new()
        .record(keyed(now))
        .record(TestRecord::new().value(b"keyless").timestamp(now))
        .record(keyed(now - 120_000))
        .record(keyed(-1));
    assert_eq!(talk.produce(9, &topic, 0, &batch.build()), refused_records(INVALID_TIMESTAMP, &[1, 2]));
}

#[test]
fn the_brokers_time_is_answered_with_log_append_time() {
    let mut talk = Talk::new();
    let topic = talk.topic("append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let batch = |timestamp| BatchBuilder::new().producer(4000, 0, 0).timestamp(timestamp).value(b"v").build();
    let now = |offset| Produced { append_time: i64::MAX, ..written(offset) };
    assert_eq!(talk.produce(9, &topic, 0, &batch(1)), now(0));
    assert_eq!(talk.produce(9, &topic, 0, &batch(1)), now(0), "a duplicate");
    let future = BatchBuilder::new().timestamp(Server::now_ms() + 10 * HOUR).value(b"v");
    assert_eq!(talk.produce(9, &topic, 0, &future.build()), now(1), "a producer's time does not matter");
    let claimed = future.attributes(8).value(b"w").build();
    assert_eq!(talk.produce(9, &topic, 0, &claimed), refused_records(INVALID_TIMESTAMP, &[0, 1]));
}

#[test]
fn a_producer_may_not_claim_log_append_time_unless_nobody_looks() {
    let mut talk = Talk::new();
    let topic = talk.topic("claimed", 1, &[]);
    let claim = || BatchBuilder::new().attributes(8).value(b"v");
    // With a maximum, Kafka takes that for every record's time and asks nothing more.
    assert_eq!(talk.produce(9, &topic, 0, &claim().build()), written(0));
    assert_eq!(
        talk.produce(9, &topic, 0, &claim().max_timestamp(-1).build()),
        refused_records(INVALID_TIMESTAMP, &[0])
    );
    let future = Server::now_ms() + 10 * HOUR;
    let answer = talk.produce(9, &topic, 0, &claim().max_timestamp(future).build());
    assert_eq!(answer, refused_records(INVALID_TIMESTAMP, &[0]));
}

#[test]
fn a_wrong_maximum_is_corrected() {
    let mut talk = Talk::new();
    let topic = talk.topic("maximum", 1, &[]);
    let batch =
        BatchBuilder::new().producer(4000, 0, 0).timestamp(5000).value(b"v").max_timestamp(9000).build();
    assert_eq!(talk.produce(9, &topic, 0, &batch), written(0));
    let duplicate = talk.produce(9, &topic, 0, &batch);
    assert_eq!(duplicate.append_time, 5000, "a duplicate is answered with the maximum found");
}

#[test]
fn damage_inside_records() {
    let mut talk = Talk::new();
    let topic = talk.topic("inside", 1, &[]);
    // One record of 12 bytes: size, attributes, timestamp, offset, key -1, value length 5, ..., headers 0.
    let good = BatchBuilder::new().value(b"value").build();
    let broken = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes
    };
    for (name, records, error) in [
        ("size above", broken(61, &[24]), INVALID_RECORD),
        ("size below", broken(61, &[20]), INVALID_RECORD),
        ("size -1", broken(61, &[1]), INVALID_RECORD),
        ("size beyond the batch", broken(61, &[126]), INVALID_RECORD),
        ("size without end", broken(61, &[0xff; 6]), UNKNOWN_SERVER),
        ("timestamp without end", broken(63, &[0xff; 10]), INVALID_RECORD),
        ("offset without end", broken(64, &[0xff; 6]), INVALID_RECORD),
        ("value length beyond", broken(66, &[126]), INVALID_RECORD),
        ("value length below", broken(66, &[8]), INVALID_RECORD),
        ("headers -1", broken(72, &[1]), INVALID_RECORD),
        ("headers 1", broken(72, &[2]), INVALID_RECORD),
    ] {
        assert_eq!(talk.produce(9, &topic, 0, &records), refused(error), "{name}");
    }
    for (name, records) in [
        ("attributes", broken(62, &[0xff])),
        ("another offset", broken(64, &[40])),
        ("a negative offset", broken(64, &[41])),
        ("key length -2", broken(65, &[3])),
    ] {
        assert_eq!(talk.produce(9, &topic, 0, &records).error, 0, "{name}");
    }
}

#[test]
fn a_refused_partition_does_not_hinder_the_others() {
    let mut talk = Talk::new();
    let topic = talk.topic("others", 3, &[("cleanup.policy", "compact")]);
    let keyed = BatchBuilder::new().record(TestRecord::new().key(b"k")).build();
    let keyless = BatchBuilder::new().value(b"v").build();
    let parts: [(&str, i32, Option<&[u8]>); 3] =
        [(&topic, 0, Some(&keyed)), (&topic, 1, Some(&keyless)), (&topic, 2, Some(&keyed))];
    let Answer::Body(body) = talk.ask(api::PRODUCE, 9, &produce_request(-1, &parts)) else { panic!() };
    let parts = body.list("responses")[0].list("partitionResponses");
    let mut errors: Vec<_> = parts.iter().map(|part| (part.int("index"), part.int("errorCode"))).collect();
    errors.sort_unstable();
    assert_eq!(errors, [(0, 0), (1, INVALID_RECORD), (2, 0)]);
}
