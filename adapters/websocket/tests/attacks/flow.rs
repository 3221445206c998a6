//! How bytes flow: who does not read is not read from, what was sent last arrives, farewells are answered.
use crate::page::{API_VERSIONS, PATIENCE, PRODUCE, Page, Stage, eventually, request};
use kurier_bridge::{Kind, Options, Server, Topics};
use kurier_broker::codec::{Value, frame, object};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{Error, Message};

/// More than all buffers of sockets on the way hold together.
const MUCH: usize = 256 << 20;

/// A page, and the broker's end of its connection.
fn pair(change: impl FnOnce(&mut Options)) -> (Server, Page, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut topics = Topics::new();
    topics.allow("*").unwrap();
    let mut options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![("127.0.0.1".into(), port)],
        topics,
        ..Options::default()
    };
    change(&mut options);
    let bridge = Server::start(options).unwrap();
    let page = Page::open(&bridge, &format!("/127.0.0.1/{port}"), &[]).unwrap();
    let (broker, _) = listener.accept().unwrap();
    broker.set_read_timeout(Some(PATIENCE)).unwrap();
    (bridge, page, broker)
}

/// A Produce that is not answered.
fn unanswered(bytes: usize) -> Vec<u8> {
    let partition = object([("index", 0.into()), ("records", vec![7; bytes].into())]);
    let topic = object([("name", "t".into()), ("partitionData", vec![partition].into())]);
    let body = object([("acks", 0.into()), ("timeoutMs", 1.into()), ("topicData", vec![topic].into())]);
    request(PRODUCE, 9, 1, &body)
}

