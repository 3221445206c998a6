//! A broker as a script: it reads whole requests and answers each from a template, in the oldest versions there are.
//!
//! It looks at what a broker must look at to call the run a success: the checksum, the sequence and the count of each
//! batch. Bytes pass in pieces of any size.
use core::task::Poll;
use embedded_io::ErrorKind;
use kurier_core::transport::{Endpoint, LinkId, Transport};

/// Partitions of the topic.
pub(crate) const PARTITIONS: usize = 3;
const FRAME: usize = 8192;

/// A broker with one stream.
pub(crate) struct Script {
    /// Bytes that pass in one call.
    piece: usize,
    open: bool,
    request: Buffer,
    answer: Buffer,
    read: usize,
    /// Next sequence of each partition, which is also its next offset.
    next: [u32; PARTITIONS],
    /// Requests answered.
    pub(crate) requests: u32,
    /// What was wrong, as a line of [`Script::produce`]; 0 is nothing.
    pub(crate) fault: u32,
}

struct Buffer {
    bytes: [u8; FRAME],
    len: usize,
}

impl Buffer {
    const fn new() -> Self {
        Self { bytes: [0; FRAME], len: 0 }
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        self.len += count;
        count
    }
}

/// Reads numbers and texts from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }
    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.number(2)?;
        self.take(usize::try_from(len).ok()?)
    }
}

impl Script {
    pub(crate) const fn new(piece: usize) -> Self {
        Self {
            piece,
            open: false,
            request: Buffer::new(),
            answer: Buffer::new(),
            read: 0,
            next: [0; PARTITIONS],
            requests: 0,
            fault: 0,
        }
    }

    /// Records that are in order, in all partitions.
    pub(crate) fn records(&self) -> u32 {
        self.next.iter().sum()
    }

    /// Answers the request if all of it is here.
    fn serve(&mut self) {
        let frame = core::mem::replace(&mut self.request, Buffer::new());
        let mut reader = Reader(frame.filled());
        let complete = reader.number(4).and_then(|size| reader.take(usize::try_from(size).ok()?));
        let Some(body) = complete else {
            self.request = frame;
            return;
        };
        self.request.put(reader.0);
        let start = self.answer.len;
        self.answer.put(&[0; 4]);
        if self.answer_to(Reader(body)).is_none() {
            self.fault = self.fault.max(1);
        }
        let size = u32::try_from(self.answer.len - start - 4).unwrap_or(0).to_be_bytes();
        if let Some(place) = self.answer.bytes.get_mut(start..).and_then(|rest| rest.first_chunk_mut()) {
            *place = size;
        }
        self.requests += 1;
    }

    fn answer_to(&mut self, mut r: Reader<'_>) -> Option<()> {
        let (api, version) = (r.number(2)?, r.number(2)?);
        let correlation = r.take(4)?;
        r.text()?;
        self.answer.put(correlation);
        match (api, version) {
            // ApiVersions: error 35 and version 0, as an old broker answers.
            (18, _) => {
                self.answer.put(&[0, 35, 0, 0, 0, 3]);
                self.answer.put(&[0, 0, 0, 3, 0, 3, 0, 3, 0, 4, 0, 4, 0, 22, 0, 0, 0, 0]);
            }
            // Metadata 4: broker 7 at b:9092 leads every partition of "t".
            (3, 4) => {
                self.answer.put(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1, b'b', 0, 0, 0x23, 0x84]);
                self.answer.put(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7]);
                self.answer.put(&[0, 0, 0, 1, 0, 0, 0, 1, b't', 0, 0, 0, 0, 3]);
                for partition in 0..3 {
                    self.answer.put(&[0, 0, 0, 0, 0, partition, 0, 0, 0, 7]);
                    self.answer.put(&[0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 7]);
                }
            }
            // InitProducerId 0: producer 9, epoch 0.
            (22, 0) => {
                self.answer.put(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0]);
            }
            (0, 3) => self.produce(r)?,
            _ => return None,
        }
        Some(())
    }

    /// Produce 3: one topic, some partitions, a batch each.
    fn produce(&mut self, mut r: Reader<'_>) -> Option<()> {
        r.take(2 + 2 + 4)?;
        if r.number(4)? != 1 || r.text()? != b"t" {
            self.fault = 2;
        }
        let partitions = r.number(4)?;
        self.answer.put(&[0, 0, 0, 1, 0, 1, b't']);
        self.answer.put(&u32::try_from(partitions).ok()?.to_be_bytes());
        for _ in 0..partitions {
            let partition = r.take(4)?;
            let len = r.number(4)?;
            let batch = r.take(usize::try_from(len).ok()?)?;
            let mut header = Reader(batch.get(17..)?);
            if header.number(4)? != u64::from(crate::crc(0, batch.get(21..)?)) {
                self.fault = 3;
            }
            header.take(2 + 4 + 8 + 8)?;
            if (header.number(8)?, header.number(2)?) != (9, 0) {
                self.fault = 4;
            }
            let (sequence, count) = (header.number(4)?, header.number(4)?);
            let next = self.next.get_mut(usize::from(*partition.last()?))?;
            if sequence != u64::from(*next) {
                self.fault = 5;
            }
            self.answer.put(partition);
            self.answer.put(&[0, 0]);
            self.answer.put(&u64::from(*next).to_be_bytes());
            self.answer.put(&[0xff; 8]);
            *next += u32::try_from(count).ok()?;
        }
        self.answer.put(&[0; 4]);
        Some(())
    }
}

impl embedded_io::ErrorType for Script {
    type Error = ErrorKind;
}

impl Transport for Script {
    fn connect(&mut self, _: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        if (to.host, to.port) != ("b", 9092) || self.open {
            return Poll::Ready(Err(ErrorKind::ConnectionRefused));
        }
        self.open = true;
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, _: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        let mut taken = 0;
        for buf in bufs {
            let part = buf.get(..buf.len().min(self.piece - taken)).unwrap_or_default();
            taken += self.request.put(part);
        }
        self.serve();
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn flush(&mut self, _: LinkId) -> Poll<Result<(), ErrorKind>> {
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, _: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        let unread = self.answer.filled().get(self.read..).unwrap_or_default();
        let count = unread.len().min(buf.len()).min(self.piece);
        buf.iter_mut().zip(unread).take(count).for_each(|(slot, byte)| *slot = *byte);
        self.read += count;
        if self.read == self.answer.len {
            self.read = 0;
            self.answer.len = 0;
        }
        if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    fn close(&mut self, _: LinkId) {
        self.open = false;
    }
}
