//! Requests are cut out of the stream wherever it is broken.
use crate::client::{
    NOW, answers, batch, cluster, cluster_of, produce_body, produce_frame, produced, request,
};
use kurier_broker::testing::frame;
use kurier_broker::{Close, Settings, api};

fn three() -> Vec<u8> {
    [produce_frame(1, "a"), frame(api::API_VERSIONS, 0, 2, &[]), produce_frame(3, "b")].concat()
}

fn correlations(output: &[u8]) -> Vec<i32> {
    answers(output).into_iter().map(|(correlation, _)| correlation).collect()
}

#[test]
fn any_cut_of_the_stream_gives_the_same_answers() {
    let bytes = three();
    let (mut whole, client) = cluster();
    whole.handle(client.id, &bytes, NOW).unwrap();
    let expected = whole.take_output(client.id);
    assert_eq!(correlations(&expected), [1, 2, 3]);
    for size in [1, 2, 3, 5, 7, 11, 50, 64, bytes.len() - 1] {
        let (mut cut, client) = cluster();
        bytes.chunks(size).for_each(|chunk| cut.handle(client.id, chunk, NOW).unwrap());
        assert_eq!(cut.take_output(client.id), expected, "in pieces of {size}");
    }
    for at in 0..bytes.len() {
        let (mut cut, client) = cluster();
        cut.handle(client.id, &bytes[..at], NOW).unwrap();
        cut.handle(client.id, &bytes[at..], NOW).unwrap();
        assert_eq!(cut.take_output(client.id), expected, "cut at {at}");
    }
}

#[test]
fn connections_do_not_mix() {
    let (mut cluster, one) = cluster();
    let two = cluster.open(1).unwrap();
    let (first, second) = (produce_frame(1, "a"), produce_frame(2, "b"));
    let (head, tail) = first.split_at(20);
    cluster.handle(one.id, head, NOW).unwrap();
    cluster.handle(two, &second, NOW).unwrap();
    cluster.handle(one.id, tail, NOW).unwrap();
    assert_eq!(correlations(&cluster.take_output(two)), [2]);
    assert_eq!(correlations(&cluster.take_output(one.id)), [1]);
    let values: Vec<_> = cluster.records("lines", 0).map(|record| record.value.unwrap()[0]).collect();
    assert_eq!(values, b"ba");
}

#[test]
fn a_closed_connection_takes_nothing_more() {
    let (mut cluster, client) = cluster();
    let bytes = [produce_frame(1, "a"), vec![0xff; 4], produce_frame(2, "b")].concat();
    assert_eq!(cluster.handle(client.id, &bytes, NOW), Err(Close::InvalidSize(-1)));
    assert_eq!(correlations(&cluster.take_output(client.id)), [1], "what came before is answered");
    assert_eq!(cluster.handle(client.id, &produce_frame(3, "c"), NOW), Err(Close::InvalidSize(-1)));
    assert_eq!(cluster.log_end("lines", 0), Some(1));
    cluster.close(client.id);
    assert_eq!(cluster.handle(client.id, &[], NOW), Err(Close::Gone));
}

#[test]
fn a_frame_above_the_limit_is_refused_before_it_is_there() {
    let (mut cluster, client) =
        cluster_of(1, Settings { socket_request_max_bytes: 100, ..Settings::default() });
    assert_eq!(cluster.handle(client.id, &[0, 0, 0], NOW), Ok(()));
    assert_eq!(cluster.handle(client.id, &[101], NOW), Err(Close::InvalidSize(101)));
}

#[test]
fn acks_zero_has_no_answer_but_its_successor_has() {
    let (mut cluster, client) = cluster();
    let silent = request(api::PRODUCE, 9, 1, &produce_body(0, &batch("a")));
    cluster.handle(client.id, &[silent.clone(), silent, produce_frame(3, "c")].concat(), NOW).unwrap();
    let output = cluster.take_output(client.id);
    assert_eq!(correlations(&output), [3]);
    assert_eq!(produced(&answers(&output)[0].1), (0, 2));
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let run = || {
        let (mut cluster, client) = cluster();
        cluster.create_topic("more", 3, kurier_broker::TopicConfig::default()).unwrap();
        cluster.handle(client.id, &three(), NOW).unwrap();
        cluster.handle(client.id, &frame(api::METADATA, 12, 9, &[0, 0, 0, 0]), NOW).unwrap();
        cluster.take_output(client.id)
    };
    assert_eq!(run(), run());
}
