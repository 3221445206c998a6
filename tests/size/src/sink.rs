//! A broker that costs next to nothing: it reads a request's length and number, and answers as if all were well.
//!
//! In the oldest versions there are, so that the answers are a few fixed bytes. Topic `t` has one partition.
use core::task::Poll;
use embedded_io::ErrorKind;
use kurier_core::transport::{Endpoint, LinkId, Transport};

/// Size, key, version, correlation id.
const HEAD: usize = 12;

/// ApiVersions: error 35 and version 0, as an old broker answers.
const VERSIONS: &[u8] = &[0, 35, 0, 0, 0, 3, 0, 0, 0, 3, 0, 3, 0, 3, 0, 4, 0, 4, 0, 22, 0, 0, 0, 0];
/// Metadata 4: broker 7 at 10.0.0.2:9092 leads partition 0 of `t`.
const METADATA: &[u8] = &[
    0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 8, b'1', b'0', b'.', b'0', b'.', b'0', b'.', b'2', 0, 0, 0x23,
    0x84, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, b't', 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 7,
];
/// InitProducerId 0: producer 9, epoch 0.
const IDENTITY: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0];
/// Produce 3 up to the offset, and after it: no timestamp, no throttling.
const WRITTEN: &[u8] = &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const WRITTEN_END: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// The far side of one stream.
#[derive(Debug)]
pub struct Sink {
    head: [u8; HEAD],
    seen: usize,
    left: usize,
    answers: [u8; 512],
    len: usize,
    read: usize,
    offset: u64,
}

impl Default for Sink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink {
    /// One that was sent nothing.
    pub const fn new() -> Self {
        Self { head: [0; HEAD], seen: 0, left: 0, answers: [0; 512], len: 0, read: 0, offset: 0 }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.seen < HEAD {
                let count = bytes.len().min(HEAD - self.seen);
                let (head, rest) = bytes.split_at(count);
                self.head[self.seen..self.seen + count].copy_from_slice(head);
                (self.seen, bytes) = (self.seen + count, rest);
                if self.seen == HEAD {
                    let [a, b, c, d, ..] = self.head;
                    self.left = (u32::from_be_bytes([a, b, c, d]) as usize + 4).saturating_sub(HEAD);
                }
            } else {
                let count = bytes.len().min(self.left);
                (self.left, bytes) = (self.left - count, &bytes[count..]);
            }
            if self.seen == HEAD && self.left == 0 {
                self.seen = 0;
                self.answer();
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        // Answers that nobody reads are lost, which a run would show by its standing still.
        if let Some(room) = self.answers.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn answer(&mut self) {
        let body = match self.head[5] {
            18 => VERSIONS,
            3 => METADATA,
            22 => IDENTITY,
            _ => WRITTEN,
        };
        let end = if self.head[5] == 0 { WRITTEN_END.len() + 8 } else { 0 };
        let size = u32::try_from(4 + body.len() + end).unwrap_or(0);
        self.put(&size.to_be_bytes());
        let [.., a, b, c, d] = self.head;
        self.put(&[a, b, c, d]);
        self.put(body);
        if end > 0 {
            self.put(&self.offset.to_be_bytes());
            self.put(WRITTEN_END);
            // More than a batch holds, so that no offset comes twice.
            self.offset += 1000;
        }
    }
}

impl embedded_io::ErrorType for Sink {
    type Error = ErrorKind;
}

impl Transport for Sink {
    fn connect(&mut self, _: LinkId, _: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, _: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        bufs.iter().for_each(|bytes| self.take(bytes));
        Poll::Ready(Ok(bufs.iter().map(|bytes| bytes.len()).sum()))
    }

    fn flush(&mut self, _: LinkId) -> Poll<Result<(), ErrorKind>> {
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, _: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        let count = (self.len - self.read).min(buf.len());
        if count == 0 {
            return Poll::Pending;
        }
        buf[..count].copy_from_slice(&self.answers[self.read..self.read + count]);
        self.read += count;
        if self.read == self.len {
            (self.read, self.len) = (0, 0);
        }
        Poll::Ready(Ok(count))
    }

    fn close(&mut self, _: LinkId) {
        *self = Self { offset: self.offset, ..Self::new() };
    }
}
