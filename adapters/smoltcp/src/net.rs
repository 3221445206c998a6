//! One TCP socket for each link.
//!
//! Invariant: a link is `Idle` whenever the core has closed it or never opened it, and then its socket is closed
//! or about to be; bytes of an old stream are gone before a new one is open, since smoltcp clears a socket that
//! connects and segments to an old port fit no socket. A link is `Naming` exactly while a question of it is in the DNS
//! socket: smoltcp panics when it is asked about another.
#[cfg(feature = "dns")]
use crate::names::{Answer, Question};
use crate::{Error, ports::Ports};
use core::task::Poll;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::{AnySocket, tcp};
use smoltcp::time::Duration;
use smoltcp::wire::IpAddress;

/// The TCP sockets of a producer's links, and where its local ports stand. Lives as long as the producer.
#[derive(Debug)]
pub struct Links<const N: usize> {
    links: [Link; N],
    common: Common,
}

/// Whether the interface's addresses or routes lead to one.
type Leads = fn(&mut Interface, IpAddress) -> bool;

/// What the links share.
#[derive(Debug)]
struct Common {
    ports: Ports,
    /// Milliseconds of silence after which an open stream is probed; 0 is never.
    keep_alive: u32,
    /// Whether anything leads to an address, for who asks before a stream is begun. A function and not a flag: a device
    /// that does not ask is not linked with it.
    leads: Option<Leads>,
    /// Why the last stream that could not be opened was not, until it is asked for.
    error: Option<Error>,
    #[cfg(feature = "dns")]
    names: Option<SocketHandle>,
}

