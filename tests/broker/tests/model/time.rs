//! Time: throttling, waiting fetches, the expiry of producers.
use crate::client::{
    Client, NOW, answers, body, cluster, cluster_of, produce_body, produce_frame, produced, request,
};
use kurier_broker::codec::{Value, object};
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Fault, Settings, TimestampType, api};

#[test]
fn a_throttled_connection_is_answered_at_once_and_then_not_read() {
    let (mut cluster, client) = cluster_of(1, Settings { throttle_ms: 300, ..Settings::default() });
    cluster.handle(client.id, &[produce_frame(1, "a"), produce_frame(2, "b")].concat(), NOW).unwrap();
    let output = cluster.take_output(client.id);
    assert_eq!(answers(&output).len(), 1);
    assert_eq!(body(api::PRODUCE, 9, &answers(&output)[0].1).int("throttleTimeMs"), 300);
    assert_eq!((cluster.log_end("lines", 0), cluster.next_deadline()), (Some(1), Some(NOW + 300)));
    cluster.poll(NOW + 300);
    assert_eq!(answers(&cluster.take_output(client.id)).len(), 1);
    assert_eq!(cluster.log_end("lines", 0), Some(2));
}

#[test]
fn one_request_can_be_throttled() {
    let (mut cluster, client) = cluster();
    cluster
        .inject(|request| (request.index == 0).then(|| Fault { throttle_ms: Some(50), ..Fault::default() }));
    let init = object([("transactionalId", Value::Null)]);
    let answer = client.ask(&mut cluster, api::INIT_PRODUCER_ID, 4, &init).unwrap();
    assert_eq!((answer.int("throttleTimeMs"), cluster.next_deadline()), (50, Some(NOW + 50)));
}

fn fetch(offset: i64, max_wait: i32, min_bytes: i32) -> Vec<u8> {
    let part = object([
        ("partition", 0.into()),
        ("currentLeaderEpoch", (-1).into()),
        ("fetchOffset", offset.into()),
        ("lastFetchedEpoch", (-1).into()),
        ("partitionMaxBytes", 1_000_000.into()),
    ]);
    let topic = object([("topic", "lines".into()), ("partitions", Value::Array(vec![part]))]);
    let waits =
        [("maxWaitMs", max_wait.into()), ("minBytes", min_bytes.into()), ("maxBytes", 1_000_000.into())];
    let [wait, bytes, most] = waits;
    request(api::FETCH, 12, 1, &object([wait, bytes, most, ("topics", Value::Array(vec![topic]))]))
}

/// Error and bytes of records, if there is an answer.
fn fetched(cluster: &mut kurier_broker::Cluster, client: &Client) -> Option<(i64, usize)> {
    let output = cluster.take_output(client.id);
    let answer = body(api::FETCH, 12, &answers(&output).pop()?.1);
    let part = &answer.list("responses")[0].list("partitions")[0];
    Some((part.int("errorCode"), part.bytes("records").unwrap().len()))
}

#[test]
fn a_fetch_waits_for_bytes_or_its_time() {
    let (mut cluster, reader) = cluster();
    let writer = Client::open(&mut cluster, 1);
    cluster.handle(reader.id, &fetch(0, 1000, 1), NOW).unwrap();
    assert_eq!((fetched(&mut cluster, &reader), cluster.next_deadline()), (None, Some(NOW + 1000)));
    cluster.take_changed();
    writer.produce(&mut cluster, "a").unwrap();
    let size = cluster.log_size("lines", 0).unwrap() as usize;
    assert!(cluster.take_changed().contains(&reader.id), "its owner is told");
    assert_eq!(fetched(&mut cluster, &reader), Some((0, size)));

    cluster.handle(reader.id, &fetch(1, 1000, 2 * size as i32), NOW).unwrap();
    writer.produce(&mut cluster, "b").unwrap();
    assert_eq!(fetched(&mut cluster, &reader), None, "not enough yet");
    assert_eq!(cluster.next_deadline(), Some(NOW + 1000));
    cluster.poll(NOW + 1000);
    assert_eq!(fetched(&mut cluster, &reader), Some((0, size)), "what there is, in time");
    cluster.handle(reader.id, &fetch(7, 1000, 1), NOW).unwrap();
    assert_eq!(fetched(&mut cluster, &reader), Some((1, 0)), "an error does not wait");
}

#[test]
fn a_producer_is_forgotten_by_the_time_of_its_last_batch() {
    let settings = Settings {
        producer_id_expiration_ms: 10_000,
        producer_id_expiration_check_interval_ms: 1000,
        ..Settings::default()
    };
    let (mut cluster, client) = cluster_of(1, settings);
    let mut send = |sequence, now: i64| {
        let records = BatchBuilder::new().producer(7, 0, sequence).timestamp(NOW).value(b"v").build();
        cluster.handle(client.id, &request(api::PRODUCE, 9, 1, &produce_body(-1, &records)), now).unwrap();
        let output = cluster.take_output(client.id);
        produced(&answers(&output)[0].1).0
    };
    assert_eq!(send(0, NOW), 0);
    assert_eq!(send(5, NOW + 9_999), 45);
    assert_eq!(send(5, NOW + 10_999), 0, "forgotten, so any sequence will do");
}

#[test]
fn the_brokers_time_is_the_callers() {
    let (mut cluster, client) = cluster();
    cluster.configure_topic("lines", |config| config.timestamp_type = TimestampType::LogAppendTime);
    cluster.handle(client.id, &produce_frame(1, "a"), 123_456).unwrap();
    assert_eq!(cluster.records("lines", 0).next().unwrap().timestamp, 123_456);
}
