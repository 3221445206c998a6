//! SASL through the bridge, before a broker by hand: its exchange passes as it is, and what hides in it does not.
use crate::page::{API_VERSIONS, PATIENCE, Page, header, request};
use kurier_bridge::{Options, Server, Topics};
use kurier_broker::codec::{self, Value, object};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A page, and the broker's end of its connection.
fn pair() -> (Server, Page, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut topics = Topics::new();
    topics.allow("*").unwrap();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![("127.0.0.1".into(), port)],
        topics,
        ..Options::default()
    };
    let bridge = Server::start(options).unwrap();
    let page = Page::open(&bridge, &format!("/127.0.0.1/{port}"), &[]).unwrap();
    let (broker, _) = listener.accept().unwrap();
    broker.set_read_timeout(Some(PATIENCE)).unwrap();
    (bridge, page, broker)
}

fn heard(broker: &mut TcpStream) -> Vec<u8> {
    let mut size = [0; 4];
    broker.read_exact(&mut size).unwrap();
    let mut payload = vec![0; u32::from_be_bytes(size) as usize];
    broker.read_exact(&mut payload).unwrap();
    payload
}

#[test]
fn a_client_authenticates_to_the_broker() {
    let (_bridge, mut page, mut broker) = pair();
    let mut exchange = |question: &[u8], answer: &[u8]| {
        page.send(&codec::frame(question));
        assert_eq!(heard(&mut broker), question);
        broker.write_all(&codec::frame(answer)).unwrap();
        assert_eq!(page.answer().unwrap(), answer);
    };
    exchange(b"\0\x11\0\x01\0\0\0\x01\0\x01p\0\x05PLAIN", b"\0\0\0\x01\0\0\0\0\0\x01\0\x05PLAIN");
    let token = b"\0alice\0alice-secret";
    let short = [&b"\0\x24\0\x01\0\0\0\x02\0\x01p\0\0\0\x13"[..], token].concat();
    exchange(&short, b"\0\0\0\x02\0\0\xff\xff\0\0\0\0\0\0\0\0\0\0\0\x05");
    let flexible = [&b"\0\x24\0\x02\0\0\0\x03\0\x01p\0\x14"[..], token, &[0]].concat();
    exchange(&flexible, b"\0\0\0\x03\0\0\x3a\x0anot again\x01\0\0\0\0\0\0\0\0\0");
}

#[test]
fn brokers_with_sasl_are_advertised_with_it() {
    let (_bridge, mut page, mut broker) = pair();
    page.send(&request(API_VERSIONS, 0, 7, &object([])));
    heard(&mut broker);
    let ranges = [(3, 0, 13), (17, 0, 1), (36, 0, 3), (41, 0, 3)].map(|(key, oldest, newest)| {
        object([("apiKey", key.into()), ("minVersion", oldest.into()), ("maxVersion", newest.into())])
    });
    let body = object([("apiKeys", ranges.to_vec().into())]);
    let body = codec::encode(API_VERSIONS, 0, codec::Direction::Response, &body).unwrap();
    broker.write_all(&codec::frame(&[&[0, 0, 0, 7], body.as_slice()].concat())).unwrap();
    let answer = page.answer().unwrap();
    let answer = codec::decode(API_VERSIONS, 0, codec::Direction::Response, &answer[4..]).unwrap();
    let range = |range: &Value| (range.int("apiKey"), range.int("minVersion"), range.int("maxVersion"));
    let ranges: Vec<_> = answer.list("apiKeys").iter().map(range).collect();
    assert_eq!(ranges, [(3, 4, 13), (17, 1, 1), (36, 0, 2)]);
}

#[test]
fn what_hides_behind_an_exchange_or_in_its_answer_does_not_pass() {
    let (_bridge, mut page, mut broker) = pair();
    let hidden = header(41, 0, 9);
    page.send(&codec::frame(&[b"\0\x11\0\x01\0\0\0\x01\0\x01p\0\x05PLAIN", hidden.as_slice()].concat()));
    assert_eq!(heard(&mut broker), b"\0\x11\0\x01\0\0\0\x01\0\x01p\0\x05PLAIN");
    broker.write_all(&codec::frame(b"\0\0\0\x01\0\0\x7f\xff\xff\xff")).unwrap();
    assert_eq!(page.refusal(), 4502);
    let (_bridge, mut page, mut broker) = pair();
    page.send(&codec::frame(b"\0\x24\0\0\0\0\0\x01\0\x01p\0\0\0\x09short"));
    assert_eq!(page.refusal(), 4400);
    assert_eq!(broker.read(&mut [0; 9]).unwrap_or(0), 0, "nothing of it");
}
