//! Frames and headers: what is cut out of the stream, and what ends it.
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::testing::frame;

const VERSIONS: (i16, i16) = (api::API_VERSIONS, 0);

fn versions(correlation: i32) -> Vec<u8> {
    frame(api::API_VERSIONS, 0, correlation, &[])
}

#[test]
fn garbage_ends_the_connection() {
    let mut talk = Talk::new();
    let header = |api: i16, version: i16, rest: &[u8]| {
        let mut payload = [&api.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1], rest].concat();
        let mut bytes = (payload.len() as i32).to_be_bytes().to_vec();
        bytes.append(&mut payload);
        bytes
    };
    for (name, bytes) in [
        ("a negative size", vec![0xff, 0xff, 0xff, 0xff]),
        ("a size above the limit", 104_857_601i32.to_be_bytes().to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("an empty frame", vec![0, 0, 0, 0]),
        ("half a header", vec![0, 0, 0, 4, 0, 18, 0, 0]),
        ("a client id beyond the end", header(18, 0, &[0, 9, b'x'])),
        ("an unknown API", header(1234, 0, &[0xff, 0xff])),
        ("a negative API", header(-1, 0, &[0xff, 0xff])),
        ("a Produce body that ends early", frame(api::PRODUCE, 9, 1, &[0, 0xff, 0xff])),
        ("a Metadata body that ends early", frame(api::METADATA, 4, 1, &[0, 0, 0, 1, 0, 5])),
        ("an array beyond the end", frame(api::METADATA, 4, 1, &[0x7f, 0xff, 0xff, 0xff, 0])),
        ("an InitProducerId body that ends early", frame(api::INIT_PRODUCER_ID, 2, 1, &[0, 0, 0])),
        ("no header tags", header(api::METADATA, 9, &[0xff, 0xff])),
        ("an ApiVersions body that ends early", frame(api::API_VERSIONS, 3, 1, &[7, b'k'])),
    ] {
        assert_eq!(talk.send_raw(&bytes, &[VERSIONS]), [Answer::Closed], "{name}");
    }
}

#[test]
fn trailing_bytes_null_clients_and_unknown_tags_are_allowed() {
    let mut talk = Talk::new();
    let mut null_client = vec![0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    assert!(matches!(talk.send_raw(&null_client, &[VERSIONS])[..], [Answer::Body(_)]));
    null_client[3] = 12;
    null_client.extend_from_slice(&[1, 2]);
    assert!(matches!(talk.send_raw(&null_client, &[VERSIONS])[..], [Answer::Body(_)]), "two bytes too many");
    let tagged = [7, b'k', b'u', b'r', b'i', b'e', b'r', 2, b'1', 1, 99, 3, 1, 2, 3];
    assert!(matches!(talk.ask_bytes(api::API_VERSIONS, 3, &tagged), Answer::Body(_)));
    let header_tags =
        [&[0, 18, 0, 3, 0, 0, 0, 7, 0, 1, b'x', 1, 5, 1, 0xaa, 7][..], b"kurier", &[2, b'1', 0]].concat();
    let framed = [&(header_tags.len() as i32).to_be_bytes()[..], &header_tags].concat();
    assert!(matches!(talk.send_raw(&framed, &[(api::API_VERSIONS, 3)])[..], [Answer::Body(_)]));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut talk = Talk::new();
    let three = [versions(1), frame(api::METADATA, 4, 2, &[0, 0, 0, 0, 0]), versions(3)].concat();
    let answers = talk.send_raw(&three, &[VERSIONS, (api::METADATA, 4), VERSIONS]);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Body(_))), "{answers:?}");
    assert_eq!(answers.len(), 3);
}

#[test]
fn what_was_asked_before_the_garbage_is_answered() {
    let mut talk = Talk::new();
    let bytes = [versions(1), vec![0xff, 0xff, 0xff, 0xff]].concat();
    let answers = talk.send_raw(&bytes, &[VERSIONS, VERSIONS]);
    assert!(matches!(answers[..], [Answer::Body(_), Answer::Closed]), "{answers:?}");
}
