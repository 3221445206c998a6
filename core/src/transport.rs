//! What the core asks of a host's byte streams, and nothing else.
//!
//! A [`Transport`] is non-blocking and is handed to each `poll`, as a network device is handed to a
//! network stack. Its contract is that of `Future::poll`: a call that answers `Pending` registers
//! interest, and the adapter wakes whoever drives the producer when the call could make progress.
//! A fault injector, a tracer and a TLS layer are ordinary implementations that wrap another.
use core::task::Poll;
use embedded_io::ErrorType;

/// One of the core's link slots. The core chooses it; an adapter uses it as an index or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u16);

impl LinkId {
    /// The slot's number, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a link leads: a host name or an address as text, and a TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint<'a> {
    /// A DNS name, an IPv4 address, or an IPv6 address without brackets.
    pub host: &'a str,
    /// TCP port, 1 to 65535.
    pub port: u16,
}

/// Byte streams, one for each link.
///
/// Errors map to [`embedded_io::ErrorKind`]. Whatever the kind, the link is given up, and opened again after a backoff.
pub trait Transport: ErrorType {
    /// Begins or continues to open `link`. The core repeats the call with the same arguments until it is
    /// ready or it gives up and calls [`close`](Self::close).
    ///
    /// # Errors
    /// The attempt failed; the slot is closed.
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), Self::Error>>;

    /// Writes from the front of `bufs`, in order; answers how many bytes were taken: at least 1, at most all.
    /// `bufs` holds at least one byte.
    ///
    /// # Errors
    /// The stream is broken; the core will call [`close`](Self::close).
    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Self::Error>>;

    /// Ready when everything taken so far has left this side (TLS records, socket buffers of its own).
    /// A request with `acks=0` is complete then.
    ///
    /// # Errors
    /// The stream is broken; the core will call [`close`](Self::close).
    fn flush(&mut self, link: LinkId) -> Poll<Result<(), Self::Error>>;

    /// Reads into `buf`, which is never empty. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// The stream is broken; the core will call [`close`](Self::close).
    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>>;

    /// Drops the stream. Idempotent and infallible; the slot may be opened again at once, so an adapter
    /// must not deliver a late event of the old stream to the new one.
    fn close(&mut self, link: LinkId);
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), Self::Error>> {
        (**self).connect(link, to)
    }
    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Self::Error>> {
        (**self).send(link, bufs)
    }
    fn flush(&mut self, link: LinkId) -> Poll<Result<(), Self::Error>> {
        (**self).flush(link)
    }
    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>> {
        (**self).recv(link, buf)
    }
    fn close(&mut self, link: LinkId) {
        (**self).close(link);
    }
}