/// Probes in a row without an answer after which a stream is given up.
const PROBES: u32 = 3;

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
        let common = Common {
            ports: Ports::new(seed),
            keep_alive: 0,
            leads: None,
            error: None,
            #[cfg(feature = "dns")]
            names: None,
        };
        Self { links, common }
    }

    /// Brokers may have names, which are asked of this DNS socket of the set: with a query slot for each link, or
    /// fewer, for which links then wait. Its servers are set, and kept right, by whoever owns the set (DHCP tells them).
    #[cfg(feature = "dns")]
    #[must_use]
    pub const fn with_dns(mut self, socket: SocketHandle) -> Self {
        self.common.names = Some(socket);
        self
    }

    /// An open stream that is silent for `ms` milliseconds is probed, and given up when three probes in a row are not
    /// answered: so a device that waits for nothing learns that its broker is gone before it has something to say, and a
    /// router on the way does not forget the stream. Default 0, never: each probe wakes device and radio.
    #[must_use]
    pub const fn with_keep_alive(mut self, ms: u32) -> Self {
        self.common.keep_alive = ms;
        self
    }

    /// Where no address and no route of the interface leads to a broker, its stream is refused at once
    /// ([`Error::Unreachable`]). For Ethernet: smoltcp begins such a stream, sends nothing, and it ends with the
    /// producer's patience only. Default off: where the medium is IP, no route is needed.
    #[must_use]
    pub const fn with_routes(mut self) -> Self {
        self.common.leads = Some(leads);
        self
    }

    /// Begins anew with the local ports, as [`new`](Self::new) does: for a device that finds a better seed after its
    /// start. Open streams keep theirs.
    pub const fn reseed(&mut self, seed: u32) {
        self.common.ports = Ports::new(seed);
    }

    /// Why a stream could not be opened, the last time that one could not; each is told once. The producer retries by
    /// itself, and its `trouble` says where to: this says whether name, route or port is what to look at. An attempt that
    /// nobody answers is no error here, the producer gives it up.
    pub const fn take_error(&mut self) -> Option<Error> {
        self.common.error.take()
    }

    /// The transport for one poll of the producer.
    pub const fn on<'n, 's>(
        &'n mut self,
        interface: &'n mut Interface,
        sockets: &'n mut SocketSet<'s>,
    ) -> Net<'n, 's> {
        Net { links: &mut self.links, common: &mut self.common, interface, sockets }
    }

    /// Registers an executor's waker: it is woken once, when a link may make progress. Call it in each poll of the task
    /// that drives the producer, after the producer's own poll; an `embassy`-style stack polls the interface elsewhere.
    #[cfg(feature = "async")]
    pub fn register(&self, sockets: &mut SocketSet<'_>, waker: &core::task::Waker) {
        for link in &self.links {
            #[cfg(feature = "dns")]
            if let (Phase::Naming(question), Some(names)) = (link.phase, self.common.names) {
                question.register(sockets, names, waker);
            }
            if let Some(socket) = tcp(sockets, link.socket) {
                socket.register_recv_waker(waker);
                socket.register_send_waker(waker);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Link {
    socket: SocketHandle,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle,
    /// The broker's address is being asked for.
    #[cfg(feature = "dns")]
    Naming(Question),
    /// Closed by us, and the peer may still be to be told.
    Closed,
    Opening,
    Open,
}

/// [`Links`] with what they run on: the producer's transport.
pub struct Net<'n, 's> {
    links: &'n mut [Link],
    common: &'n mut Common,
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
    if let Some([a, b, c, d]) = ipv4(host) {
        return Some(IpAddress::v4(a, b, c, d));
    }
    #[cfg(feature = "proto-ipv6")]
    if let Ok(address) = host.parse() {
        return Some(IpAddress::Ipv6(address));
    }
    None
}

/// The four numbers of an IPv4 address, as strictly as Rust's own parser takes them: that is 680 bytes of a device.
#[cfg(feature = "proto-ipv4")]
fn ipv4(host: &str) -> Option<[u8; 4]> {
    let mut parts = [0; 4];
    let mut rest = host.as_bytes();
    for (nth, part) in parts.iter_mut().enumerate() {
        let mut number = None;
        while let [digit @ b'0'..=b'9', behind @ ..] = rest {
            let digit = u32::from(digit - b'0');
            number = match number {
                None => Some(digit),
                // Nothing follows a leading zero, and no number has a fourth digit.
                Some(before @ 1..100) => Some(before * 10 + digit),
                Some(_) => return None,
            };
            rest = behind;
        }
        *part = u8::try_from(number?).ok()?;
        rest = match (rest, nth) {
            ([b'.', behind @ ..], ..3) => behind,
            ([], 3) => rest,
            _ => return None,
        };
    }
    Some(parts)
}

fn leads(interface: &mut Interface, address: IpAddress) -> bool {
    let mut found = interface.ip_addrs().iter().any(|own| own.contains_addr(&address));
    interface.routes_mut().update(|routes| {
        found |= routes.iter().any(|route| route.cidr.contains_addr(&address));
    });
    found
}

/// Copies as much as fits. Not `copy_from_slice`, which leaves a panic in the program.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

impl<'s> Net<'_, 's> {
    /// The socket of an open link.
    fn open(&mut self, link: LinkId) -> Result<&mut tcp::Socket<'s>, Error> {
        let link = self.links.get(link.index()).ok_or(Error::NoSocket)?;
        if !matches!(link.phase, Phase::Open) {
            return Err(Error::Reset);
        }
        tcp(self.sockets, link.socket).ok_or(Error::NoSocket)
    }

    /// A local port that none of our sockets has.
    fn free_port(&mut self) -> u16 {
        loop {
            let port = self.common.ports.take();
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

    /// Begins a stream, or to ask where it leads.
    fn begin(&mut self, handle: SocketHandle, to: Endpoint<'_>) -> Result<Phase, Error> {
        if let Some(address) = parse(to.host) {
            return self.dial(handle, address, to.port);
        }
        #[cfg(feature = "dns")]
        if let Some(names) = self.common.names {
            let question = Question::ask(self.sockets, names, self.interface.context(), to.host)?;
            // No free slot: the next turn may have one.
            return Ok(question.map_or(Phase::Idle, Phase::Naming));
        }
        Err(Error::NotAnAddress)
    }

    fn dial(&mut self, handle: SocketHandle, address: IpAddress, to_port: u16) -> Result<Phase, Error> {
        if self.common.leads.is_some_and(|leads| !leads(self.interface, address)) {
            return Err(Error::Unreachable);
        }
        let port = self.free_port();
        let socket = tcp(self.sockets, handle).ok_or(Error::NoSocket)?;
        socket.abort();
        // The core writes whole requests; waiting for more would only delay them.
        socket.set_nagle_enabled(false);
        // How long an attempt may take is the core's to say.
        socket.set_timeout(None);
        let remote = (address, to_port);
        socket.connect(self.interface.context(), remote, port).map_err(|_| Error::Unreachable)?;
        Ok(Phase::Opening)
    }

    /// What became of a question; a name that has an address leads on to its stream.
    #[cfg(feature = "dns")]
    fn named(&mut self, handle: SocketHandle, question: Question, to: Endpoint<'_>) -> Result<Phase, Error> {
        let names = self.common.names.ok_or(Error::NotAnAddress)?;
        match question.answer(self.sockets, names, self.interface.context(), to.host)? {
            Answer::Wait(question) => Ok(Phase::Naming(question)),
            Answer::Again => Ok(Phase::Idle),
            Answer::Address(address) => self.dial(handle, address, to.port),
        }
    }

    /// Whether the handshake is over.
    fn opened(&mut self, handle: SocketHandle) -> Result<Phase, Error> {
        let keep_alive = self.common.keep_alive;
        let socket = tcp(self.sockets, handle).ok_or(Error::NoSocket)?;
        match socket.state() {
            tcp::State::SynSent | tcp::State::SynReceived => Ok(Phase::Opening),
            tcp::State::Established | tcp::State::CloseWait => {
                if keep_alive > 0 {
                    let interval = Duration::from_millis(u64::from(keep_alive));
                    socket.set_keep_alive(Some(interval));
                    socket.set_timeout(Some(interval * (PROBES + 1)));
                }
                Ok(Phase::Open)
            }
            _ => Err(Error::Refused),
        }
    }
}

impl embedded_io::ErrorType for Net<'_, '_> {
    type Error = Error;
}

impl Transport for Net<'_, '_> {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), Error>> {
        let Some(Link { socket, phase }) = self.links.get(link.index()).copied() else {
            self.common.error = Some(Error::NoSocket);
            return Poll::Ready(Err(Error::NoSocket));
        };
        let next = match phase {
            // The reset of the old stream has one turn to go out: with it the old peer forgets the stream, without
            // it only after minutes.
            Phase::Closed if tcp(self.sockets, socket).is_some_and(|old| old.remote_endpoint().is_some()) => {
                Ok(Phase::Idle)
            }
            Phase::Idle | Phase::Closed => self.begin(socket, to),
            #[cfg(feature = "dns")]
            Phase::Naming(question) => self.named(socket, question, to),
            Phase::Opening => self.opened(socket),
            Phase::Open => Ok(Phase::Open),
        };
        if let Some(link) = self.links.get_mut(link.index()) {
            link.phase = next.unwrap_or(Phase::Idle);
        }
        match next {
            Ok(Phase::Open) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
            Err(error) => {
                self.common.error = Some(error);
                Poll::Ready(Err(error))
            }
        }
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let socket = self.open(link)?;
        let mut taken = 0;
        for buf in bufs {
            // As much as lies in one piece of the socket's ring; the core comes again at once for what is behind it.
            let sent = socket.send(|room| {
                copy(room, buf);
                let count = room.len().min(buf.len());
                (count, count)
            });
            let Ok(count) = sent else { return Poll::Ready(Err(Error::Reset)) };
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
        let received = self.open(link)?.recv(|bytes| {
            copy(buf, bytes);
            let count = bytes.len().min(buf.len());
            (count, count)
        });
        match received {
            Ok(0) => Poll::Pending,
            Ok(count) => Poll::Ready(Ok(count)),
            Err(tcp::RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(tcp::RecvError::InvalidState) => Poll::Ready(Err(Error::Reset)),
        }
    }

    /// By a reset, not by the handshake of an end: that is one frame, and not four and ten seconds in which the socket, often
    /// the only one, is not free. The core closes nothing that an answer is still due on but what it has given up.
    fn close(&mut self, link: LinkId) {
        let Some(link) = self.links.get_mut(link.index()) else { return };
        match core::mem::replace(&mut link.phase, Phase::Closed) {
            Phase::Idle => {
                link.phase = Phase::Idle;
                return;
            }
            #[cfg(feature = "dns")]
            Phase::Naming(question) => {
                if let Some(names) = self.common.names {
                    question.forget(self.sockets, names);
                }
            }
            _ => {}
        }
        if let Some(socket) = tcp(self.sockets, link.socket) {
            socket.abort();
        }
    }
}

#[cfg(all(test, feature = "proto-ipv4"))]
mod tests {
    extern crate std;
    use super::ipv4;
    use std::format;

    #[test]
    fn an_address_is_what_rust_takes_for_one() {
        let parts = [
            "", "0", "00", "01", "7", "10", "99", "100", "255", "256", "999", "1000", "1a", "-1", "+1", " 1",
        ];
        let mut taken = 0;
        for a in parts {
            for b in parts {
                for host in [
                    format!("{a}.{b}.0.1"),
                    format!("1.{a}.{b}.2"),
                    format!("1.2.{a}.{b}"),
                    format!("{a}.{b}.3"),
                    format!("1.2.3.{a}.{b}"),
                    format!("1.2.3.{a}{b}"),
                    format!("{a}.{b}"),
                    format!("1.2.3.{a}."),
                ] {
                    let theirs = host.parse().ok().map(|address: core::net::Ipv4Addr| address.octets());
                    assert_eq!(ipv4(&host), theirs, "{host}");
                    taken += u32::from(theirs.is_some());
                }
            }
        }
        assert!(taken > 100);
    }
}
