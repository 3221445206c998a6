//! Faults that tests order.
use crate::client::{NOW, answers, batch, body, cluster, produce_frame, produce_parts, request};
use kurier_broker::testing::frame;
use kurier_broker::{Body, Close, ErrorCode, Fault, Reply, TopicConfig, api};
use std::sync::{Arc, Mutex};

#[test]
fn a_refused_request_leaves_no_trace_and_a_failed_one_does() {
    let (mut cluster, client) = cluster();
    let faults =
        [Fault::refuse(ErrorCode::KAFKA_STORAGE_ERROR), Fault::fail_after(ErrorCode::REQUEST_TIMED_OUT)];
    let mut faults = faults.into_iter();
    cluster.inject(move |_| faults.next());
    assert_eq!(client.produce(&mut cluster, "a"), Some((56, -1)));
    assert_eq!(cluster.log_end("lines", 0), Some(0));
    assert_eq!(client.produce(&mut cluster, "b"), Some((7, 0)), "it tells where the batch went");
    assert_eq!(cluster.log_end("lines", 0), Some(1));
    assert_eq!(client.produce(&mut cluster, "c"), Some((0, 1)));
}

#[test]
fn only_the_named_partitions_are_struck() {
    for (fault, expected) in [
        (Fault::refuse(ErrorCode::NOT_LEADER_OR_FOLLOWER), 0),
        (Fault::fail_after(ErrorCode::NOT_LEADER_OR_FOLLOWER), 1),
    ] {
        let (mut cluster, client) = cluster();
        cluster.create_topic("other", 2, TopicConfig::default()).unwrap();
        let fault = fault.only(&[("lines", 0), ("other", 1)]);
        cluster.inject(move |_| Some(fault.clone()));
        let records = batch("a");
        let parts: [(&str, i32, &[u8]); 3] =
            [("lines", 0, &records), ("other", 0, &records), ("other", 1, &records)];
        let body = client.ask(&mut cluster, api::PRODUCE, 9, &produce_parts(-1, &parts)).unwrap();
        let errors: Vec<_> = body
            .list("responses")
            .iter()
            .flat_map(|topic| {
                let name = topic.text("name").to_owned();
                topic
                    .list("partitionResponses")
                    .iter()
                    .map(move |part| (name.clone(), part.int("index"), part.int("errorCode")))
            })
            .collect();
        for (topic, index, error) in [("lines", 0, 6), ("other", 0, 0), ("other", 1, 6)] {
            assert!(errors.contains(&(topic.to_owned(), index, error)), "{errors:?}");
        }
        assert_eq!(errors.len(), 3);
        let ends = [cluster.log_end("lines", 0), cluster.log_end("other", 0), cluster.log_end("other", 1)];
        assert_eq!(ends, [Some(expected), Some(1), Some(expected)]);
    }
}

#[test]
fn answers_are_lost_after_or_before_the_work() {
    let (mut cluster, client) = cluster();
    let mut faults = [Fault::lose_answer(), Fault::ignore()].into_iter();
    cluster.inject(move |_| faults.next());
    assert_eq!(client.produce(&mut cluster, "a"), None);
    assert_eq!(cluster.log_end("lines", 0), Some(1));
    assert_eq!(client.produce(&mut cluster, "b"), None);
    assert_eq!(cluster.log_end("lines", 0), Some(1));
    assert_eq!(client.produce(&mut cluster, "c"), Some((0, 1)), "the connection lives on");
}

#[test]
fn connections_are_closed_before_or_after_the_work() {
    for (fault, end) in [(Fault::close_before(), 0), (Fault::close_after(), 1)] {
        let (mut cluster, client) = cluster();
        cluster.inject(move |_| Some(fault.clone()));
        assert_eq!(cluster.handle(client.id, &produce_frame(1, "a"), NOW), Err(Close::Fault));
        assert!(cluster.take_output(client.id).is_empty());
        assert_eq!(cluster.log_end("lines", 0), Some(end));
    }
}

#[test]
fn a_hanging_connection_answers_nothing_any_more() {
    let (mut cluster, client) = cluster();
    cluster.inject(|request| (request.index == 0).then(|| Fault { reply: Reply::Hang, ..Fault::default() }));
    assert_eq!(client.produce(&mut cluster, "a"), None);
    assert_eq!(client.produce(&mut cluster, "b"), None);
    assert_eq!(cluster.log_end("lines", 0), Some(1));
    assert!(!cluster.is_reading(client.id));
    assert_eq!(cluster.next_deadline(), None);
}

