//! The network: an address by DHCP, names by DNS, and the producer's streams, all in statics.
mod lease;

use crate::arguments::Arguments;
use crate::board::Board;
use crate::lan9118::{Lan9118, Traffic};
use kurier_core::sender::Wake;
use kurier_smoltcp::{Links, Net};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::dns::{self, DnsQuery};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};
use static_cell::{ConstStaticCell, StaticCell};

/// Brokers at a time: the first parameter of the producer's storage.
pub const LINKS: usize = 2;
/// Bytes of each stream's buffers: what one write takes, and the window that a broker sees.
const SEND: usize = 2048;
const RECEIVE: usize = 1024;
/// The network of the device.
pub struct Network {
    device: Lan9118,
    interface: Interface,
    sockets: SocketSet<'static>,
    links: Links<LINKS>,
    dhcp: Option<SocketHandle>,
    dns: SocketHandle,
    /// When it last had an address, or said that it has none.
    complained: u64,
}

fn instant(micros: u64) -> Instant {
    Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
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
    /// Starts the controller, for the so manieth time. `None` if there is none.
    pub fn new(board: &mut Board, arguments: &Arguments, boots: u32) -> Option<Self> {
        static STORAGE: StaticCell<[SocketStorage<'static>; LINKS + 2]> = StaticCell::new();
        static QUERIES: StaticCell<[Option<DnsQuery>; LINKS]> = StaticCell::new();
        let mut device = Lan9118::new(board)?;
        let mut config = Config::new(EthernetAddress(device.address()?).into());
        // A stream that begins as the last boot's did would be taken for it: other ports, other sequence numbers.
        let seed = arguments.seed.wrapping_mul(1000).wrapping_add(boots);
        config.random_seed = u64::from(seed);
        let interface = Interface::new(config, &mut device, instant(board.micros()));
        let mut sockets = SocketSet::new(&mut STORAGE.init([SocketStorage::EMPTY; LINKS + 2])[..]);
        let streams = streams(&mut sockets);
        let dns = sockets.add(dns::Socket::new(&[], &mut QUERIES.init([const { None }; LINKS])[..]));
        let links = Links::new(streams, seed).with_dns(dns);
        let complained = board.micros();
        let mut network = Self { device, interface, sockets, links, dhcp: None, dns, complained };
        match arguments.address {
            Some(address) => network.take_address(board, Ipv4Cidr::new(address, 24), None),
            None => network.dhcp = Some(network.sockets.add(dhcpv4::Socket::new())),
        }
        Some(network)
    }

    /// Frames in, and what was queued out.
    pub fn poll(&mut self, board: &Board, now: u64) {
        self.interface.poll(instant(now), &mut self.device, &mut self.sockets);
        self.lease(board, now);
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
