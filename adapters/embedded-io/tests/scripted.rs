//! Streams that do as a script says, under the transport's contract and under a whole producer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
mod script;

use embedded_io::ErrorKind;
use kurier_broker::{Cluster, ConnectionId, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::error::SendError;
use kurier_core::producer::Producer;
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::time::Instant;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use kurier_embedded_io::{Dial, Streams};
use script::{Script, Scripted};
use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

const A: LinkId = LinkId(0);
const TO: Endpoint<'static> = Endpoint { host: "broker", port: 9092 };

/// A transport whose one stream is open, and the stream's script.
fn open() -> (impl Transport<Error = ErrorKind>, Rc<RefCell<Script>>) {
    let stream = Scripted::default();
    let script = stream.0.clone();
    let mut net: Streams<_, Scripted> =
        Streams::new(move |_: LinkId, _: Endpoint<'_>| Poll::Ready(Ok(stream.clone())));
    assert_eq!(net.connect(A, TO), Poll::Ready(Ok(())));
    (net, script)
}

#[test]
fn a_stream_that_is_not_ready_is_neither_read_nor_written() {
    let (mut net, script) = open();
    assert!(net.recv(A, &mut [0; 8]).is_pending());
    assert!(net.send(A, &[b"abc"]).is_pending());
    script.borrow_mut().reads.push_back(Ok(b"answer".to_vec()));
    let mut buf = [0; 4];
    assert_eq!(net.recv(A, &mut buf), Poll::Ready(Ok(4)));
    assert_eq!(net.recv(A, &mut buf), Poll::Ready(Ok(2)));
    assert!(net.recv(A, &mut buf).is_pending());
    script.borrow_mut().reads.push_back(Ok(Vec::new()));
    assert_eq!(net.recv(A, &mut buf), Poll::Ready(Ok(0)), "the end of the stream");
}

#[test]
fn pieces_go_out_in_order_as_far_as_there_is_room() {
    let (mut net, script) = open();
    script.borrow_mut().writes.extend([Ok(9), Ok(9), Ok(2)]);
    assert_eq!(net.send(A, &[b"ab", b"", b"cde", b"fgh", b"ij"]), Poll::Ready(Ok(7)));
    script.borrow_mut().writes.extend([Ok(9)]);
    assert_eq!(net.send(A, &[b"hij"]), Poll::Ready(Ok(3)));
    assert_eq!(script.borrow().written, b"abcdefghij");
    assert_eq!(script.borrow().flushed, 0);
    assert_eq!(net.flush(A), Poll::Ready(Ok(())));
    assert_eq!(script.borrow().flushed, 10, "the stream's own buffers are flushed");
}

#[test]
fn errors_come_by_their_kind_and_after_what_was_taken() {
    let (mut net, script) = open();
    script.borrow_mut().writes.extend([Ok(2), Err(ErrorKind::BrokenPipe), Err(ErrorKind::BrokenPipe)]);
    assert_eq!(net.send(A, &[b"ab", b"cd"]), Poll::Ready(Ok(2)));
    assert_eq!(net.send(A, &[b"cd"]), Poll::Ready(Err(ErrorKind::BrokenPipe)));
    script.borrow_mut().reads.extend([Err(ErrorKind::Interrupted), Err(ErrorKind::ConnectionReset)]);
    assert!(net.recv(A, &mut [0; 4]).is_pending(), "interrupted is a wait");
    assert_eq!(net.recv(A, &mut [0; 4]), Poll::Ready(Err(ErrorKind::ConnectionReset)));
    script.borrow_mut().writes.push_back(Ok(0));
    assert_eq!(net.send(A, &[b"x"]), Poll::Ready(Err(ErrorKind::WriteZero)), "no stream may take nothing");
    script.borrow_mut().fails = Some(ErrorKind::NotConnected);
    assert_eq!(net.recv(A, &mut [0; 4]), Poll::Ready(Err(ErrorKind::NotConnected)), "it cannot say");
    assert_eq!(net.send(A, &[b"x"]), Poll::Ready(Err(ErrorKind::NotConnected)));
    assert_eq!(net.flush(A), Poll::Ready(Err(ErrorKind::NotConnected)));
}

/// Dials that are counted.
#[derive(Default)]
struct Counted {
    dialled: u32,
    given_up: u32,
    hung_up: u32,
    answer: Option<Result<Scripted, ErrorKind>>,
}

impl Dial<Scripted> for Counted {
    fn dial(&mut self, _: LinkId, _: Endpoint<'_>) -> Poll<Result<Scripted, ErrorKind>> {
        self.dialled += 1;
        self.answer.take().map_or(Poll::Pending, Poll::Ready)
    }
    fn give_up(&mut self, _: LinkId) {
        self.given_up += 1;
    }
    fn hang_up(&mut self, _: LinkId, _: Scripted) {
        self.hung_up += 1;
    }
}

#[test]
fn each_dial_ends_open_failed_or_given_up_and_each_stream_is_hung_up_once() {
    let mut net: Streams<Counted, Scripted> = Streams::new(Counted::default());
    assert_eq!(net.recv(A, &mut [0; 4]), Poll::Ready(Err(ErrorKind::NotConnected)));
    assert!(net.connect(A, TO).is_pending());
    net.close(A);
    net.close(A);
    assert_eq!((net.dial_mut().given_up, net.dial_mut().hung_up), (1, 0));
    net.dial_mut().answer = Some(Err(ErrorKind::ConnectionRefused));
    assert_eq!(net.connect(A, TO), Poll::Ready(Err(ErrorKind::ConnectionRefused)));
    net.dial_mut().answer = Some(Ok(Scripted::default()));
    assert_eq!(net.connect(A, TO), Poll::Ready(Ok(())));
    assert_eq!(net.connect(A, TO), Poll::Ready(Ok(())), "it stays ready, and is not dialled again");
    net.close(A);
    net.close(A);
    assert_eq!(net.send(A, &[b"x"]), Poll::Ready(Err(ErrorKind::NotConnected)));
    let counted = net.dial_mut();
    assert_eq!((counted.dialled, counted.given_up, counted.hung_up), (3, 1, 1));
    assert_eq!(net.connect(LinkId(1), TO), Poll::Ready(Err(ErrorKind::InvalidInput)), "one link, no second");
}

/// A modem whose line leads to the model broker, a few bytes at a time, and breaks when it is told to.
struct Modem {
    cluster: Rc<RefCell<Cluster>>,
    lines: Vec<(Scripted, ConnectionId)>,
    /// Lines that were cut.
    cuts: u32,
}

impl Modem {
    /// Carries what was written to the broker and its answers back.
    fn carry(&mut self, now: i64) {
        let mut cluster = self.cluster.borrow_mut();
        cluster.poll(now);
        for (stream, connection) in &self.lines {
            let mut script = stream.0.borrow_mut();
            let written = std::mem::take(&mut script.written);
            // Why the broker closes, if it does, is seen in what follows.
            let _ = cluster.handle(*connection, &written, now);
            let answer = cluster.take_output(*connection);
            script.reads.extend(answer.chunks(7).map(|piece| Ok(piece.to_vec())));
            script.writes.resize(6, Ok(11));
        }
    }

    fn cut(&mut self) {
        for (stream, connection) in self.lines.drain(..) {
            self.cluster.borrow_mut().close(connection);
            let mut script = stream.0.borrow_mut();
            script.reads.push_back(Ok(Vec::new()));
            script.writes.clear();
            self.cuts += 1;
        }
    }
}

impl Dial<Scripted> for Modem {
    fn dial(&mut self, _: LinkId, to: Endpoint<'_>) -> Poll<Result<Scripted, ErrorKind>> {
        assert_eq!(to, TO);
        let connection = self.cluster.borrow_mut().open(1).ok_or(ErrorKind::ConnectionRefused)?;
        let stream = Scripted::default();
        self.lines.push((stream.clone(), connection));
        Poll::Ready(Ok(stream))
    }
}

#[test]
fn a_producer_over_a_modem_that_drops_its_line_loses_and_doubles_nothing() {
    static CONFIG: Config<'static> = Config::new(&[TO]);
    let mut cluster = Cluster::new(Settings::default());
    cluster.add_broker(1, TO.host, TO.port);
    cluster.create_topic("lines", 1, TopicConfig::default()).unwrap();
    let cluster = Rc::new(RefCell::new(cluster));
    let modem = Modem { cluster: cluster.clone(), lines: Vec::new(), cuts: 0 };
    let mut net: Streams<Modem, Scripted> = Streams::new(modem);
    let memory = Box::leak(Box::new(Storage::<1, 1, 2, 128>::new()));
    let mut producer = Producer::new(memory, &CONFIG, crc32c::crc32c_append).unwrap();
    let topic = producer.topic("lines", Instant::from_millis(1)).unwrap();
    let (mut sent, mut acknowledged) = (0_u32, 0);
    for turn in 1..200_000_u64 {
        let now = Instant::from_millis(turn);
        while sent < 2000 {
            match producer.send(topic, Record::value(&sent.to_be_bytes()), now) {
                Ok(_) => sent += 1,
                Err(SendError::Full | SendError::NotReady) => break,
                Err(error) => panic!("{error}"),
            }
        }
        producer.poll(now, &mut net);
        while let Some(delivery) = producer.next_delivery() {
            assert!(delivery.is_ok(), "{:?}", *delivery);
            acknowledged += delivery.count;
        }
        net.dial_mut().carry(1_700_000_000_000 + turn.cast_signed());
        if turn % 300 == 150 {
            net.dial_mut().cut();
        }
        if acknowledged == 2000 {
            break;
        }
    }
    assert_eq!(acknowledged, 2000, "{:?}", producer.stats());
    let cuts = net.dial_mut().cuts;
    assert!(cuts > 2, "the line was cut {cuts} times on the way");
    let cluster = cluster.borrow();
    let number = |value: &[u8]| u32::from_be_bytes(*value.first_chunk().unwrap());
    let numbers: Vec<_> = cluster.records("lines", 0).map(|record| number(record.value.unwrap())).collect();
    assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
}
