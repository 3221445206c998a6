//! A bridge that is told to stop: what was asked is answered, what was not is not begun.
use crate::page::{API_VERSIONS, PATIENCE, Page, eventually, request};
use kurier_bridge::{Options, Server, Topics};
use kurier_broker::codec::object;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A bridge to a broker by hand, and a page that has asked it something; its answer is up to the test.
fn asked(drain_timeout: Duration) -> (Server, Page, TcpStream) {
    asked_with(drain_timeout, 1000, 1, 1)
}

/// The same with many questions in one message, of which so many have come to the broker.
fn asked_with(drain_timeout: Duration, rate: u32, many: usize, passed: usize) -> (Server, Page, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut topics = Topics::new();
    topics.allow("*").unwrap();
    let bridge = Server::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![("127.0.0.1".into(), address.port())],
        topics,
        drain_timeout,
        max_requests_per_second: rate,
        ..Options::default()
    })
    .unwrap();
    let mut page = Page::open(&bridge, &format!("/127.0.0.1/{}", address.port()), &[]).unwrap();
    let question = request(API_VERSIONS, 0, 7, &object([]));
    page.send(&question.repeat(many));
    let (mut broker, _) = listener.accept().unwrap();
    broker.set_read_timeout(Some(PATIENCE)).unwrap();
    broker.read_exact(&mut vec![0; passed * question.len()]).unwrap();
    (bridge, page, broker)
}

#[test]
fn what_was_asked_before_is_answered_and_what_comes_after_is_not_passed_on() {
    let (bridge, mut page, mut broker) = asked(PATIENCE);
    let address = bridge.address();
    let stopping = std::thread::spawn(move || drop(bridge));
    eventually("it takes no connections any more", || TcpStream::connect(address).is_err());
    std::thread::sleep(Duration::from_millis(200));
    page.send(&request(API_VERSIONS, 0, 8, &object([])));
    std::thread::sleep(Duration::from_millis(200));
    broker.write_all(&[0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
    assert_eq!(page.refusal(), 1001);
    drop(page);
    stopping.join().unwrap();
    assert_eq!(broker.read(&mut [0; 64]).unwrap_or(0), 0, "no second request");
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_without_end() {
    let (bridge, mut page, _broker) = asked(Duration::from_millis(300));
    let start = Instant::now();
    let stopping = std::thread::spawn(move || drop(bridge));
    assert_eq!(page.refusal(), 1001);
    assert!((300..9000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    drop(page);
    stopping.join().unwrap();
}

#[test]
fn of_requests_that_came_together_those_that_waited_are_not_begun() {
    // They wait for their turn, or for room in the line of those that wait for answers.
    for (rate, many, passed) in [(1, 5, 1), (1000, 40, 32)] {
        let (bridge, mut page, mut broker) = asked_with(PATIENCE, rate, many, passed);
        let address = bridge.address();
        let stopping = std::thread::spawn(move || drop(bridge));
        eventually("it takes no connections any more", || TcpStream::connect(address).is_err());
        std::thread::sleep(Duration::from_millis(200));
        for _ in 0..passed {
            broker.write_all(&[0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]).unwrap();
            assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
        }
        assert_eq!(page.refusal(), 1001);
        drop(page);
        stopping.join().unwrap();
        assert_eq!(broker.read(&mut [0; 64]).unwrap_or(0), 0, "one more of {many}");
    }
}
