//! What `Transport` promises, kept by sockets on a loopback interface.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test
use embedded_io::{Error as _, ErrorKind};
use kurier_core::transport::{Endpoint, LinkId, Transport};
use kurier_smoltcp::{Error, Links};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake};

const A: LinkId = LinkId(0);
const B: LinkId = LinkId(1);
const SERVER: Endpoint<'static> = Endpoint { host: "127.0.0.1", port: 9092 };

struct Bench {
    interface: Interface,
    device: Loopback,
    sockets: SocketSet<'static>,
    links: Links<2>,
    clients: [SocketHandle; 2],
    servers: VecDeque<SocketHandle>,
    now: Instant,
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A socket whose buffers hold 64 bytes each way.
fn socket() -> tcp::Socket<'static> {
    tcp::Socket::new(tcp::SocketBuffer::new(vec![0; 64]), tcp::SocketBuffer::new(vec![0; 64]))
}

impl Bench {
    fn new() -> Self {
        let mut device = Loopback::new(Medium::Ip);
        let now = Instant::from_millis(1);
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, now);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8)).unwrap();
            addresses.push(IpCidr::new(IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 1), 128)).unwrap();
        });
        let mut sockets = SocketSet::new(vec![]);
        let clients = [sockets.add(socket()), sockets.add(socket())];
        let links = Links::new(clients, 42);
        let mut servers = VecDeque::new();
        for _ in 0..2 {
            let mut server = socket();
            server.listen(SERVER.port).unwrap();
            servers.push_back(sockets.add(server));
        }
        Self { interface, device, sockets, links, clients, servers, now }
    }

    fn net(&mut self) -> impl Transport<Error = Error> {
        self.links.on(&mut self.interface, &mut self.sockets)
    }

    fn pass(&mut self) {
        for _ in 0..20 {
            self.interface.poll(self.now, &mut self.device, &mut self.sockets);
            self.now += Duration::from_millis(5);
        }
    }

    fn server(&mut self, nth: usize) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.servers[nth])
    }

    fn client(&mut self, nth: usize) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.clients[nth])
    }

    /// Registers a waker, passes, and says how often it was woken.
    fn woken(&mut self, meanwhile: impl FnOnce(&mut Self)) -> usize {
        let wakes = Arc::new(Wakes::default());
        self.links.register(&mut self.sockets, &wakes.clone().into());
        meanwhile(self);
        self.pass();
        wakes.0.load(Ordering::Relaxed)
    }

    fn connect(&mut self, link: LinkId) -> Result<(), Error> {
        for _ in 0..10 {
            if let Poll::Ready(result) = self.net().connect(link, SERVER) {
                return result;
            }
            self.pass();
        }
        panic!("neither open nor refused");
    }

    /// What the server reads, once something came.
    fn served(&mut self, nth: usize) -> Vec<u8> {
        self.pass();
        let mut bytes = vec![0; 64];
        let count = self.server(nth).recv_slice(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }
}

#[test]
fn a_stream_opens_with_its_handshake_and_stays_ready() {
    let mut bench = Bench::new();
    assert!(bench.net().connect(A, SERVER).is_pending());
    assert!(bench.net().connect(A, SERVER).is_pending(), "nothing was exchanged yet");
    assert!(bench.net().recv(A, &mut [0; 8]).is_ready(), "not open is an error, not a wait");
    assert_eq!(bench.connect(A), Ok(()));
    assert_eq!(bench.net().connect(A, SERVER), Poll::Ready(Ok(())));
    assert!(bench.net().recv(A, &mut [0; 8]).is_pending());
}

#[test]
fn what_cannot_be_reached_says_why() {
    let mut bench = Bench::new();
    for (host, port, error, kind) in [
        ("broker.example", 9092, Error::NotAnAddress, ErrorKind::Unsupported),
        ("", 9092, Error::NotAnAddress, ErrorKind::Unsupported),
        ("127.0.0.1", 0, Error::Unreachable, ErrorKind::AddrNotAvailable),
        ("0.0.0.0", 9092, Error::Unreachable, ErrorKind::AddrNotAvailable),
    ] {
        assert_eq!(bench.net().connect(A, Endpoint { host, port }), Poll::Ready(Err(error)), "{host}:{port}");
        assert_eq!(error.kind(), kind);
        assert_eq!([bench.links.take_error(), bench.links.take_error()], [Some(error), None], "told once");
    }
    assert_eq!(bench.net().connect(LinkId(2), SERVER), Poll::Ready(Err(Error::NoSocket)));
    assert!(bench.net().connect(A, Endpoint { port: 1, ..SERVER }).is_pending());
    bench.pass();
    assert_eq!(bench.net().connect(A, Endpoint { port: 1, ..SERVER }), Poll::Ready(Err(Error::Refused)));
    assert_eq!(bench.connect(A), Ok(()), "the slot may be opened again");
}

