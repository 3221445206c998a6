//! The core's byte streams over TCP: non-blocking sockets behind one `mio` poll.
//!
//! Readiness is edge-triggered: the kernel speaks once when a socket becomes readable or writable, and the
//! link remembers it until a call finds the socket drained or full. So a link without news costs no system
//! call. Each opening of a link has a generation, which is part of its token: an event of an old stream finds
//! no link.
mod resolve;
mod socket;

use crate::lock;
use embedded_io::ErrorType;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token, Waker};
use resolve::{Next, Resolver};
pub(crate) use socket::SocketOptions;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

/// The token of the waker, which no link has.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// Slices of one vectored write.
const MAX_SLICES: usize = 64;

/// What a link slot holds.
#[derive(Debug, Default)]
struct Link {
    /// Counts openings, so that tokens differ.
    generation: u16,
    host: Box<str>,
    port: u16,
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    address: SocketAddr,
    established: bool,
    readable: bool,
    writable: bool,
    /// The kernel said that no more will come, so a short read does not mean that all was read.
    ended: bool,
}

/// What the system said when a link failed.
#[derive(Debug)]
pub(crate) struct Failure {
    host: Box<str>,
    port: u16,
    text: String,
}

impl Failure {
    /// What was said, if it was said of a link to `to`.
    pub(crate) fn of(&self, to: Endpoint<'_>) -> Option<&str> {
        (*self.host == *to.host && self.port == to.port).then_some(&self.text)
    }
}

/// All links of one producer.
#[derive(Debug)]
pub(crate) struct Sockets {
    registry: Registry,
    links: Vec<Link>,
    resolver: Resolver,
    options: SocketOptions,
    /// What the system said when an attempt or a stream failed last, and to whom it led.
    failure: Option<Failure>,
}

impl Sockets {
    pub(crate) fn new(registry: Registry, waker: Arc<Waker>, options: SocketOptions) -> Self {
        let resolver = Resolver::new(waker);
        Self { registry, links: Vec::new(), resolver, options, failure: None }
    }

    /// Takes note of one event of the poll.
    pub(crate) fn handle(&mut self, event: &mio::event::Event) {
        let Token(token) = event.token();
        let Some(link) = self.links.get_mut(token & 0xFFFF) else { return };
        if usize::from(link.generation) != token >> 16 {
            return;
        }
        let Some(stream) = &mut link.stream else { return };
        let broken = event.is_error() || event.is_write_closed();
        stream.ended |= event.is_read_closed() || broken;
        stream.readable |= event.is_readable() || stream.ended;
        stream.writable |= event.is_writable() || broken;
    }

    /// What the system said when a link failed last, once. An attempt that got through has made what was said of
    /// those before it void.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    #[inline]
    fn noted(&mut self, id: LinkId, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = &result {
            let text = error.to_string();
            let link = self.link(id);
            self.failure = Some(Failure { host: link.host.clone(), port: link.port, text });
        }
        result
    }

    fn link(&mut self, id: LinkId) -> &mut Link {
        if self.links.len() <= id.index() {
            self.links.resize_with(id.index() + 1, Link::default);
        }
        // Just made if it was not there.
        &mut self.links[id.index()]
    }

