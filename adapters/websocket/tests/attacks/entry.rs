//! Who is let in, how many, and for how long.
use crate::page::{API_VERSIONS, PATIENCE, Page, Stage, eventually, header, request};
use kurier_bridge::{Kind, Options, Server, Topics};
use kurier_broker::codec::{frame, object};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const TOKEN: &str = "0123456789abcdef";

#[test]
fn a_page_cannot_choose_an_address() {
    let stage = Stage::new(|_| ());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let port = other.local_addr().unwrap().port();
    let broker = stage.broker.addresses()[0].port();
    let paths = [
        format!("/127.0.0.1/{port}"),
        format!("/localhost/{broker}"),
        format!("/127.0.0.1/{broker}/../{port}"),
        format!("/127.0.0.1/{port}?/127.0.0.1/{broker}"),
        format!("/127.0.0.1%00/{broker}"),
        "/169.254.169.254/80".to_owned(),
        "/".to_owned(),
    ];
    for path in paths {
        let mut page = Page::open(&stage.bridge, &path, &[]).unwrap();
        assert_eq!(page.refusal(), 4404, "{path}");
    }
    assert!(other.accept().is_err(), "nobody came");
}

#[test]
fn a_wrong_origin_or_token_gets_a_reason_and_nothing_else() {
    let stage = Stage::new(|options| {
        options.origins = vec!["https://shop.example".into()];
        options.token = Some(TOKEN.into());
    });
    let right = format!("kurier, kurier.token.{TOKEN}");
    let wrong = "kurier, kurier.token.0123456789abcdeF";
    let shop = ("Origin", "https://shop.example");
    let protocol = |value| ("Sec-WebSocket-Protocol", value);
    let cases: [(&[(&str, &str)], u16); 5] = [
        (&[("Origin", "https://evil.example"), protocol(right.as_str())], 4403),
        (&[protocol(right.as_str())], 4403),
        (&[shop, protocol(wrong)], 4401),
        (&[shop, protocol("kurier")], 4401),
        (&[shop], 4401),
    ];
    for (headers, code) in cases {
        let mut page = Page::open(&stage.bridge, &stage.path(), headers).unwrap();
        page.send(&request(API_VERSIONS, 0, 1, &object([])));
        assert_eq!(page.refusal(), code, "{headers:?}");
    }
    assert_eq!(stage.heard(), []);
    let mut page = Page::open(&stage.bridge, &stage.path(), &[shop, protocol(right.as_str())]).unwrap();
    assert_eq!(page.ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0);
}