#[test]
fn where_routes_count_a_broker_that_none_leads_to_is_refused_at_once() {
    let far = Endpoint { host: "192.0.2.2", port: 9092 };
    let mut bench = Bench::new();
    assert!(bench.net().connect(A, far).is_pending(), "a medium without frames needs none");
    let mut bench = Bench::new();
    let sockets = [(); 2].map(|()| bench.sockets.add(socket()));
    bench.links = Links::new(sockets, 42).with_routes();
    assert_eq!(bench.net().connect(A, far), Poll::Ready(Err(Error::Unreachable)));
    assert_eq!(bench.links.take_error(), Some(Error::Unreachable));
    assert_eq!(bench.connect(A), Ok(()), "its own network");
    bench.interface.routes_mut().add_default_ipv4_route([127, 0, 0, 2].into()).unwrap();
    assert!(bench.net().connect(B, far).is_pending(), "a router");
    assert_eq!(bench.links.take_error(), None);
}

#[test]
fn both_kinds_of_addresses_lead_to_a_broker() {
    for host in ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1"] {
        let mut bench = Bench::new();
        assert!(bench.net().connect(A, Endpoint { host, ..SERVER }).is_pending());
        bench.pass();
        assert_eq!(bench.net().connect(A, Endpoint { host, ..SERVER }), Poll::Ready(Ok(())), "{host}");
    }
}

#[test]
fn pieces_are_gathered_in_order_also_around_the_end_of_the_buffer() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    let mut served = Vec::new();
    let mut sent = Vec::new();
    for round in 0..20_u8 {
        let pieces: [&[u8]; 4] = [&[round; 5], &[], &[round + 100; 1], &[round + 200; 13]];
        assert_eq!(bench.net().send(A, &pieces), Poll::Ready(Ok(19)));
        sent.extend(pieces.concat());
        served.extend(bench.served(0));
    }
    assert_eq!(served, sent);
}

#[test]
fn a_full_buffer_takes_a_part_and_then_waits() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    let all: Vec<u8> = (0..200).collect();
    assert_eq!(bench.net().send(A, &[&all[..50], &all[50..]]), Poll::Ready(Ok(64)));
    assert!(bench.net().send(A, &[&all[64..]]).is_pending());
    assert!(bench.net().flush(A).is_pending());
    assert_eq!(bench.served(0), &all[..64]);
    bench.pass();
    assert_eq!(bench.net().flush(A), Poll::Ready(Ok(())));
    assert_eq!(bench.net().send(A, &[&all[64..100]]), Poll::Ready(Ok(36)));
    assert_eq!(bench.served(0), &all[64..100]);
}

#[test]
fn reading_ends_after_the_last_byte() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    bench.server(0).send_slice(b"answer").unwrap();
    bench.server(0).close();
    bench.pass();
    let mut buf = [0; 4];
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(4)));
    assert_eq!(&buf, b"answ");
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(2)));
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(0)));
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(0)));
}

#[test]
fn a_stream_that_its_peer_has_ended_before_anyone_looked_was_open_and_is_read_to_its_end() {
    let mut bench = Bench::new();
    assert!(bench.net().connect(A, SERVER).is_pending());
    bench.pass();
    bench.server(0).send_slice(b"bye").unwrap();
    bench.server(0).close();
    bench.pass();
    assert_eq!(bench.client(0).state(), tcp::State::CloseWait);
    assert_eq!(bench.net().connect(A, SERVER), Poll::Ready(Ok(())));
    let mut buf = [0; 4];
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(3)));
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(0)));
    assert_eq!(bench.net().send(A, &[b"more"]), Poll::Ready(Ok(4)), "this half is open still");
    assert_eq!(bench.served(0), b"more");
}

