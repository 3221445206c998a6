//! A Kafka producer over any byte streams of [`embedded_io`]: a modem's sockets, a serial line to something that dials.
//!
//! [`Streams`] has one place for each of the producer's links, and a [`Dial`] that opens them. It knows nothing of what
//! is below. embedded-io's reading and writing wait by contract; here nothing is read or written before the stream has
//! said that it is ready, so nothing waits, but for [`flush`](embedded_io::Write::flush): it is called only with
//! `acks=0`, to know that a request has left.
//!
//! A loop polls the producer when the stream's driver says that something came or went: this adapter wakes nobody.
//!
//! A serial line that is always open leads to one broker, whatever its address is called: hand the one stream out at each
//! dial, in a storage with one link. What hung over from the old stream must not come out of the new one, so whoever
//! hands it out again has seen to its other end, too.
//!
//! ```
//! use core::task::Poll;
//! use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
//! use kurier_core::transport::{Endpoint, LinkId};
//! use kurier_embedded_io::{Dial, Streams};
//!
//! struct Modem;
//! struct Socket(u16);
//! # impl ErrorType for Socket { type Error = ErrorKind; }
//! # impl Read for Socket { fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> { Ok(0) } }
//! # impl Write for Socket {
//! #     fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> { Ok(buf.len()) }
//! #     fn flush(&mut self) -> Result<(), ErrorKind> { Ok(()) }
//! # }
//! # impl ReadReady for Socket { fn read_ready(&mut self) -> Result<bool, ErrorKind> { Ok(false) } }
//! # impl WriteReady for Socket { fn write_ready(&mut self) -> Result<bool, ErrorKind> { Ok(true) } }
//! # impl Modem {
//! #     fn connect(&mut self, _: u16, _: &str, _: u16) -> Poll<Result<(), ErrorKind>> { Poll::Ready(Ok(())) }
//! #     fn disconnect(&mut self, _: u16) {}
//! # }
//! impl Dial<Socket> for Modem {
//!     /// The modem's sockets have the links' numbers: begins to connect one, or looks how far it is.
//!     fn dial(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<Socket, ErrorKind>> {
//!         self.connect(link.0, to.host, to.port).map_ok(|()| Socket(link.0))
//!     }
//!     fn give_up(&mut self, link: LinkId) {
//!         self.disconnect(link.0);
//!     }
//!     fn hang_up(&mut self, _: LinkId, socket: Socket) {
//!         self.disconnect(socket.0);
//!     }
//! }
//!
//! // Two links, for a storage with two.
//! let mut net: Streams<_, Socket, 2> = Streams::new(Modem);
//! # let _ = &mut net;
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use core::task::Poll;
use embedded_io::{ErrorKind, Read, ReadReady, Write, WriteReady};
use kurier_core::transport::{Endpoint, LinkId, Transport};

/// What a stream must be able to do.
pub trait Stream: Read + ReadReady + Write + WriteReady {}

impl<S: Read + ReadReady + Write + WriteReady> Stream for S {}

