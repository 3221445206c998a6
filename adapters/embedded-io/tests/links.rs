//! Two and three links: what is done to one is done to its own stream or attempt, and to no other's.
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
use script::Scripted;
use std::rc::Rc;
use std::task::Poll;

/// Both ways to one broker: only the link tells the attempts apart.
const TO: Endpoint<'static> = Endpoint { host: "broker", port: 9092 };

/// What a dialer was asked.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Dial(u16),
    GiveUp(u16),
    /// Which link, and whether the stream was its own.
    HangUp(u16, bool),
}

/// A modem with one socket for each link, which connects when it is told to.
#[derive(Default)]
struct Sockets {
    sockets: [Scripted; 3],
    connects: [Option<Result<(), ErrorKind>>; 3],
    calls: Vec<Call>,
}

impl Dial<Scripted> for Sockets {
    fn dial(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<Scripted, ErrorKind>> {
        assert_eq!(to, TO);
        self.calls.push(Call::Dial(link.0));
        match self.connects[link.index()].take() {
            Some(result) => Poll::Ready(result.map(|()| self.sockets[link.index()].clone())),
            None => Poll::Pending,
        }
    }
    fn give_up(&mut self, link: LinkId) {
        self.calls.push(Call::GiveUp(link.0));
    }
    fn hang_up(&mut self, link: LinkId, stream: Scripted) {
        let own = Rc::ptr_eq(&stream.0, &self.sockets[link.index()].0);
        self.calls.push(Call::HangUp(link.0, own));
    }
}

type Net<const N: usize> = Streams<Sockets, Scripted, N>;

fn links<const N: usize>() -> impl DoubleEndedIterator<Item = LinkId> {
    (0..N as u16).map(LinkId)
}

fn calls<const N: usize>(net: &mut Net<N>) -> Vec<Call> {
    std::mem::take(&mut net.dial_mut().calls)
}

/// All links open.
fn open<const N: usize>() -> Net<N> {
    let mut net = Streams::new(Sockets { connects: [Some(Ok(())); 3], ..Sockets::default() });
    for link in links::<N>() {
        assert_eq!(net.connect(link, TO), Poll::Ready(Ok(())));
    }
    calls(&mut net);
    net
}

fn attempts_alternate<const N: usize>() {
    let mut net: Net<N> = Streams::new(Sockets::default());
    for _ in 0..2 {
        assert!(links::<N>().all(|link| net.connect(link, TO).is_pending()));
        assert_eq!(calls(&mut net), links::<N>().map(|link| Call::Dial(link.0)).collect::<Vec<_>>());
    }
    // The last begun is the first that is there.
    for link in links::<N>().rev() {
        assert_eq!(net.recv(link, &mut [0; 4]), Poll::Ready(Err(ErrorKind::NotConnected)));
        net.dial_mut().connects[link.index()] = Some(Ok(()));
        for other in links::<N>() {
            assert_eq!(net.connect(other, TO).is_ready(), other >= link, "{other:?} while {link:?} opens");
        }
        let dialled: Vec<_> =
            links::<N>().filter(|other| *other <= link).map(|link| Call::Dial(link.0)).collect();
        assert_eq!(calls(&mut net), dialled, "an open link is not dialled again");
        net.dial_mut().sockets[link.index()].0.borrow_mut().reads.push_back(Ok(vec![7]));
        assert_eq!(net.recv(link, &mut [0; 4]), Poll::Ready(Ok(1)), "each has its own stream");
    }
}

#[test]
fn attempts_alternate_and_each_link_has_the_stream_of_its_own() {
    attempts_alternate::<2>();
    attempts_alternate::<3>();
}

#[test]
fn a_function_that_dials_is_told_the_link() {
    let sockets: [Scripted; 2] = Default::default();
    sockets[1].0.borrow_mut().reads.push_back(Ok(vec![7]));
    let dial = |link: LinkId, _: Endpoint<'_>| Poll::Ready(Ok(sockets[link.index()].clone()));
    let mut net: Streams<_, Scripted, 2> = Streams::new(dial);
    assert!(links::<2>().all(|link| net.connect(link, TO) == Poll::Ready(Ok(()))));
    assert!(net.recv(LinkId(0), &mut [0; 4]).is_pending());
    assert_eq!(net.recv(LinkId(1), &mut [0; 4]), Poll::Ready(Ok(1)));
}

fn calls_reach_their_own_stream<const N: usize>() {
    let mut net = open::<N>();
    let sockets = net.dial_mut().sockets.clone();
    for link in links::<N>() {
        let own = &sockets[link.index()].0;
        let text = [b'a' + link.0 as u8; 5];
        assert!(net.send(link, &[&text]).is_pending());
        own.borrow_mut().writes.push_back(Ok(9));
        own.borrow_mut().reads.push_back(Ok(text.to_vec()));
        for other in links::<N>().filter(|other| *other != link) {
            assert!(net.send(other, &[b"z"]).is_pending(), "the room is {link:?}'s");
            assert!(net.recv(other, &mut [0; 8]).is_pending(), "the bytes are {link:?}'s");
        }
        assert_eq!(net.send(link, &[&text]), Poll::Ready(Ok(5)));
        let mut buf = [0; 5];
        assert_eq!(net.recv(link, &mut buf), Poll::Ready(Ok(5)));
        assert_eq!((buf, own.borrow().written.as_slice()), (text, text.as_slice()));
    }
    for link in links::<N>().rev() {
        assert_eq!(net.flush(link), Poll::Ready(Ok(())));
        let flushed: Vec<_> = sockets[..N].iter().map(|socket| socket.0.borrow().flushed).collect();
        assert_eq!(flushed, links::<N>().map(|other| if other < link { 0 } else { 5 }).collect::<Vec<_>>());
    }
    sockets[1].0.borrow_mut().fails = Some(ErrorKind::ConnectionReset);
    assert_eq!(net.recv(LinkId(1), &mut [0; 4]), Poll::Ready(Err(ErrorKind::ConnectionReset)));
    assert!(net.recv(LinkId(0), &mut [0; 4]).is_pending(), "one stream broke, not the others");
    sockets[1].0.borrow_mut().fails = None;
    // The last first, and each is gone alone.
    for link in links::<N>().rev() {
        net.close(link);
        net.close(link);
        assert_eq!(calls(&mut net), [Call::HangUp(link.0, true)]);
        for other in links::<N>() {
            let gone = net.recv(other, &mut [0; 4]) == Poll::Ready(Err(ErrorKind::NotConnected));
            assert_eq!(gone, other >= link, "{other:?} when {link:?} is closed");
        }
    }
}

#[test]
fn what_is_sent_read_flushed_and_closed_is_the_links_own() {
    calls_reach_their_own_stream::<2>();
    calls_reach_their_own_stream::<3>();
}

fn one_attempt_ends_alone<const N: usize>() {
    for ended in links::<N>() {
        let mut net: Net<N> = Streams::new(Sockets::default());
        assert!(links::<N>().all(|link| net.connect(link, TO).is_pending()));
        calls(&mut net);
        net.close(ended);
        net.close(ended);
        assert_eq!(calls(&mut net), [Call::GiveUp(ended.0)]);
        // The others are still opening: each is given up in turn or, next time, has its stream.
        for other in links::<N>().filter(|other| *other != ended) {
            net.dial_mut().connects[other.index()] = Some(Ok(()));
            assert_eq!(net.connect(other, TO), Poll::Ready(Ok(())));
            net.close(other);
            assert_eq!(calls(&mut net), [Call::Dial(other.0), Call::HangUp(other.0, true)]);
        }
        // A failure ends an attempt as well: nothing is left to be given up.
        assert!(links::<N>().all(|link| net.connect(link, TO).is_pending()));
        net.dial_mut().connects[ended.index()] = Some(Err(ErrorKind::ConnectionRefused));
        assert_eq!(net.connect(ended, TO), Poll::Ready(Err(ErrorKind::ConnectionRefused)));
        calls(&mut net);
        links::<N>().for_each(|link| net.close(link));
        let others: Vec<_> =
            links::<N>().filter(|link| *link != ended).map(|link| Call::GiveUp(link.0)).collect();
        assert_eq!(calls(&mut net), others);
    }
}

#[test]
fn an_attempt_that_fails_or_is_given_up_leaves_the_others_alone() {
    one_attempt_ends_alone::<2>();
    one_attempt_ends_alone::<3>();
}

fn none_beyond<const N: usize>() {
    let mut net = open::<N>();
    for beyond in [LinkId(N as u16), LinkId(u16::MAX)] {
        assert_eq!(net.connect(beyond, TO), Poll::Ready(Err(ErrorKind::InvalidInput)));
        assert_eq!(net.send(beyond, &[b"x"]), Poll::Ready(Err(ErrorKind::InvalidInput)));
        assert_eq!(net.flush(beyond), Poll::Ready(Err(ErrorKind::InvalidInput)));
        assert_eq!(net.recv(beyond, &mut [0; 4]), Poll::Ready(Err(ErrorKind::InvalidInput)));
        net.close(beyond);
    }
    assert_eq!(calls(&mut net), []);
    assert!(links::<N>().all(|link| net.recv(link, &mut [0; 4]).is_pending()), "those there are stay open");
}

#[test]
fn a_link_beyond_the_last_is_an_error_and_is_not_dialled() {
    none_beyond::<2>();
    none_beyond::<3>();
}

/// What one of a modem's sockets is at.
enum Socket {
    Free,
    /// Connects to a broker, for so many more turns.
    Connecting(i32, u32),
    Connected(Scripted, ConnectionId),
}

/// Where the two brokers are.
const BROKERS: [Endpoint<'static>; 2] =
    [Endpoint { host: "one", port: 9092 }, Endpoint { host: "two", port: 9093 }];

/// A modem of two slow sockets that lead to two brokers. Each fifth attempt comes to nothing until it is given up.
struct Modem {
    cluster: Cluster,
    sockets: [Socket; 2],
    attempts: u32,
    given_up: u32,
    /// Turns in which both sockets were connecting.
    both: u32,
    cuts: u32,
}

impl Dial<Scripted> for Modem {
    fn dial(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<Scripted, ErrorKind>> {
        let broker = 1 + BROKERS.iter().position(|broker| *broker == to).unwrap() as i32;
        match self.sockets[link.index()] {
            Socket::Free => {
                self.attempts += 1;
                let turns = if self.attempts.is_multiple_of(5) { u32::MAX } else { 20 };
                self.sockets[link.index()] = Socket::Connecting(broker, turns);
                Poll::Pending
            }
            Socket::Connecting(begun, 0) => {
                assert_eq!(begun, broker, "the attempt that goes on is the one that was begun");
                let connection = self.cluster.open(broker).unwrap();
                let stream = Scripted::default();
                self.sockets[link.index()] = Socket::Connected(stream.clone(), connection);
                Poll::Ready(Ok(stream))
            }
            Socket::Connecting(begun, _) => {
                assert_eq!(begun, broker, "the attempt that goes on is the one that was begun");
                Poll::Pending
            }
            Socket::Connected(..) => panic!("{link:?} is dialled while it has a stream"),
        }
    }
    fn give_up(&mut self, link: LinkId) {
        let socket = std::mem::replace(&mut self.sockets[link.index()], Socket::Free);
        assert!(matches!(socket, Socket::Connecting(..)), "nothing to give up");
        self.given_up += 1;
    }
    fn hang_up(&mut self, link: LinkId, stream: Scripted) {
        let socket = std::mem::replace(&mut self.sockets[link.index()], Socket::Free);
        let Socket::Connected(own, connection) = socket else { panic!("nothing to hang up") };
        assert!(Rc::ptr_eq(&own.0, &stream.0), "another link's stream");
        self.cluster.close(connection);
    }
}

impl Modem {
    /// Lets a millisecond pass: sockets connect, bytes go to the brokers and back.
    fn pass(&mut self, now: i64) {
        self.cluster.poll(now);
        self.both += u32::from(self.sockets.iter().all(|socket| matches!(socket, Socket::Connecting(..))));
        for socket in &mut self.sockets {
            match socket {
                Socket::Free => {}
                Socket::Connecting(_, turns) => *turns = turns.saturating_sub(1),
                Socket::Connected(stream, connection) => {
                    let mut script = stream.0.borrow_mut();
                    let written = std::mem::take(&mut script.written);
                    // Why the broker closes, if it does, is seen in what follows.
                    let _ = self.cluster.handle(*connection, &written, now);
                    let answer = self.cluster.take_output(*connection);
                    script.reads.extend(answer.chunks(11).map(|piece| Ok(piece.to_vec())));
                    script.writes.resize(1, Ok(7));
                }
            }
        }
    }

    /// The line of one socket breaks, if there is one.
    fn cut(&mut self, socket: usize) {
        if let Socket::Connected(stream, _) = &self.sockets[socket] {
            let mut script = stream.0.borrow_mut();
            script.reads.push_back(Ok(Vec::new()));
            script.writes.clear();
            self.cuts += 1;
        }
    }
}

#[test]
fn a_producer_over_two_slow_sockets_loses_and_doubles_nothing() {
    const COUNT: u32 = 2000;
    const TOPICS: [&str; 2] = ["led-by-one", "led-by-two"];
    static CONFIG: Config<'static> = Config::new(&BROKERS).socket_connection_setup_timeout_ms(300);
    let mut cluster = Cluster::new(Settings::default());
    for (id, broker) in (1..).zip(&BROKERS) {
        cluster.add_broker(id, broker.host, broker.port);
    }
    for (name, replicas) in TOPICS.into_iter().zip([&[1], &[2]]) {
        cluster.place_topic(name, &[replicas], TopicConfig::default()).unwrap();
    }
    let sockets = [Socket::Free, Socket::Free];
    let modem = Modem { cluster, sockets, attempts: 0, given_up: 0, both: 0, cuts: 0 };
    let mut net: Streams<Modem, Scripted, 2> = Streams::new(modem);
    let memory = Box::leak(Box::new(Storage::<2, 2, 4, 128>::new()));
    let mut producer = Producer::new(memory, &CONFIG, crc32c::crc32c_append).unwrap();
    let topics = TOPICS.map(|name| producer.topic(name, Instant::from_millis(1)).unwrap());
    let (mut sent, mut acknowledged) = (0_u32, 0);
    for turn in 1..40_000_u64 {
        let now = Instant::from_millis(turn);
        while sent < COUNT {
            let topic = topics[sent as usize % 2];
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
        net.dial_mut().pass(1_700_000_000_000 + turn.cast_signed());
        // Now one, now the other, now both.
        if turn % 400 == 350 {
            for socket in [0, 1].into_iter().filter(|socket| turn / 400 % 3 != *socket) {
                net.dial_mut().cut(socket as usize);
            }
        }
        if acknowledged == COUNT {
            break;
        }
    }
    assert_eq!(acknowledged, COUNT, "{:?}", producer.stats());
    let Modem { cluster, attempts, given_up, both, cuts, .. } = net.dial_mut();
    assert!(
        *given_up > 1 && *both > 20 && *cuts > 5,
        "{given_up} of {attempts} given up, {both}, {cuts} cuts"
    );
    for (name, rest) in TOPICS.into_iter().zip(0..) {
        let number = |value: &[u8]| u32::from_be_bytes(*value.first_chunk().unwrap());
        let numbers: Vec<_> = cluster.records(name, 0).map(|record| number(record.value.unwrap())).collect();
        assert_eq!(numbers, (0..COUNT).filter(|n| n % 2 == rest).collect::<Vec<_>>(), "{name}");
    }
}