    fn stream(&mut self, id: LinkId) -> io::Result<&mut Stream> {
        let stream = self.links.get_mut(id.index()).and_then(|link| link.stream.as_mut());
        stream.filter(|stream| stream.established).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Begins to connect to the next address of the name; `None` while that is not known.
    fn dial(&mut self, id: LinkId, to: Endpoint<'_>) -> io::Result<Option<()>> {
        let address = match self.resolver.next(to.host, to.port)? {
            Next::Wait => return Ok(None),
            Next::Try(address) => address,
        };
        log::debug!("link {}: connecting to {}:{} at {address}", id.0, to.host, to.port);
        let options = self.options;
        let link = self.link(id);
        link.generation = link.generation.wrapping_add(1);
        let token = Token(usize::from(link.generation) << 16 | id.index());
        let mut socket = socket::connect(address, options)?;
        self.registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let stream =
            Stream { socket, address, established: false, readable: false, writable: false, ended: false };
        let link = self.link(id);
        link.host = to.host.into();
        link.port = to.port;
        link.stream = Some(stream);
        Ok(Some(()))
    }

    /// The dialled address did not serve: on to the name's next, or the attempt has failed.
    fn redial(&mut self, id: LinkId, to: Endpoint<'_>, error: io::Error) -> io::Result<()> {
        log::debug!("link {}: cannot connect to {}:{}: {error}", id.0, to.host, to.port);
        self.failure = Some(Failure { host: to.host.into(), port: to.port, text: error.to_string() });
        self.deregister(id);
        if self.resolver.failed(to.host, to.port) { Ok(()) } else { Err(error) }
    }

    fn deregister(&mut self, id: LinkId) -> Option<Stream> {
        let mut stream = self.links.get_mut(id.index())?.stream.take()?;
        if let Err(error) = self.registry.deregister(&mut stream.socket) {
            // It is closed all the same, which takes it out of the poll.
            log::debug!("link {}: {error}", id.0);
        }
        Some(stream)
    }
}

impl ErrorType for Sockets {
    type Error = io::Error;
}

impl Transport for Sockets {
    fn connect(&mut self, id: LinkId, to: Endpoint<'_>) -> Poll<io::Result<()>> {
        lock::outside();
        loop {
            let Some(stream) = &mut self.link(id).stream else {
                match self.dial(id, to) {
                    Ok(Some(())) => continue,
                    Ok(None) => return Poll::Pending,
                    Err(error) => match self.redial(id, to, error) {
                        Ok(()) => continue,
                        Err(error) => return Poll::Ready(Err(error)),
                    },
                }
            };
            match stream.handshake() {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {
                    self.failure.take_if(|failure| failure.of(to).is_some());
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => {
                    if let Err(error) = self.redial(id, to, error) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    fn send(&mut self, id: LinkId, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        lock::outside();
        let sent = match self.stream(id) {
            Ok(stream) => stream.send(bufs),
            Err(error) => Poll::Ready(Err(error)),
        };
        self.noted(id, sent)
    }

    fn flush(&mut self, id: LinkId) -> Poll<io::Result<()>> {
        // The kernel has it: there is no buffer of ours.
        Poll::Ready(self.stream(id).map(|_| ()))
    }

    fn recv(&mut self, id: LinkId, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        lock::outside();
        let read = match self.stream(id) {
            Ok(stream) => stream.recv(buf),
            Err(error) => Poll::Ready(Err(error)),
        };
        self.noted(id, read)
    }

    fn close(&mut self, id: LinkId) {
        lock::outside();
        let Some(stream) = self.deregister(id) else { return };
        let link = self.link(id);
        let (host, port) = (std::mem::take(&mut link.host), link.port);
        log::debug!("link {}: closed {host}:{port} at {}", id.0, stream.address);
        if stream.established {
            self.resolver.forget(&host, port);
        } else {
            // It took too long: another address may be quicker.
            self.resolver.failed(&host, port);
        }
    }
}

impl Stream {
    fn handshake(&mut self) -> Poll<io::Result<()>> {
        if self.established {
            return Poll::Ready(Ok(()));
        }
        if !self.writable && !self.ended {
            return Poll::Pending;
        }
        if let Some(error) = self.socket.take_error()? {
            return Poll::Ready(Err(error));
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                self.established = true;
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected && !self.ended => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn send(&mut self, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        if !self.writable {
            return Poll::Pending;
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut offered = 0;
        let mut used = 0;
        for (slice, buf) in slices.iter_mut().zip(bufs) {
            *slice = IoSlice::new(buf);
            offered += buf.len();
            used += 1;
        }
        loop {
            match self.socket.write_vectored(slices.get(..used).unwrap_or_default()) {
                Ok(taken) => {
                    // A stream that takes less than it was offered is full; elsewhere only WouldBlock rearms.
                    self.writable = taken == offered || !SHORT_MEANS_DRAINED;
                    return Poll::Ready(Ok(taken));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn recv(&mut self, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.readable {
            return Poll::Pending;
        }
        loop {
            match self.socket.read(buf) {
                Ok(read) => {
                    self.readable = read == buf.len() || self.ended || read == 0 || !SHORT_MEANS_DRAINED;
                    return Poll::Ready(Ok(read));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Whether a short read or write of a stream tells that the next edge will be announced (epoll(7) says so).
const SHORT_MEANS_DRAINED: bool = cfg!(any(target_os = "linux", target_os = "android"));

#[cfg(test)]
mod tests;
