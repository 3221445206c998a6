//! What the peers' images share: a stream of `embedded-io-async` over one of smoltcp's sockets, an executor, a clock.
//!
//! As little as will do: each read and write polls the network, and the executor polls its one future for ever.
#![no_std]

use core::future::{Future, poll_fn};
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use kurier_size::stack::network;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::IpAddress;

/// One TCP stream.
pub struct Stream<'n> {
    /// The interface it goes through.
    pub interface: &'n mut Interface,
    /// The set its socket is in.
    pub sockets: &'n mut SocketSet<'static>,
    /// Its socket.
    pub handle: SocketHandle,
}

impl Stream<'_> {
    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        network(self.interface, self.sockets);
        self.sockets.get_mut(self.handle)
    }

    /// Opens it anew.
    pub async fn connect(&mut self) -> Result<(), ErrorKind> {
        let remote = black_box((IpAddress::v4(10, 0, 0, 2), 1883));
        let local = black_box(49_152_u16);
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.handle);
        socket.abort();
        socket.set_nagle_enabled(false);
        socket.connect(self.interface.context(), remote, local).map_err(|_| ErrorKind::AddrNotAvailable)?;
        poll_fn(|_| match self.socket().state() {
            tcp::State::SynSent | tcp::State::SynReceived => Poll::Pending,
            tcp::State::Established | tcp::State::CloseWait => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(ErrorKind::ConnectionRefused)),
        })
        .await
    }
}

impl ErrorType for Stream<'_> {
    type Error = ErrorKind;
}

impl Read for Stream<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| match self.socket().recv_slice(buf) {
            Ok(0) => Poll::Pending,
            Ok(count) => Poll::Ready(Ok(count)),
            Err(tcp::RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(tcp::RecvError::InvalidState) => Poll::Ready(Err(ErrorKind::ConnectionReset)),
        })
        .await
    }
}

impl Write for Stream<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| match self.socket().send_slice(buf) {
            Ok(0) => Poll::Pending,
            Ok(count) => Poll::Ready(Ok(count)),
            Err(_) => Poll::Ready(Err(ErrorKind::ConnectionReset)),
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// Polls a future until it is over.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// The clock that embassy-time asks for.
struct Clock;

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        black_box(0)
    }
    fn schedule_wake(&self, at: u64, waker: &Waker) {
        black_box((at, waker));
    }
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);
