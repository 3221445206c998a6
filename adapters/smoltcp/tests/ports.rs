//! The local ports that streams begin with: the seed's, one after another, and none that another socket has.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test
use kurier_core::transport::{Endpoint, LinkId, Transport};
use kurier_smoltcp::Links;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

const SERVER: Endpoint<'static> = Endpoint { host: "127.0.0.1", port: 9092 };

struct Bench {
    interface: Interface,
    sockets: SocketSet<'static>,
    links: Links<2>,
    clients: [SocketHandle; 2],
    /// A socket that is no link's.
    stranger: SocketHandle,
}

impl Bench {
    fn new(seed: u32) -> Self {
        let mut device = Loopback::new(Medium::Ip);
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8)).unwrap());
        let mut sockets = SocketSet::new(vec![]);
        let buffer = || tcp::SocketBuffer::new(vec![0; 64]);
        let mut add = || sockets.add(tcp::Socket::new(buffer(), buffer()));
        let (clients, stranger) = ([add(), add()], add());
        Self { interface, sockets, links: Links::new(clients, seed), clients, stranger }
    }

    /// The port of the stream that this link begins.
    fn begin(&mut self, link: u16) -> u16 {
        let begun = self.links.on(&mut self.interface, &mut self.sockets).connect(LinkId(link), SERVER);
        assert!(begun.is_pending());
        self.port(link)
    }

    fn port(&self, link: u16) -> u16 {
        let socket = self.sockets.get::<tcp::Socket<'_>>(self.clients[usize::from(link)]);
        socket.local_endpoint().unwrap().port
    }
}

#[test]
fn links_that_are_seeded_anew_begin_where_the_new_seed_says_and_open_streams_stay() {
    let [old, new] = [42, 7].map(|seed| {
        let mut bench = Bench::new(seed);
        [bench.begin(0), bench.begin(1)]
    });
    assert!(old.iter().all(|port| !new.contains(port)), "{old:?}, {new:?}");
    let mut bench = Bench::new(42);
    bench.links.reseed(7);
    assert_eq!([bench.begin(0), bench.begin(1)], new);
    let mut bench = Bench::new(42);
    assert_eq!(bench.begin(0), old[0]);
    bench.links.reseed(7);
    assert_eq!([bench.begin(1), bench.port(0)], [new[0], old[0]]);
}

#[test]
fn a_port_that_another_socket_has_is_passed_over() {
    let first = Bench::new(42).begin(0);
    // Of another link, as after the same seed again.
    let mut bench = Bench::new(42);
    assert_eq!(bench.begin(0), first);
    bench.links.reseed(42);
    assert_eq!(bench.begin(1), first + 1);
    // Of whoever else uses the set.
    let mut bench = Bench::new(42);
    let stranger = bench.sockets.get_mut::<tcp::Socket<'_>>(bench.stranger);
    stranger.connect(bench.interface.context(), (IpAddress::v4(127, 0, 0, 1), 80), first).unwrap();
    assert_eq!([bench.begin(0), bench.begin(1)], [first + 1, first + 2]);
}
