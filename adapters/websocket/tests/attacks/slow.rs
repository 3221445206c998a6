//! Slow links: who moves at the least rate is served however long it takes, who does not is ended.
use crate::page::{API_VERSIONS, PATIENCE, PRODUCE, Page, SASL, Stage, eventually, produce, request};
use kurier_bridge::{Kind, Options, Server, Topics};
use kurier_broker::codec::{self, Direction, frame, object};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Much longer than a pause between two pieces, and much shorter than all of them together.
const WINDOW: Duration = Duration::from_millis(600);
const PAUSE: Duration = Duration::from_millis(40);
/// Bytes in a piece: 5000 in a second.
const PIECE: usize = 200;

fn stage(min_rate: u32) -> Stage {
    stage_with(min_rate, 10 * WINDOW)
}

/// Silent clients are given much more time, so that none of it can be taken for a slow one's.
fn stage_with(min_rate: u32, idle_timeout: Duration) -> Stage {
    Stage::new(|options| {
        options.patience = WINDOW;
        options.idle_timeout = idle_timeout;
        options.min_rate = min_rate;
        options.max_frame = 70_000;
    })
}

/// Opcodes of WebSocket frames (RFC 6455, 5.2), and the bit of the last one of a message.
const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const PONG: u8 = 10;
const LAST: u8 = 0x80;

/// A frame as clients send it, masked with zeros.
fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let head = match u16::try_from(payload.len()).unwrap() {
        length if length < 126 => vec![first, 0x80 | length as u8],
        length => [&[first, 0xfe][..], &length.to_be_bytes()].concat(),
    };
    [&head[..], &[0; 4], payload].concat()
}

impl Page {
    /// Bytes as they are; those that come too late for a connection that was ended show in what is read next.
    fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }
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
    for piece in frame_of(LAST | BINARY, &bytes).chunks(PIECE) {
        page.raw(piece);
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
fn a_stall_amid_a_request_or_a_message_is_ended_however_much_came_before() {
    let stage = stage(500);
    let request = long_request();
    let message = frame_of(LAST | BINARY, &[0; 60_000]);
    for part in [frame_of(LAST | BINARY, &request[..request.len() - 1]), message[..59_000].to_vec()] {
        let mut page = stage.page();
        let start = Instant::now();
        page.raw(&part);
        assert_eq!(page.refusal(), 4408);
        assert!((WINDOW..3 * WINDOW).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}

#[test]
fn half_a_message_is_not_kept_alive_by_pongs_or_by_frames_without_content() {
    let stage = stage(500);
    // However often they come; 6 bytes each, or 131.
    for (alive, many, code) in [
        (frame_of(LAST | PONG, &[]), 1, 4408),
        (frame_of(LAST | PONG, &[7; 125]), 20, 4408),
        (frame_of(CONTINUATION, &[]), 1000, 4400),
    ] {
        let mut page = stage.page();
        let start = Instant::now();
        page.raw(&frame_of(BINARY, &long_request()[..4000]));
        while stage.bridge.open() > 0 && start.elapsed() < 6 * WINDOW {
            page.raw(&alive.repeat(many));
            sleep(PAUSE);
        }
        assert_eq!(page.refusal(), code, "{many} of {} bytes", alive.len());
        assert!(start.elapsed() < 6 * WINDOW, "{:?}", start.elapsed());
    }
}

#[test]
fn pongs_take_nothing_from_what_has_come_of_a_request() {
    let stage = stage(3000);
    let mut page = stage.page();
    let bytes = long_request();
    // It spans messages. The second comes in 2 s, at 3900 bytes in a second.
    let (first, second) = bytes.split_at(300);
    page.send(first);
    let (last, pieces) =
        second.chunks(PIECE).collect::<Vec<_>>().split_last().map(|(l, p)| (*l, p.to_vec())).unwrap();
    for (n, piece) in pieces.iter().enumerate() {
        page.raw(&frame_of(if n == 0 { BINARY } else { CONTINUATION }, piece));
        page.raw(&frame_of(LAST | PONG, &[7; 8]));
        sleep(PAUSE + Duration::from_millis(11));
    }
    page.raw(&frame_of(LAST | CONTINUATION, last));
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
}

#[test]
fn who_was_silent_before_a_request_has_its_time_all_the_same() {
    // Of a window of its own 5000 bytes in a second are enough; of all the time since the last sign of life they are not.
    let stage = stage_with(1500, 2 * WINDOW);
    let mut page = stage.page();
    sleep(WINDOW * 7 / 4);
    for piece in frame_of(LAST | BINARY, &long_request()).chunks(PIECE) {
        page.raw(piece);
        sleep(PAUSE);
    }
    assert_eq!(page.answer().unwrap()[..4], [0, 0, 0, 7]);
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
fn a_long_answer_is_taken_slowly_and_given_up_when_nobody_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut topics = Topics::new();
    topics.allow("*").unwrap();
    let patience = 2 * WINDOW;
    let bridge = Server::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![("127.0.0.1".into(), port)],
        topics,
        patience,
        min_rate: 500,
        ..Options::default()
    })
    .unwrap();
    // The one answer that may hold as much as there is: more than all sockets on the way keep.
    let mut answer = vec![0, 0, 0, 7, 0, 0, 0xff, 0xff];
    answer.extend(15_000_000_i32.to_be_bytes());
    answer.resize(answer.len() + 15_000_000, 5);
    let answer = frame(&answer);
    let question = request(SASL[1], 0, 7, &object([("authBytes", vec![1].into())]));
    for reads in [true, false] {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Or the page's system takes much at once and then long nothing, as the test's own.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(&bridge.address().into()).unwrap();
        let url = format!("ws://{}/127.0.0.1/{port}", bridge.address());
        let mut page = Page::over(TcpStream::from(socket), url.into_client_request().unwrap()).unwrap();
        page.send(&question);
        let (mut broker, _) = listener.accept().unwrap();
        broker.set_read_timeout(Some(PATIENCE)).unwrap();
        broker.read_exact(&mut vec![0; question.len()]).unwrap();
        let of_broker = answer.clone();
        let answering = std::thread::spawn(move || drop(broker.write_all(&of_broker)));
        // 50 000 bytes in a second: a hundred times as many as are wanted, and all of it would take five minutes.
        let start = Instant::now();
        while reads && start.elapsed() < 3 * patience {
            page.0.get_mut().read_exact(&mut [0; 2000]).unwrap();
            sleep(PAUSE);
        }
        if !reads {
            eventually("it is given up", || bridge.refusals(Kind::Timeout) == 1);
        }
        assert_eq!(bridge.refusals(Kind::Timeout), u64::from(!reads));
        drop(page);
        answering.join().unwrap();
    }
}