#[test]
fn a_reset_breaks_every_call_but_what_was_read_before() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    bench.server(0).send_slice(b"last").unwrap();
    bench.pass();
    bench.server(0).abort();
    bench.pass();
    let mut buf = [0; 8];
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Ok(4)));
    assert_eq!(bench.net().recv(A, &mut buf), Poll::Ready(Err(Error::Reset)));
    assert_eq!(bench.net().send(A, &[b"more"]), Poll::Ready(Err(Error::Reset)));
    assert_eq!(bench.net().flush(A), Poll::Ready(Err(Error::Reset)));
}

#[test]
fn a_slot_that_was_closed_opens_at_once_without_anything_of_the_old_stream() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    let old = bench.server(0).remote_endpoint().unwrap().port;
    bench.server(0).send_slice(b"late").unwrap();
    bench.net().send(A, &[b"unsent"]).unwrap_ready();
    bench.net().close(A);
    bench.net().close(A);
    assert_eq!(bench.net().send(A, &[b"x"]), Poll::Ready(Err(Error::Reset)));
    assert_eq!(bench.connect(A), Ok(()));
    assert!(!bench.server(0).is_open(), "the broker was told of the end");
    let new = bench.server(1).remote_endpoint().unwrap().port;
    assert_ne!(old, new);
    assert!(bench.net().recv(A, &mut [0; 8]).is_pending());
    assert_eq!(bench.net().send(A, &[b"new"]), Poll::Ready(Ok(3)));
    assert_eq!(bench.served(1), b"new");
}

#[test]
fn a_peer_that_says_nothing_is_told_of_the_end_before_the_slot_opens_again() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    bench.net().close(A);
    assert_eq!(bench.connect(A), Ok(()));
    assert!(!bench.server(0).is_open(), "nothing but a reset can have told it");
}

#[test]
fn a_stream_neither_waits_for_more_to_send_nor_ends_by_itself() {
    let mut bench = Bench::new();
    // As whoever had the socket before may have left it.
    bench.client(0).set_nagle_enabled(true);
    bench.client(0).set_timeout(Some(Duration::from_millis(10)));
    bench.connect(A).unwrap();
    assert!(!bench.client(0).nagle_enabled());
    assert_eq!(bench.client(0).timeout(), None);
}

#[test]
fn an_executor_is_woken_when_something_came_and_when_there_is_room_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.woken(|_| {}), 0, "nothing is open");
    assert!(bench.net().connect(A, SERVER).is_pending());
    assert!(bench.woken(|_| {}) > 0, "it has opened");
    bench.connect(A).unwrap();
    bench.pass();
    assert_eq!(bench.woken(|_| {}), 0, "nothing happens");
    bench.server(0).send_slice(b"answer").unwrap();
    assert!(bench.woken(|_| {}) > 0, "an answer");
    assert!(bench.net().recv(A, &mut [0; 8]).is_ready());
    // Both buffers full: room comes when the peer reads.
    assert!(bench.net().send(A, &[&[0; 64]]).is_ready());
    bench.pass();
    assert!(bench.net().send(A, &[&[0; 64]]).is_ready());
    bench.pass();
    assert!(bench.net().send(A, &[&[0; 64]]).is_pending());
    assert!(bench.woken(|bench| drop(bench.served(0))) > 0, "room");
    assert!(bench.net().send(A, &[&[0; 64]]).is_ready());
}

#[test]
fn closing_while_it_opens_gives_the_attempt_up() {
    let mut bench = Bench::new();
    assert!(bench.net().connect(A, SERVER).is_pending());
    bench.net().close(A);
    bench.pass();
    assert!(bench.server(0).is_listening());
    assert_eq!(bench.connect(A), Ok(()));
}

#[test]
fn links_do_not_touch_one_another() {
    let mut bench = Bench::new();
    bench.connect(A).unwrap();
    bench.connect(B).unwrap();
    assert_eq!(bench.net().send(A, &[b"to a"]), Poll::Ready(Ok(4)));
    assert_eq!(bench.net().send(B, &[b"to b"]), Poll::Ready(Ok(4)));
    bench.pass();
    bench.net().close(A);
    assert_eq!(bench.served(1), b"to b");
    assert_eq!(bench.net().send(B, &[b"and on"]), Poll::Ready(Ok(6)));
    assert_eq!(bench.served(1), b"and on");
}

trait Ready<T> {
    fn unwrap_ready(self) -> T;
}

impl<T> Ready<T> for Poll<Result<T, Error>> {
    fn unwrap_ready(self) -> T {
        match self {
            Self::Ready(result) => result.unwrap(),
            Self::Pending => panic!("pending"),
        }
    }
}