/// Opens streams, one at a time for each link.
///
/// A link's number is below the `N` of its [`Streams`], and is free again once its attempt has failed or was given up, or
/// its stream was hung up: a modem with numbered sockets can use it as theirs.
///
/// Any `FnMut(LinkId, Endpoint<'_>) -> Poll<Result<S, ErrorKind>>` is one, but is not told what is given up. It should be
/// ready at once; or else, when a link's end point is another than before, leave what it had begun for that link. A stream
/// to the same end point it may hand out late, if nothing was read or written on it yet.
pub trait Dial<S> {
    /// Begins to open `link`'s stream to `to`, or goes on with it.
    ///
    /// While it is pending it is called again, with the same arguments, whenever the producer is polled, between calls for
    /// other links, which may have the same end point. The attempt is over when this is ready, well or not, or when
    /// [`give_up`](Self::give_up) is called; the link's next call begins another, to any end point. It is not called while
    /// the link has a stream.
    ///
    /// # Errors
    /// The attempt failed, and is over: nothing is given up. The producer tries again after its backoff.
    fn dial(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<S, ErrorKind>>;

    /// `link`'s attempt, pending at its last call, is not continued: it took too long, or is not needed any more. What
    /// comes of it late must not be handed out for another end point. The other links' attempts go on. Nothing by default.
    fn give_up(&mut self, link: LinkId) {
        let _ = link;
    }

    /// `link`'s stream is over: closes it. Drops it by default.
    fn hang_up(&mut self, link: LinkId, stream: S) {
        let _ = link;
        drop(stream);
    }
}

impl<S, F: FnMut(LinkId, Endpoint<'_>) -> Poll<Result<S, ErrorKind>>> Dial<S> for F {
    fn dial(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<S, ErrorKind>> {
        self(link, to)
    }
}

/// A transport over at most `N` streams at a time; as many as the producer's storage has links. A link beyond them is an
/// error, `InvalidInput`.
///
/// Its errors are those of the streams by their kinds. One that is `Interrupted` is a wait, not a broken stream.
#[derive(Debug)]
pub struct Streams<D, S, const N: usize = 1> {
    dial: D,
    links: [Link<S>; N],
}

#[derive(Debug)]
enum Link<S> {
    Idle,
    Opening,
    Open(S),
}

impl<D: Dial<S>, S: Stream, const N: usize> Streams<D, S, N> {
    /// No stream is open.
    pub const fn new(dial: D) -> Self {
        const { assert!(N > 0, "a producer has at least one link") };
        Self { dial, links: [const { Link::Idle }; N] }
    }

    /// What opens the streams.
    pub const fn dial_mut(&mut self) -> &mut D {
        &mut self.dial
    }

    fn open(&mut self, link: LinkId) -> Result<&mut S, ErrorKind> {
        match self.links.get_mut(link.index()) {
            Some(Link::Open(stream)) => Ok(stream),
            Some(_) => Err(ErrorKind::NotConnected),
            None => Err(ErrorKind::InvalidInput),
        }
    }
}

/// What a call that was ready came to.
fn outcome<T, E: embedded_io::Error>(result: Result<T, E>) -> Poll<Result<T, ErrorKind>> {
    match result.map_err(|error| error.kind()) {
        Err(ErrorKind::Interrupted) => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl<D, S, const N: usize> embedded_io::ErrorType for Streams<D, S, N> {
    type Error = ErrorKind;
}

impl<D: Dial<S>, S: Stream, const N: usize> Transport for Streams<D, S, N> {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        let Some(place) = self.links.get_mut(link.index()) else {
            return Poll::Ready(Err(ErrorKind::InvalidInput));
        };
        if matches!(place, Link::Open(_)) {
            return Poll::Ready(Ok(()));
        }
        let (next, answer) = match self.dial.dial(link, to) {
            Poll::Ready(Ok(stream)) => (Link::Open(stream), Poll::Ready(Ok(()))),
            Poll::Ready(Err(error)) => (Link::Idle, Poll::Ready(Err(error))),
            Poll::Pending => (Link::Opening, Poll::Pending),
        };
        *place = next;
        answer
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        let stream = self.open(link)?;
        let mut taken = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            let written = match stream.write_ready() {
                Ok(true) => outcome(stream.write(buf)),
                Ok(false) => Poll::Pending,
                Err(error) => outcome(Err(error)),
            };
            match written {
                // embedded-io forbids it; taken for ready it would be asked for ever.
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero)),
                Poll::Ready(Ok(count)) => {
                    taken += count;
                    if count < buf.len() {
                        break;
                    }
                }
                // What was taken before is told first; the error comes again.
                Poll::Ready(Err(error)) if taken == 0 => return Poll::Ready(Err(error)),
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        outcome(self.open(link)?.flush())
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        let stream = self.open(link)?;
        match stream.read_ready() {
            Ok(true) => outcome(stream.read(buf)),
            Ok(false) => Poll::Pending,
            Err(error) => outcome(Err(error)),
        }
    }

    fn close(&mut self, link: LinkId) {
        let Some(place) = self.links.get_mut(link.index()) else { return };
        match core::mem::replace(place, Link::Idle) {
            Link::Open(stream) => self.dial.hang_up(link, stream),
            Link::Opening => self.dial.give_up(link),
            Link::Idle => {}
        }
    }
}