/// Sends again and again until nothing is taken any more; how many bytes were. Much shorter than a bridge's patience: one
/// that gives up reads on for a moment, so that its reason is heard.
fn pour(page: &mut Page, message: &[u8]) -> usize {
    page.0.get_mut().set_write_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut sent = 0;
    while sent < MUCH {
        match page.0.send(Message::Binary(message.to_vec().into())) {
            Ok(()) => sent += message.len(),
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn a_broker_that_reads_nothing_holds_up_its_page_and_takes_no_memory() {
    let (bridge, mut page, broker) = pair(|options| options.patience = Duration::from_secs(6));
    let sent = pour(&mut page, &unanswered(60_000));
    assert!((60_000..MUCH).contains(&sent), "{sent} bytes were taken");
    eventually("it is given up", || bridge.refusals(Kind::Unreachable) == 1);
    drop(broker);
}

#[test]
fn a_page_that_reads_nothing_is_not_read_from_and_given_up() {
    let stage = Stage::new(|options| {
        options.patience = Duration::from_secs(6);
        options.max_requests_per_second = 1_000_000;
    });
    let mut page = stage.page();
    let question = request(API_VERSIONS, 0, 1, &object([]));
    let many: Vec<u8> = question.iter().copied().cycle().take(question.len() * 1000).collect();
    // On a busy machine it may be slow at first instead of full.
    let (mut sent, start) = (0, Instant::now());
    while stage.bridge.refusals(Kind::Timeout) == 0 {
        sent += pour(&mut page, &many);
        assert!(sent < MUCH, "{sent} bytes were taken");
        assert!(start.elapsed() < 4 * PATIENCE, "it is given up");
    }
    assert_eq!(stage.page().ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0, "others are served");
}

#[test]
fn no_more_than_32_requests_wait_for_their_answers() {
    let (_bridge, mut page, mut broker) = pair(|_| ());
    let question = request(API_VERSIONS, 0, 1, &object([]));
    page.send(&question.repeat(40));
    let mut heard = vec![0; 32 * question.len()];
    broker.read_exact(&mut heard).unwrap();
    assert_eq!(heard, question.repeat(32));
    broker.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(broker.read(&mut heard).is_err(), "one more");
    broker.set_read_timeout(Some(PATIENCE)).unwrap();
    // An answer without any API makes room for one more.
    broker.write_all(&frame(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0])).unwrap();
    assert_eq!(broker.read(&mut heard).unwrap(), question.len());
    assert_eq!(page.answer().unwrap(), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_a_page_sends_before_it_closes_reaches_a_broker_that_is_late() {
    for is_stopped in [false, true] {
        let (bridge, mut page, mut broker) = pair(|options| options.drain_timeout = PATIENCE);
        let message = unanswered(1000);
        for _ in 0..200 {
            page.send(&message);
        }
        // An answer that nobody will read: to close now would reset the connection.
        page.send(&request(API_VERSIONS, 0, 7, &object([])));
        std::thread::sleep(Duration::from_millis(200));
        broker.write_all(&[0, 0, 0, 99]).unwrap();
        page.0.close(None).unwrap();
        loop {
            match page.0.read() {
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => break,
                Ok(_) => (),
                Err(error) => panic!("the farewell is not answered: {error}"),
            }
        }
        assert_eq!(bridge.open(), 1, "its place is its own until the broker has all");
        broker.write_all(&[0; 64]).unwrap();
        let stopping = std::thread::spawn(move || match is_stopped {
            true => drop(bridge),
            false => eventually("its place is free", || bridge.open() == 0),
        });
        std::thread::sleep(Duration::from_millis(200));
        // Another one: what is closed already would answer it with a reset.
        broker.write_all(&[0; 64]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let mut all = Vec::new();
        broker.read_to_end(&mut all).unwrap();
        assert!(all.len() > 200 * message.len());
        drop(broker);
        stopping.join().unwrap();
    }
}

#[test]
fn what_a_broker_answers_before_it_closes_reaches_the_page() {
    let (_bridge, mut page, mut broker) = pair(|_| ());
    let question = request(API_VERSIONS, 0, 7, &object([]));
    page.send(&question);
    broker.read_exact(&mut vec![0; question.len()]).unwrap();
    broker.write_all(&[0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    drop(broker);
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
    assert_eq!(page.refusal(), 4503);
}

#[test]
fn an_answer_that_nobody_asked_for_does_not_reach_the_page() {
    let (_bridge, mut page, mut broker) = pair(|_| ());
    broker.write_all(&[0, 0, 0, 8, 0, 0, 0, 0, 1, 2, 3, 4]).unwrap();
    assert_eq!(page.refusal(), 4502);
}

#[test]
fn pings_are_answered_but_no_faster_than_requests() {
    let stage = Stage::new(|options| options.max_requests_per_second = 50);
    let mut page = stage.page();
    let start = Instant::now();
    for n in 0..120 {
        // Messages without content ask for no more than pings.
        let ping =
            if n % 2 == 0 { Message::Ping(b"x".to_vec().into()) } else { Message::Binary(Vec::new().into()) };
        page.0.send(ping).unwrap();
    }
    let versions: Value = page.ask(API_VERSIONS, 0, &object([]));
    assert_eq!(versions.int("errorCode"), 0);
    assert!(start.elapsed() >= Duration::from_millis(1390), "50 at once, 70 in 1.4 s: {:?}", start.elapsed());
}

#[test]
fn who_goes_without_a_word_is_no_refusal() {
    let stage = Stage::new(|_| ());
    let mut page = stage.page();
    page.ask(API_VERSIONS, 0, &object([]));
    drop(page);
    eventually("it is counted", || stage.bridge.vanished() == 1);
    // With bytes that it has not read its end comes as a reset.
    let mut page = stage.page();
    page.send(&request(API_VERSIONS, 0, 1, &object([])));
    eventually("it is asked", || stage.heard().len() == 2);
    std::thread::sleep(Duration::from_millis(100));
    drop(page);
    eventually("it is counted, too", || stage.bridge.vanished() == 2);
    // Looks whether somebody listens, and goes in the middle of a handshake.
    drop(TcpStream::connect(stage.bridge.address()).unwrap());
    eventually("so is a look", || stage.bridge.vanished() == 3);
    let mut early = TcpStream::connect(stage.bridge.address()).unwrap();
    early.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
    drop(early);
    eventually("and half a handshake", || stage.bridge.vanished() == 4);
    assert!(Kind::ALL.iter().all(|kind| stage.bridge.refusals(*kind) == 0));
    let mut wrong = TcpStream::connect(stage.bridge.address()).unwrap();
    wrong.write_all(b"\0\0\0\x0a\0\x12\0\0\r\n\r\n").unwrap();
    eventually("what is no handshake is refused", || stage.bridge.refusals(Kind::Malformed) == 1);
    assert_eq!(stage.bridge.vanished(), 4);
}
