//! An interface with an Ethernet device of which nothing is known, as every networked image has it.
use core::hint::black_box;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

/// Bytes of each socket's buffers, each way.
pub const SOCKET_BYTES: usize = 1024;

/// An Ethernet controller.
#[derive(Debug)]
pub struct Controller;

/// A frame of it.
#[derive(Debug)]
pub struct Frame;

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(black_box(&[0; 64]))
    }
}

impl TxToken for Frame {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = [0; 64];
        let space = black_box(&mut frame[..]);
        black_box(len);
        let result = f(space);
        black_box(&frame);
        result
    }
}

impl Device for Controller {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Frame;

    fn receive(&mut self, _: Instant) -> Option<(Frame, Frame)> {
        black_box(Some((Frame, Frame)))
    }
    fn transmit(&mut self, _: Instant) -> Option<Frame> {
        black_box(Some(Frame))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = black_box(1514);
        capabilities
    }
}

/// An interface with an address.
pub fn interface() -> Interface {
    let mut config = Config::new(EthernetAddress(black_box([2, 0, 0, 0, 0, 1])).into());
    config.random_seed = black_box(1);
    let mut interface = Interface::new(config, &mut Controller, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(black_box(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24)));
    });
    let _ = interface.routes_mut().add_default_ipv4_route(black_box(Ipv4Address::new(10, 0, 0, 2)));
    interface
}

/// One turn of the network. Answers when to come again.
pub fn network(interface: &mut Interface, sockets: &mut SocketSet<'_>) -> Option<Instant> {
    let now = Instant::from_micros(black_box(0));
    black_box(interface.poll(now, &mut Controller, sockets));
    interface.poll_at(now, sockets)
}

/// The sockets' buffers in `.bss`, and the set.
#[macro_export]
macro_rules! sockets {
    () => {{
        use smoltcp::socket::tcp::{Socket, SocketBuffer};
        static mut BYTES: [[u8; $crate::stack::SOCKET_BYTES]; 4] = [[0; $crate::stack::SOCKET_BYTES]; 4];
        // SAFETY: an image is never run, and would come by here once.
        let [a, b, c, d] = unsafe { &mut *core::ptr::addr_of_mut!(BYTES) };
        let storage = $crate::in_bss!([smoltcp::iface::SocketStorage<'static>; 2], Default::default());
        let mut sockets = smoltcp::iface::SocketSet::new(&mut storage[..]);
        let first = sockets.add(Socket::new(SocketBuffer::new(&mut a[..]), SocketBuffer::new(&mut b[..])));
        let second = sockets.add(Socket::new(SocketBuffer::new(&mut c[..]), SocketBuffer::new(&mut d[..])));
        (sockets, [first, second])
    }};
}
