//! A broker that costs next to nothing: it reads produce requests and acknowledges them, and looks at nothing but
//! lengths and counts of records. The rare requests (ApiVersions, Metadata, InitProducerId) go to the model broker.
//!
//! Invariant: an answer is held back only while more of the connection's bytes are at hand, so that a client
//! that waits for it gets it before the sink waits for the client.
//!
//! Source: Produce 3 to 13 as Kafka's schemas have them, flexible from 9, with topic ids from 13.
use kurier_broker::{Cluster, ConnectionId};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const PRODUCE: i16 = 0;
/// Room for bytes read ahead; it stays in the processor's cache.
const BUFFER: usize = 128 * 1024;
/// Bytes of a batch's header, the count of records being its last field.
const BATCH_HEADER: usize = 61;

/// Serves connections of `listener` until the process ends.
///
/// # Errors
/// The listener does.
pub fn serve(listener: &TcpListener, cluster: Cluster) -> io::Result<()> {
    let cluster = Arc::new(Mutex::new(cluster));
    loop {
        let (stream, _) = listener.accept()?;
        let cluster = Arc::clone(&cluster);
        std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            // A client that goes away is no trouble.
            let _ = Connection::new(stream, cluster).and_then(|mut connection| connection.serve());
        })?;
    }
}

struct Connection {
    stream: TcpStream,
    cluster: Arc<Mutex<Cluster>>,
    id: ConnectionId,
    buffer: Box<[u8]>,
    /// `start <= end <= BUFFER`: what was read and not yet used.
    start: usize,
    end: usize,
    /// The answer being made.
    out: Vec<u8>,
    /// Whole answers that wait.
    done: Vec<u8>,
    /// The next offset of each partition.
    offsets: Vec<i64>,
}

