//! What the page lends: WebSockets that are asked, and an ear for deliveries. The other side is `js/page.js`.
//!
//! Answers are numbers, since a call between the two languages costs less so: 0 is "not yet", below 0 is an error of
//! [`error_of`], above 0 is a count or simply yes.
use alloc::vec::Vec;
use core::task::Poll;
use embedded_io::ErrorKind;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The page's side, an object of `js/page.js`.
    pub type Page;

    /// Opens a WebSocket for `link`, or goes on opening it: 1 is open.
    #[wasm_bindgen(method)]
    fn open(this: &Page, link: u16, host: &str, port: u16) -> i32;
    /// How many bytes may be written now.
    #[wasm_bindgen(method)]
    fn room(this: &Page, link: u16) -> i32;
    /// Writes all of them.
    #[wasm_bindgen(method)]
    fn write(this: &Page, link: u16, bytes: &[u8]);
    /// 1: what was written has left the page.
    #[wasm_bindgen(method)]
    fn drained(this: &Page, link: u16) -> i32;
    /// Reads: how many bytes, or [`END`].
    #[wasm_bindgen(method)]
    fn read(this: &Page, link: u16, into: &mut [u8]) -> i32;
    /// Closes the link's WebSocket, if there is one.
    #[wasm_bindgen(method)]
    fn close(this: &Page, link: u16);
    /// What was wrong with a link to this server that the core has closed: a place in `js/page.js`'s list.
    #[wasm_bindgen(method)]
    pub(crate) fn trouble(this: &Page, kind: u32, host: &str, port: u16);

    /// Records `first` to `first + count` of a batch are written; offset and timestamp are -1 where not known.
    #[wasm_bindgen(method)]
    pub(crate) fn written(
        this: &Page,
        serial: u32,
        first: u32,
        count: u32,
        partition: i32,
        offset: f64,
        timestamp: f64,
    );
    /// One record of a batch has failed.
    #[wasm_bindgen(method)]
    pub(crate) fn failed(this: &Page, serial: u32, index: u32, fate: &str, code: &str, message: &str);
    /// All of a batch has been told.
    #[wasm_bindgen(method)]
    pub(crate) fn over(this: &Page, serial: u32);
}

/// The end of the stream.
const END: i32 = -1;
/// Bytes in one message: more make no difference, and are copied once more.
const MESSAGE: usize = 64 * 1024;

/// The page's WebSockets as the core's transport.
pub(crate) struct Sockets<'a> {
    pub(crate) page: &'a Page,
    /// Where the parts of a message are put together.
    pub(crate) message: &'a mut Vec<u8>,
    /// A link was closed from here, for a reason that the page does not see.
    pub(crate) has_closed: bool,
}

fn error_of(answer: i32) -> ErrorKind {
    match answer {
        -2 => ErrorKind::ConnectionRefused,
        -3 => ErrorKind::PermissionDenied,
        _ => ErrorKind::ConnectionReset,
    }
}

/// An answer of the page as the core takes it.
fn poll(answer: i32) -> Poll<Result<usize, ErrorKind>> {
    match usize::try_from(answer) {
        Ok(0) => Poll::Pending,
        Ok(count) => Poll::Ready(Ok(count)),
        Err(_) => Poll::Ready(Err(error_of(answer))),
    }
}

impl embedded_io::ErrorType for Sockets<'_> {
    type Error = ErrorKind;
}

impl Transport for Sockets<'_> {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        poll(self.page.open(link.0, to.host, to.port)).map_ok(drop)
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        let room = match poll(self.page.room(link.0)) {
            Poll::Ready(Ok(room)) => room.min(MESSAGE),
            other => return other,
        };
        self.message.clear();
        for buf in bufs {
            let left = room.saturating_sub(self.message.len());
            self.message.extend_from_slice(buf.get(..left).unwrap_or(buf));
        }
        self.page.write(link.0, self.message);
        Poll::Ready(Ok(self.message.len()))
    }

    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        poll(self.page.drained(link.0)).map_ok(drop)
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        match self.page.read(link.0, buf) {
            END => Poll::Ready(Ok(0)),
            answer => poll(answer),
        }
    }

    fn close(&mut self, link: LinkId) {
        self.page.close(link.0);
        self.has_closed = true;
    }
}
