//! Logs: what they keep, drop and lose.
use crate::client::{cluster, produce_body};
use kurier_broker::api;
use kurier_broker::testing::{BatchBuilder, TestRecord};

#[test]
fn the_oracle_tells_every_field_of_a_record() {
    let (mut cluster, client) = cluster();
    client.produce(&mut cluster, "first");
    let records = BatchBuilder::new()
        .producer(9, 2, 5)
        .timestamp(1000)
        .record(TestRecord::new().key(b"k").header(b"h", Some(b"x")).header(b"n", None))
        .record(TestRecord::new().value(b"v").timestamp(1001))
        .build();
    client.ask(&mut cluster, api::PRODUCE, 9, &produce_body(-1, &records)).unwrap();
    let seen: Vec<_> = cluster.records("lines", 0).skip(1).collect();
    assert_eq!((seen[0].offset, seen[0].timestamp, seen[0].sequence), (1, 1000, 5));
    assert_eq!((seen[0].producer_id, seen[0].producer_epoch), (9, 2));
    assert_eq!((seen[0].key, seen[0].value), (Some(&b"k"[..]), None));
    assert_eq!(seen[0].headers().collect::<Vec<_>>(), [(&b"h"[..], Some(&b"x"[..])), (&b"n"[..], None)]);
    assert_eq!((seen[1].offset, seen[1].timestamp, seen[1].sequence), (2, 1001, 6));
    assert_eq!((seen[1].key, seen[1].value), (None, Some(&b"v"[..])));
    let batches: Vec<_> =
        cluster.batches("lines", 0).map(|batch| (batch.header.base_offset, batch.header.count)).collect();
    assert_eq!(batches, [(0, 1), (1, 2)]);
    assert_eq!(cluster.producers("lines", 0).collect::<Vec<_>>(), [(9, 2, 6)]);
    assert_eq!(cluster.records("nothing", 0).count() + cluster.records("lines", 9).count(), 0);
}

#[test]
fn retention_drops_the_oldest_batches_and_keeps_the_newest() {
    let (mut cluster, client) = cluster();
    client.produce(&mut cluster, "0");
    let one = cluster.log_size("lines", 0).unwrap();
    cluster.configure_topic("lines", |config| config.retention_bytes = Some(3 * one));
    for value in ["1", "2", "3", "4"] {
        client.produce(&mut cluster, value);
    }
    assert_eq!((cluster.log_start("lines", 0), cluster.log_end("lines", 0)), (Some(2), Some(5)));
    assert_eq!(cluster.records("lines", 0).map(|record| record.offset).collect::<Vec<_>>(), [2, 3, 4]);
    cluster.configure_topic("lines", |config| config.retention_bytes = Some(0));
    client.produce(&mut cluster, "5");
    assert_eq!(cluster.records("lines", 0).map(|record| record.offset).collect::<Vec<_>>(), [5]);
}

#[test]
fn the_start_moves_into_a_batch_and_is_told() {
    let (mut cluster, client) = cluster();
    let three = BatchBuilder::new().value(b"a").value(b"b").value(b"c").build();
    client.ask(&mut cluster, api::PRODUCE, 9, &produce_body(-1, &three)).unwrap();
    assert_eq!(cluster.delete_records("lines", 0, 2), Some(2));
    assert_eq!(cluster.records("lines", 0).map(|record| record.offset).collect::<Vec<_>>(), [2]);
    let answer = client.ask(&mut cluster, api::PRODUCE, 9, &produce_body(-1, &three)).unwrap();
    assert_eq!(answer.list("responses")[0].list("partitionResponses")[0].int("logStartOffset"), 2);
    assert_eq!(cluster.delete_records("lines", 0, 99), Some(6));
    assert_eq!(cluster.delete_records("lines", 0, 0), Some(6), "it does not move back");
    assert_eq!(cluster.log_size("lines", 0), Some(0));
}

#[test]
fn a_truncated_log_forgets_what_its_producers_wrote_there() {
    let (mut cluster, client) = cluster();
    let send = |cluster: &mut _, sequence| {
        let records = BatchBuilder::new().producer(9, 0, sequence).value(b"v").build();
        let answer = client.ask(cluster, api::PRODUCE, 9, &produce_body(-1, &records)).unwrap();
        let part = answer.list("responses")[0].list("partitionResponses")[0].clone();
        (part.int("errorCode"), part.int("baseOffset"))
    };
    (0..3).for_each(|sequence| assert_eq!(send(&mut cluster, sequence), (0, i64::from(sequence))));
    assert_eq!(cluster.truncate("lines", 0, 1), Some(1));
    assert_eq!(send(&mut cluster, 0), (0, 0), "still remembered");
    assert_eq!(send(&mut cluster, 2), (45, -1), "a gap now");
    assert_eq!(send(&mut cluster, 1), (0, 1), "written anew");
}
