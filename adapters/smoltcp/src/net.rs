//! One TCP socket for each link.
//!
//! Invariant: a link is `Idle` whenever the core has closed it or never opened it, and then its socket is closed
//! or about to be; bytes of an old stream are gone before a new one is open, since smoltcp clears a socket that
//! connects and segments to an old port fit no socket.
use crate::{Error, ports::Ports};
use core::task::Poll;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::{AnySocket, tcp};
use smoltcp::wire::IpAddress;

/// The TCP sockets of a producer's links, and where its local ports stand. Lives as long as the producer.
#[derive(Debug)]
pub struct Links<const N: usize> {
    links: [Link; N],
    ports: Ports,
}

impl<const N: usize> Links<N> {
    /// Links over these sockets, which must be TCP sockets of the set that [`on`](Self::on) is given, and are left
    /// to this value. `N` is the number of links of the producer's storage. `seed` chooses the first local port: a
    /// random number or a counter of boots, so that a broker does not take a new stream for an old one.
    pub const fn new(sockets: [SocketHandle; N], seed: u32) -> Self {
        const { assert!(N > 0, "a producer has at least one link") };
        let mut links = [Link { socket: sockets[0], phase: Phase::Idle }; N];
        let mut index = 0;
        while index < N {
            links[index].socket = sockets[index];
            index += 1;
        }
        Self { links, ports: Ports::new(seed) }
    }

    /// The transport for one poll of the producer.
    pub const fn on<'n, 's>(
        &'n mut self,
        interface: &'n mut Interface,
        sockets: &'n mut SocketSet<'s>,
    ) -> Net<'n, 's> {
        Net { links: &mut self.links, ports: &mut self.ports, interface, sockets }
    }
}

#[derive(Debug, Clone, Copy)]
struct Link {
    socket: SocketHandle,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Closed by us, and the peer may still be to be told.
    Closed,
    Opening,
    Open,
}

/// [`Links`] with what they run on: the producer's transport.
pub struct Net<'n, 's> {
    links: &'n mut [Link],
    ports: &'n mut Ports,
    interface: &'n mut Interface,
    sockets: &'n mut SocketSet<'s>,
}

impl core::fmt::Debug for Net<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Net").field("links", &self.links).finish_non_exhaustive()
    }
}

/// A socket by its handle. smoltcp's own look-up panics where there is none.
fn tcp<'a, 's>(sockets: &'a mut SocketSet<'s>, handle: SocketHandle) -> Option<&'a mut tcp::Socket<'s>> {
    let (_, socket) = sockets.iter_mut().find(|(known, _)| *known == handle)?;
    tcp::Socket::downcast_mut(socket)
}

/// What an address says.
fn parse(host: &str) -> Option<IpAddress> {
    #[cfg(feature = "proto-ipv4")]
    if let Ok(address) = host.parse() {
        return Some(IpAddress::Ipv4(address));
    }
    #[cfg(feature = "proto-ipv6")]
    if let Ok(address) = host.parse() {
        return Some(IpAddress::Ipv6(address));
    }
    None
}

impl<'s> Net<'_, 's> {
    /// The socket of an open link.
    fn open(&mut self, link: LinkId) -> Result<&mut tcp::Socket<'s>, Error> {
        let link = self.links.get(link.index()).ok_or(Error::NoSocket)?;
        if link.phase != Phase::Open {
            return Err(Error::Reset);
        }
        tcp(self.sockets, link.socket).ok_or(Error::NoSocket)
    }

    /// A local port that none of our sockets has.
    fn free_port(&mut self) -> u16 {
        loop {
            let port = self.ports.take();
            let taken = self.sockets.iter().any(|(_, socket)| {
                let local = tcp::Socket::downcast(socket).and_then(tcp::Socket::local_endpoint);
                local.is_some_and(|local| local.port == port)
            });
            // There are more ports than sockets.
            if !taken {
                return port;
            }
        }
    }

    fn begin(&mut self, handle: SocketHandle, to: Endpoint<'_>) -> Result<(), Error> {
        let remote = (parse(to.host).ok_or(Error::NotAnAddress)?, to.port);
        let port = self.free_port();
        let socket = tcp(self.sockets, handle).ok_or(Error::NoSocket)?;
        socket.abort();
        // The core writes whole requests; waiting for more would only delay them.
        socket.set_nagle_enabled(false);
        socket.connect(self.interface.context(), remote, port).map_err(|_| Error::Unreachable)
    }
}

impl embedded_io::ErrorType for Net<'_, '_> {
    type Error = Error;
}

impl Transport for Net<'_, '_> {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), Error>> {
        let Some(Link { socket, phase }) = self.links.get(link.index()).copied() else {
            return Poll::Ready(Err(Error::NoSocket));
        };
        let peer = tcp(self.sockets, socket);
        let (next, answer) = match phase {
            // The reset of the old stream has one turn to go out: with it the old peer forgets the stream, without
            // it only after minutes.
            Phase::Closed if peer.is_some_and(|socket| socket.remote_endpoint().is_some()) => {
                (Phase::Idle, Poll::Pending)
            }
            Phase::Idle | Phase::Closed => match self.begin(socket, to) {
                Ok(()) => (Phase::Opening, Poll::Pending),
                Err(error) => (Phase::Idle, Poll::Ready(Err(error))),
            },
            Phase::Opening => match tcp(self.sockets, socket).map(|socket| socket.state()) {
                Some(tcp::State::SynSent | tcp::State::SynReceived) => (Phase::Opening, Poll::Pending),
                Some(tcp::State::Established | tcp::State::CloseWait) => (Phase::Open, Poll::Ready(Ok(()))),
                _ => (Phase::Idle, Poll::Ready(Err(Error::Refused))),
            },
            Phase::Open => (Phase::Open, Poll::Ready(Ok(()))),
        };
        if let Some(link) = self.links.get_mut(link.index()) {
            link.phase = next;
        }
        answer
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let socket = self.open(link)?;
        let mut taken = 0;
        for buf in bufs {
            let Ok(count) = socket.send_slice(buf) else { return Poll::Ready(Err(Error::Reset)) };
            taken += count;
            if count < buf.len() {
                break;
            }
        }
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn flush(&mut self, link: LinkId) -> Poll<Result<(), Error>> {
        let socket = self.open(link)?;
        // What the peer has not acknowledged counts: it could not be sent again after a close.
        match socket.send_queue() {
            _ if !socket.may_send() => Poll::Ready(Err(Error::Reset)),
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match self.open(link)?.recv_slice(buf) {
            Ok(0) => Poll::Pending,
            Ok(count) => Poll::Ready(Ok(count)),
            Err(tcp::RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(tcp::RecvError::InvalidState) => Poll::Ready(Err(Error::Reset)),
        }
    }

    fn close(&mut self, link: LinkId) {
        let Some(link) = self.links.get_mut(link.index()) else { return };
        if link.phase == Phase::Idle {
            return;
        }
        link.phase = Phase::Closed;
        if let Some(socket) = tcp(self.sockets, link.socket) {
            socket.abort();
        }
    }
}
