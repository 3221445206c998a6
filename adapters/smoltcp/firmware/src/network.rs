//! The network: an address by DHCP, names by DNS, and the producer's streams, all in statics.
mod lease;

use crate::arguments::Arguments;
use crate::board::Board;
use crate::lan9118::{Lan9118, Traffic};
use kurier_core::sender::Wake;
use kurier_smoltcp::{Error, Links, Net};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::dns::{self, DnsQuery};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

/// Brokers at a time: the first parameter of the producer's storage.
pub const LINKS: usize = 2;
/// Bytes of each stream's buffers: what one write takes, and the window that a broker sees.
const SEND: usize = 2048;
const RECEIVE: usize = 1024;
/// Microseconds between two complaints about the same.
const COMPLAIN: u64 = 5_000_000;

/// The network of the device.
pub struct Network {
    device: Lan9118,
    interface: Interface,
    sockets: SocketSet<'static>,
    links: Links<LINKS>,
    dhcp: Option<SocketHandle>,
    dns: SocketHandle,
    /// It had a lease before.
    seeded: bool,
    /// The device's number, for its seeds.
    number: u32,
    /// When it last had an address, or said that it has none.
    complained: u64,
    /// What it has said of streams that could not be opened, and when.
    told: Option<(Error, u64)>,
}

fn instant(micros: u64) -> Instant {
    Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// A stream that begins as the last boot's did would be taken for it: the seed gives other sequence numbers.
fn interface(mac: [u8; 6], seed: u32, device: &mut Lan9118, micros: u64) -> Interface {
    let mut config = Config::new(EthernetAddress(mac).into());
    config.random_seed = u64::from(seed);
    Interface::new(config, device, instant(micros))
}

/// The TCP sockets of the links, in the set.
fn streams(sockets: &mut SocketSet<'static>) -> [SocketHandle; LINKS] {
    static BUFFERS: ConstStaticCell<[([u8; SEND], [u8; RECEIVE]); LINKS]> =
        ConstStaticCell::new([([0; SEND], [0; RECEIVE]); LINKS]);
    BUFFERS.take().each_mut().map(|(send, receive)| {
        let (send, receive) =
            (tcp::SocketBuffer::new(&mut send[..]), tcp::SocketBuffer::new(&mut receive[..]));
        sockets.add(tcp::Socket::new(receive, send))
    })
}

impl Network {
    /// Starts the controller. `None` if there is none.
    pub fn new(board: &mut Board, arguments: &Arguments) -> Option<Self> {
        static STORAGE: StaticCell<[SocketStorage<'static>; LINKS + 2]> = StaticCell::new();
        static QUERIES: StaticCell<[Option<DnsQuery>; LINKS]> = StaticCell::new();
        let mut device = Lan9118::new(board)?;
        let mac = device.address()?;
        board.stir(u32::from_le_bytes([mac[2], mac[3], mac[4], mac[5]]));
        let seed = board.seed(arguments.seed);
        let interface = interface(mac, seed, &mut device, board.micros());
        let mut sockets = SocketSet::new(&mut STORAGE.init([SocketStorage::EMPTY; LINKS + 2])[..]);
        let streams = streams(&mut sockets);
        let dns = sockets.add(dns::Socket::new(&[], &mut QUERIES.init([const { None }; LINKS])[..]));
        let links = Links::new(streams, seed).with_dns(dns).with_routes();
        let complained = board.micros();
        let (dhcp, number, told) = (None, arguments.seed, None);
        let mut network =
            Self { device, interface, sockets, links, dhcp, dns, seeded: false, number, complained, told };
        match arguments.address {
            Some(address) => {
                network.take_servers(arguments.dns.as_slice());
                network.take_address(board, address, arguments.router);
            }
            None => network.dhcp = Some(network.sockets.add(dhcpv4::Socket::new())),
        }
        Some(network)
    }

    /// Frames in, and what was queued out.
    pub fn poll(&mut self, board: &Board, now: u64) {
        self.interface.poll(instant(now), &mut self.device, &mut self.sockets);
        // What failed for want of an address is over when there is one.
        self.tell(board, now);
        self.lease(board, now);
    }

    /// Says why streams cannot be opened: the producer's trouble tells only whereto.
    fn tell(&mut self, board: &Board, now: u64) {
        let Some(error) = self.links.take_error() else { return };
        // Without an address nothing else is worth a word; that one is said by the lease.
        let again = self.told.is_none_or(|(told, at)| told != error || now - at >= COMPLAIN);
        if self.is_up() && again {
            self.told = Some((error, now));
            board.say(format_args!("link: {error}"));
        }
    }

    /// Whether the device has an address.
    pub fn is_up(&self) -> bool {
        !self.interface.ip_addrs().is_empty()
    }

    /// The producer's transport, for one poll.
    pub fn transport(&mut self) -> Net<'_, 'static> {
        self.links.on(&mut self.interface, &mut self.sockets)
    }

    /// For how many microseconds there is nothing to do, if no frame comes.
    pub fn sleep(&mut self, wake: Wake, now: u64) -> u64 {
        let sleep = kurier_smoltcp::sleep(wake, &mut self.interface, &self.sockets, instant(now));
        sleep.map_or(u64::MAX, |sleep| sleep.total_micros())
    }

    /// Whether a frame has come since the last poll.
    pub fn has_frame(&self) -> bool {
        self.device.has_frame()
    }

    /// Frames so far.
    pub fn traffic(&mut self) -> Traffic {
        self.device.traffic()
    }
}