impl Connection {
    fn new(stream: TcpStream, cluster: Arc<Mutex<Cluster>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let opened = cluster.lock().unwrap_or_else(PoisonError::into_inner).open(1);
        let id = opened.ok_or(io::ErrorKind::NotConnected)?;
        let buffer = vec![0; BUFFER].into();
        let (out, done, offsets) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { stream, cluster, id, buffer, start: 0, end: 0, out, done, offsets })
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            let length = self.length()?;
            let key = self.peek(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))?;
            if key == PRODUCE { self.produce()? } else { self.pass_on(length)? }
        }
    }

    /// Lets the model answer.
    fn pass_on(&mut self, length: usize) -> io::Result<()> {
        let mut request = i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes().to_vec();
        request.extend_from_slice(self.peek(length)?);
        self.start += length;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = cluster.handle(self.id, &request, i64::try_from(now).unwrap_or(0));
        self.done.append(&mut cluster.take_output(self.id));
        taken.map_err(|close| io::Error::other(format!("{close:?}")))
    }

    fn produce(&mut self) -> io::Result<()> {
        let header = self.take::<8>()?;
        let version = i16::from_be_bytes([header[2], header[3]]);
        let flexible = version >= 9;
        let client_id = u16::from_be_bytes(self.take()?);
        self.skip(if client_id == u16::MAX { 0 } else { client_id.into() })?;
        self.out.clear();
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(&header[4..]);
        self.tags(flexible)?;
        // The transactional id, null for all of ours.
        if flexible {
            self.skip(1)?
        } else {
            self.skip(2)?
        }
        let acks = i16::from_be_bytes(self.take()?);
        self.skip(4)?;
        let topics = self.count(flexible)?;
        self.answer_count(topics, flexible);
        for _ in 0..topics {
            self.topic(version, flexible)?;
        }
        self.skip(usize::from(flexible))?;
        self.out.extend_from_slice(&[0; 4]);
        self.answer_tags(flexible);
        if acks != 0 {
            let length = u32::try_from(self.out.len() - 4).unwrap_or(u32::MAX).to_be_bytes();
            self.done.extend_from_slice(&length);
            self.done.extend_from_slice(&self.out[4..]);
        }
        Ok(())
    }

    /// A topic, told back: by its id or its name.
    fn topic(&mut self, version: i16, flexible: bool) -> io::Result<()> {
        if version >= 13 {
            let id: [u8; 16] = self.take()?;
            self.out.extend_from_slice(&id);
        } else if flexible {
            let length = self.varint()?;
            self.out.push(u8::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?);
            self.echo(length.saturating_sub(1))?;
        } else {
            let length: [u8; 2] = self.take()?;
            self.out.extend_from_slice(&length);
            self.echo(u16::from_be_bytes(length).into())?;
        }
        let partitions = self.count(flexible)?;
        self.answer_count(partitions, flexible);
        for _ in 0..partitions {
            self.partition(version, flexible)?;
        }
        self.skip(usize::from(flexible))?;
        self.answer_tags(flexible);
        Ok(())
    }

    fn partition(&mut self, version: i16, flexible: bool) -> io::Result<()> {
        let index = i32::from_be_bytes(self.take()?);
        let mut left = if flexible {
            self.varint()?.saturating_sub(1)
        } else {
            u32::from_be_bytes(self.take()?) as usize
        };
        let mut records = 0;
        // Usually one batch.
        while left >= BATCH_HEADER {
            let header = self.peek(BATCH_HEADER)?;
            let size = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize + 12;
            records += i64::from(u32::from_be_bytes([header[57], header[58], header[59], header[60]]));
            self.skip(size.min(left))?;
            left = left.saturating_sub(size);
        }
        self.skip(left + usize::from(flexible))?;
        let place = usize::try_from(index).map_err(|_| io::ErrorKind::InvalidData)?;
        if self.offsets.len() <= place {
            self.offsets.resize(place + 1, 0);
        }
        let base = self.offsets[place];
        self.offsets[place] += records;
        self.out.extend_from_slice(&index.to_be_bytes());
        self.out.extend_from_slice(&[0; 2]);
        self.out.extend_from_slice(&base.to_be_bytes());
        self.out.extend_from_slice(&(-1_i64).to_be_bytes());
        if version >= 5 {
            self.out.extend_from_slice(&[0; 8]);
        }
        if version >= 8 {
            self.answer_count(0, flexible);
            self.out.extend_from_slice(if flexible { &[0] } else { &[0xff, 0xff] });
        }
        self.answer_tags(flexible);
        Ok(())
    }

    fn answer_count(&mut self, count: usize, flexible: bool) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if !flexible {
            return self.out.extend_from_slice(&count.to_be_bytes());
        }
        let mut rest = count + 1;
        while rest > 0x7f {
            self.out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
            rest >>= 7;
        }
        self.out.push(u8::try_from(rest).unwrap_or(0));
    }

    fn answer_tags(&mut self, flexible: bool) {
        if flexible {
            self.out.push(0);
        }
    }

    fn count(&mut self, flexible: bool) -> io::Result<usize> {
        Ok(if flexible {
            self.varint()?.saturating_sub(1)
        } else {
            u32::from_be_bytes(self.take()?) as usize
        })
    }

    /// The request header's tagged fields.
    fn tags(&mut self, flexible: bool) -> io::Result<()> {
        if flexible && self.varint()? != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.answer_tags(flexible);
        Ok(())
    }

    fn varint(&mut self) -> io::Result<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn length(&mut self) -> io::Result<usize> {
        Ok(u32::from_be_bytes(self.take()?) as usize)
    }

    fn echo(&mut self, count: usize) -> io::Result<()> {
        self.peek(count)?;
        let Self { out, buffer, start, .. } = self;
        out.extend_from_slice(&buffer[*start..*start + count]);
        self.start += count;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.peek(N)?);
        self.start += N;
        Ok(bytes)
    }

    /// The next bytes, left where they are.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if count > BUFFER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if BUFFER - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < count {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.start + count])
    }

    fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let here = count.min(self.end - self.start);
            self.start += here;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if !self.done.is_empty() {
            self.stream.write_all(&self.done)?;
            self.done.clear();
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner).close(self.id);
    }
}