#[test]
fn a_delay_holds_back_everything_behind_it() {
    let (mut cluster, client) = cluster();
    cluster.inject(|request| (request.index == 0).then(|| Fault::delay(500)));
    cluster.handle(client.id, &[produce_frame(1, "a"), produce_frame(2, "b")].concat(), NOW).unwrap();
    assert!(cluster.take_output(client.id).is_empty());
    assert_eq!((cluster.log_end("lines", 0), cluster.next_deadline()), (Some(1), Some(NOW + 500)));
    cluster.poll(NOW + 499);
    assert!(cluster.take_output(client.id).is_empty());
    cluster.poll(NOW + 500);
    let output = cluster.take_output(client.id);
    assert_eq!(answers(&output).iter().map(|(correlation, _)| *correlation).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((cluster.log_end("lines", 0), cluster.next_deadline()), (Some(2), None));
}

#[test]
fn answers_can_be_damaged() {
    let (mut cluster, client) = cluster();
    cluster.inject(|_| {
        Some(Fault::alter(|answer| {
            answer.truncate(9);
            answer[7] ^= 0xff;
        }))
    });
    cluster.handle(client.id, &produce_frame(1, "a"), NOW).unwrap();
    let output = cluster.take_output(client.id);
    assert_eq!(output.len(), 9);
    assert_eq!(output[4..8], [0, 0, 0, 1 ^ 0xff]);
}

#[test]
fn other_requests_are_refused_by_their_own_field() {
    let (mut cluster, client) = cluster();
    cluster.inject(|_| Some(Fault::refuse(ErrorCode::LEADER_NOT_AVAILABLE)));
    let topic = client.lines(&mut cluster);
    assert_eq!((topic.int("errorCode"), topic.list("partitions").len()), (5, 0));
    let init = request(api::INIT_PRODUCER_ID, 4, 1, &kurier_broker::codec::object([]));
    cluster.handle(client.id, &init, NOW).unwrap();
    let output = cluster.take_output(client.id);
    let answer = body(api::INIT_PRODUCER_ID, 4, &answers(&output)[0].1);
    assert_eq!((answer.int("errorCode"), answer.int("producerId"), cluster.producer_ids()), (5, -1, 0));
    cluster.inject(|_| Some(Fault::refuse(ErrorCode::UNSUPPORTED_VERSION)));
    cluster.handle(client.id, &frame(api::API_VERSIONS, 3, 1, b"\x02k\x021\0"), NOW).unwrap();
    let output = cluster.take_output(client.id);
    assert_eq!(answers(&output)[0].1, [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4], "in version 0");
}

#[test]
fn every_request_is_observed_with_what_it_asks() {
    let (mut cluster, client) = cluster();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    cluster.observe(move |request| {
        let topics = match &request.body {
            Body::Produce(produce) => {
                produce.topics.iter().map(|topic| topic.name.clone().into_owned()).collect()
            }
            _ => Vec::new(),
        };
        log.lock().unwrap().push((
            request.index,
            request.api,
            request.version,
            request.client_id.clone().map(String::from),
            topics,
        ));
    });
    client.produce(&mut cluster, "a");
    client.lines(&mut cluster);
    let id = cluster.topic_id("lines").unwrap();
    let part = kurier_broker::codec::object([
        ("index", 0.into()),
        ("records", kurier_broker::codec::Value::Bytes(batch("b"))),
    ]);
    let topic = kurier_broker::codec::object([
        ("topicId", kurier_broker::codec::Value::Uuid(id)),
        ("partitionData", kurier_broker::codec::Value::Array(vec![part])),
    ]);
    let by_id = kurier_broker::codec::object([
        ("acks", 1.into()),
        ("topicData", kurier_broker::codec::Value::Array(vec![topic])),
    ]);
    client.ask(&mut cluster, api::PRODUCE, 13, &by_id).unwrap();
    let name = Some("test".to_owned());
    let expected = [
        (0, api::PRODUCE, 9, name.clone(), vec!["lines".to_owned()]),
        (1, api::METADATA, 9, name.clone(), vec![]),
        (2, api::PRODUCE, 13, name, vec!["lines".to_owned()]),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
