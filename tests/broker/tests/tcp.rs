//! The TCP shell: sockets follow the cluster.
#![allow(clippy::unwrap_used)]
use kurier_broker::testing::{BatchBuilder, frame};
use kurier_broker::{Fault, Server, ServerOptions, Settings, TopicConfig, api};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn connect(server: &Server, broker: usize) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[broker - 1]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next answer's payload; `None` at the end of the stream.
fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).ok()?;
    let mut payload = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(payload)
}

fn versions(correlation: i32) -> Vec<u8> {
    frame(api::API_VERSIONS, 0, correlation, &[])
}

/// Produce 3 to partition 0 of `lines`.
fn produce(correlation: i32, records: &[u8]) -> Vec<u8> {
    let mut body = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 3, 0xe8, 0, 0, 0, 1, 0, 5];
    body.extend_from_slice(b"lines");
    body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    body.extend_from_slice(&(records.len() as i32).to_be_bytes());
    body.extend_from_slice(records);
    frame(api::PRODUCE, 3, correlation, &body)
}

fn eventually(what: &str, is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn many_connections_with_pipelined_requests_are_served() {
    let server = Server::start_default().unwrap();
    let mut streams: Vec<_> = (0..50).map(|_| connect(&server, 1)).collect();
    for stream in &mut streams {
        let requests: Vec<u8> = (0..20).flat_map(versions).collect();
        stream.write_all(&requests).unwrap();
    }
    for stream in &mut streams {
        for correlation in 0..20i32 {
            assert_eq!(answer(stream).unwrap()[..4], correlation.to_be_bytes());
        }
    }
}

#[test]
fn requests_larger_than_any_buffer_pass() {
    let server = Server::start_default().unwrap();
    let config = TopicConfig { max_message_bytes: i32::MAX, ..TopicConfig::default() };
    server.with(|cluster| cluster.create_topic("lines", 1, config)).unwrap();
    let mut stream = connect(&server, 1);
    let records = BatchBuilder::new().value(&vec![b'x'; 5_000_000]).build();
    for offset in 0..3i64 {
        stream.write_all(&[produce(7, &records), versions(8)].concat()).unwrap();
        let produced = answer(&mut stream).unwrap();
        // Correlation, topics, name, partitions, index; then error and base offset.
        assert_eq!((&produced[23..25], &produced[25..33]), (&[0, 0][..], &offset.to_be_bytes()[..]));
        assert_eq!(answer(&mut stream).unwrap()[..4], 8i32.to_be_bytes());
    }
}

#[test]
fn a_reader_that_does_not_read_holds_only_itself_up() {
    let server = Server::start_default().unwrap();
    let mut lazy = connect(&server, 1);
    lazy.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // More questions than all socket buffers can hold answers: the broker must stop to read some time.
    let questions: Vec<u8> = (0..10_000).flat_map(versions).collect();
    let mut sent = 0;
    while let Ok(written) = lazy.write(&questions[sent % questions.len()..]) {
        sent += written;
        assert!(sent < 1 << 30, "answers pile up somewhere");
    }
    let served = || server.with(|cluster| cluster.requests()) as usize;
    eventually("it goes on serving", || {
        let before = served();
        std::thread::sleep(Duration::from_millis(300));
        served() == before
    });
    let unread = sent - served() * versions(0).len();
    assert!(unread > 10_000, "it took all there was, and keeps the answers: {unread} bytes left");
    let mut other = connect(&server, 1);
    other.write_all(&versions(1)).unwrap();
    assert!(answer(&mut other).is_some());
}

#[test]
fn garbage_and_acks_zero_errors_close_the_socket() {
    let server = Server::start_default().unwrap();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0xff; 4]] {
        let mut stream = connect(&server, 1);
        stream.write_all(&[versions(1), bytes].concat()).unwrap();
        assert!(answer(&mut stream).is_some(), "what came before is answered");
        assert_eq!(answer(&mut stream), None);
    }
}

#[test]
fn a_killed_broker_refuses_connections_until_it_is_restarted() {
    let server = Server::start(ServerOptions { brokers: 2, ..ServerOptions::default() }).unwrap();
    let (mut one, mut two) = (connect(&server, 1), connect(&server, 2));
    server.with(|cluster| cluster.kill(1));
    assert_eq!(answer(&mut one), None, "its connections end");
    let address = server.addresses()[0];
    eventually("the port is closed", || TcpStream::connect(address).is_err());
    two.write_all(&versions(1)).unwrap();
    assert!(answer(&mut two).is_some());
    server.with(|cluster| cluster.restart(1));
    eventually("the port is open again", || TcpStream::connect(address).is_ok());
    let mut one = connect(&server, 1);
    one.write_all(&versions(2)).unwrap();
    assert!(answer(&mut one).is_some());
}

#[test]
fn a_paused_broker_answers_after_its_restart() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.pause(1));
    let mut stream = connect(&server, 1);
    stream.write_all(&versions(1)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "nothing comes");
    server.with(|cluster| cluster.restart(1));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(answer(&mut stream).is_some());
}

#[test]
fn delayed_answers_come_by_the_real_clock() {
    let server = Server::start_default().unwrap();
    server.with(|cluster| cluster.inject(|_| Some(Fault::delay(150))));
    let mut stream = connect(&server, 1);
    let start = Instant::now();
    stream.write_all(&versions(1)).unwrap();
    assert!(answer(&mut stream).is_some());
    assert!(start.elapsed() >= Duration::from_millis(149), "{:?}", start.elapsed());
}

#[test]
fn metadata_tells_the_advertised_host_and_the_ports_listened_on() {
    let options = ServerOptions { advertised_host: Some("10.0.2.2".to_owned()), ..ServerOptions::default() };
    let server = Server::start(options).unwrap();
    let mut stream = connect(&server, 1);
    stream.write_all(&frame(api::METADATA, 1, 1, &[0, 0, 0, 0])).unwrap();
    let payload = answer(&mut stream).unwrap();
    // Correlation, one broker, its id, then the host.
    assert_eq!(payload[12..14], [0, 8]);
    assert_eq!(&payload[14..22], b"10.0.2.2");
    assert_eq!(payload[22..26], i32::from(server.addresses()[0].port()).to_be_bytes());
}

#[test]
fn the_port_is_free_again_after_a_drop() {
    let server = Server::start_default().unwrap();
    let address = server.addresses()[0];
    let mut stream = connect(&server, 1);
    drop(server);
    assert_eq!(answer(&mut stream), None);
    let again = ServerOptions {
        listen: address.to_string(),
        settings: Settings::default(),
        ..ServerOptions::default()
    };
    assert_eq!(Server::start(again).unwrap().addresses(), [address]);
    assert!(
        Server::start(ServerOptions {
            listen: "no such host.invalid:1".to_owned(),
            ..ServerOptions::default()
        })
        .is_err()
    );
}
