//! Slow links: who moves at the least rate is served however long it takes, who does not is ended.
use crate::page::{API_VERSIONS, PATIENCE, PRODUCE, Page, SASL, Stage, eventually, produce, request};
use kurier_bridge::{Kind, Options, Server, Topics};
use kurier_broker::codec::{self, Direction, frame, object};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

/// Much longer than a pause between two pieces, and much shorter than all of them together.
const WINDOW: Duration = Duration::from_millis(600);
const PAUSE: Duration = Duration::from_millis(40);
/// Bytes in a piece: 5000 in a second.
const PIECE: usize = 200;

fn stage(min_rate: u32) -> Stage {
    Stage::new(|options| {
        options.patience = WINDOW;
        options.idle_timeout = WINDOW;
        options.min_rate = min_rate;
    })
}

/// A Produce of 8000 bytes, most of them a client's id that is as long as ids may be.
fn long_request() -> Vec<u8> {
    let body = codec::encode(PRODUCE, 9, Direction::Request, &produce("clicks", [0; 16])).unwrap();
    let mut payload =
        [PRODUCE.to_be_bytes(), 9_i16.to_be_bytes(), [0, 0], [0, 7], 8000_i16.to_be_bytes()].concat();
    payload.extend([b'x'; 8000]);
    payload.push(0);
    frame(&[payload, body].concat())
}

#[test]
fn a_request_over_a_slow_link_passes_in_many_messages_and_in_one() {
    let stage = stage(500);
    let mut page = stage.page();
    let bytes = long_request();
    for piece in bytes.chunks(PIECE) {
        page.send(piece);
        sleep(PAUSE);
    }
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
    // A binary frame, masked with zeros.
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let message = [&[0x82, 0xfe, length[0], length[1], 0, 0, 0, 0], &bytes[..]].concat();
    for piece in message.chunks(PIECE) {
        page.0.get_mut().write_all(piece).unwrap();
        sleep(PAUSE);
    }
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
    assert_eq!(stage.logged("clicks"), 2);
}

#[test]
fn the_same_link_is_too_slow_for_a_bridge_that_wants_more_and_pings_do_not_make_it_faster() {
    let stage = stage(100_000);
    for pings in [false, true] {
        let mut page = stage.page();
        let start = Instant::now();
        for piece in long_request().chunks(PIECE) {
            page.send(piece);
            if pings {
                (0..100).for_each(|_| drop(page.0.send(Message::Ping(vec![0; 120].into()))));
            }
            sleep(PAUSE);
            if start.elapsed() > 2 * WINDOW {
                break;
            }
        }
        assert_eq!(page.refusal(), 4408);
    }
    assert_eq!((stage.bridge.refusals(Kind::Timeout), stage.heard()), (2, vec![]));
}

#[test]
fn a_stall_amid_a_request_is_ended_however_much_came_before() {
    let stage = stage(500);
    let mut page = stage.page();
    let bytes = long_request();
    let start = Instant::now();
    page.send(&bytes[..bytes.len() - 1]);
    assert_eq!(page.refusal(), 4408);
    assert!((WINDOW..5 * WINDOW).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[test]
fn requests_that_never_end_where_a_message_does_are_each_given_their_time() {
    let stage = stage(1_000_000);
    let mut page = stage.page();
    let question = request(API_VERSIONS, 0, 7, &object([]));
    let (front, back) = question.split_at(5);
    page.send(front);
    let start = Instant::now();
    while start.elapsed() < 3 * WINDOW {
        sleep(PAUSE);
        page.send(&[back, front].concat());
        assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
    }
}

#[test]
fn a_long_answer_over_a_slow_link_arrives_and_is_given_up_when_nobody_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut topics = Topics::new();
    topics.allow("*").unwrap();
    let bridge = Server::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![("127.0.0.1".into(), port)],
        topics,
        patience: WINDOW,
        min_rate: 500,
        ..Options::default()
    })
    .unwrap();
    // The one answer that may hold as much as there is: more than all sockets on the way keep.
    let mut answer = vec![0, 0, 0, 7, 0, 0, 0xff, 0xff];
    answer.extend(15_000_000_i32.to_be_bytes());
    answer.resize(answer.len() + 15_000_000, 5);
    let question = request(SASL[1], 0, 7, &object([("authBytes", vec![1].into())]));
    for reads in [true, false] {
        let mut page = Page::open(&bridge, &format!("/127.0.0.1/{port}"), &[]).unwrap();
        page.send(&question);
        let (mut broker, _) = listener.accept().unwrap();
        broker.set_read_timeout(Some(PATIENCE)).unwrap();
        broker.read_exact(&mut vec![0; question.len()]).unwrap();
        let of_broker = answer.clone();
        let answering = std::thread::spawn(move || drop(broker.write_all(&frame(&of_broker))));
        let mut piece = vec![0; 1_000_000];
        for _ in 0..15 {
            if reads {
                page.0.get_mut().read_exact(&mut piece).unwrap();
            }
            sleep(3 * PAUSE);
        }
        if !reads {
            eventually("it is given up", || bridge.refusals(Kind::Timeout) == 1);
        }
        assert_eq!(bridge.refusals(Kind::Timeout), u64::from(!reads));
        drop(page);
        answering.join().unwrap();
    }
}