#[test]
fn who_is_slow_is_ended_and_who_is_idle_but_there_is_not() {
    let stage = Stage::new(|options| {
        options.patience = Duration::from_millis(300);
        options.idle_timeout = Duration::from_millis(600);
    });
    // A handshake that does not come to its end: a byte of a header now and then.
    let mut raw = TcpStream::connect(stage.bridge.address()).unwrap();
    raw.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    let start = Instant::now();
    while stage.bridge.refusals(Kind::Timeout) == 0 {
        assert!(start.elapsed() < PATIENCE, "nobody ends it");
        let _late = raw.write_all(b"x");
        std::thread::sleep(Duration::from_millis(40));
    }
    eventually("its place is free", || stage.bridge.open() == 0);
    // A request a byte at a time, each in time.
    let mut slow = stage.page();
    for byte in request(API_VERSIONS, 0, 1, &object([])) {
        slow.send(&[byte]);
        std::thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(slow.refusal(), 4408);
    // Silent: its WebSocket answers no pings, because nobody reads.
    let mut silent = stage.page();
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(silent.refusal(), 4408);
    // Idle: reading answers pings.
    let mut idle = stage.page();
    idle.0.get_mut().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    for _ in 0..24 {
        let _nothing = idle.0.read();
    }
    idle.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(idle.ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0);
    assert_eq!(stage.heard().len(), 1);
}

#[test]
fn a_message_that_trickles_is_ended_though_something_always_comes() {
    let stage = Stage::new(|options| options.idle_timeout = Duration::from_millis(600));
    let mut page = stage.page();
    let raw = page.0.get_mut();
    // A binary frame of 1000 bytes, masked with zeros; then a byte now and then.
    raw.write_all(&[0x82, 0xfe, 0x03, 0xe8, 0, 0, 0, 0]).unwrap();
    let start = Instant::now();
    while stage.bridge.refusals(Kind::Timeout) == 0 {
        assert!(start.elapsed() < PATIENCE, "nobody ends it");
        let _late = raw.write_all(&[0]);
        std::thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(page.refusal(), 4408);
    assert_eq!(stage.heard(), []);
}

#[test]
fn who_asks_too_often_is_read_later_and_others_are_not() {
    let stage = Stage::new(|options| options.max_requests_per_second = 5);
    let (mut eager, mut other) = (stage.page(), stage.page());
    let start = Instant::now();
    let all: Vec<u8> = (0..20).flat_map(|n| request(API_VERSIONS, 0, n, &object([]))).collect();
    eager.send(&all);
    assert_eq!(other.ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0);
    assert!(start.elapsed() < Duration::from_millis(2500), "it did not wait for the eager one");
    for n in 0..20_i32 {
        assert_eq!(eager.answer().unwrap()[..4], n.to_be_bytes());
    }
    assert!(start.elapsed() >= Duration::from_millis(2990), "5 at once, 15 in 3 s: {:?}", start.elapsed());
}

#[test]
fn a_thousand_connections_cost_their_places_only() {
    let stage = Stage::new(|options| {
        options.max_connections = 30;
        options.max_connections_per_client = 30;
    });
    let mut pages: Vec<_> = (0..30).map(|_| stage.page()).collect();
    for page in &mut pages {
        page.ask(API_VERSIONS, 0, &object([]));
    }
    let crowd: Vec<_> = (0..1000).filter_map(|_| TcpStream::connect(stage.bridge.address()).ok()).collect();
    for page in &mut pages {
        assert_eq!(page.ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0, "who was there is served");
    }
    assert!(stage.bridge.open() <= 30 + 64);
    assert!(stage.bridge.refusals(Kind::TooMany) > 500);
    drop(crowd);
    eventually("their places are free", || stage.bridge.open() == 30);
    assert_eq!(stage.page().refusal(), 4429);
    pages.pop();
    eventually("a place is free", || stage.bridge.open() < 30);
    assert_eq!(stage.page().ask(API_VERSIONS, 0, &object([])).int("errorCode"), 0);
}

#[test]
fn a_broker_that_talks_nonsense_ends_its_connection_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0xff; 16],
        &[0, 0, 0, 6, 0, 0, 0, 9, 0, 0],
        &[0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff],
    ];
    let broker = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 64]);
            let _sent = stream.write_all(answer);
            // Until the bridge has had enough.
            let _end = stream.read(&mut [0; 64]);
        }
    });
    let mut topics = Topics::new();
    topics.allow("*").unwrap();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        bootstrap: vec![(address.ip().to_string(), address.port())],
        topics,
        ..Options::default()
    };
    let bridge = Server::start(options).unwrap();
    for answer in answers {
        let path = format!("/{}/{}", address.ip(), address.port());
        let mut page = Page::open(&bridge, &path, &[]).unwrap();
        page.send(&request(API_VERSIONS, 0, 1, &object([])));
        assert_eq!(page.refusal(), 4502, "{answer:?}");
    }
    broker.join().unwrap();
}

#[test]
fn a_broker_that_is_silent_to_a_connect_is_given_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    });
    let address = listener.local_addr().unwrap();
    // Who finds the line of those to be accepted full is not answered.
    let in_line: Vec<_> = (0..100)
        .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok())
        .collect();
    assert!(in_line.len() < 100);
    let stage = Stage::new(|options| {
        options.patience = Duration::from_millis(300);
        options.allow_broker = vec![("127.0.0.1".into(), address.port())];
    });
    let mut page = Page::open(&stage.bridge, &format!("/127.0.0.1/{}", address.port()), &[]).unwrap();
    assert_eq!(page.refusal(), 4503);
}

#[test]
fn metrics_count_what_passed_and_what_was_refused() {
    let stage = Stage::new(|options| {
        options.metrics = Some("127.0.0.1:0".parse().unwrap());
        options.max_requests_per_second = 3;
    });
    let mut page = Page::open(&stage.bridge, "/nowhere/1", &[]).unwrap();
    assert_eq!(page.refusal(), 4404);
    drop(page);
    drop(stage.page());
    eventually("their places are free", || stage.bridge.open() == 0);
    let mut page = stage.page();
    let mut answered = 0;
    for _ in 0..4 {
        page.send(&request(API_VERSIONS, 0, 1, &object([])));
        answered += 4 + page.answer().unwrap().len();
    }
    page.send(&frame(&header(API_VERSIONS, 99, 7)));
    let own = page.answer().unwrap();
    assert_eq!(own[4..6], [0, 35], "the bridge's own answer");
    answered += 4 + own.len();
    let _another = stage.page();
    let mut reader = TcpStream::connect(stage.bridge.metrics_address().unwrap()).unwrap();
    reader.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let has = |line: &str| text.lines().any(|found| found == line);
    for line in [
        "kurier_bridge_refusals_total{reason=\"unknown_broker\"} 1",
        "kurier_bridge_refusals_total{reason=\"forbidden\"} 0",
        "kurier_bridge_connections_total 4",
        "kurier_bridge_open 2",
        "kurier_bridge_requests_total 5",
        "kurier_bridge_vanished_total 1",
        "kurier_bridge_throttled_total 2",
        "kurier_bridge_request_bytes_total 72",
    ] {
        assert!(has(line), "{line} in {text}");
    }
    assert!(has(&format!("kurier_bridge_answer_bytes_total {answered}")), "{answered} in {text}");
}
