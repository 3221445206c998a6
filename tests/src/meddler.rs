//! A network that knows the protocol: it sees each request and each answer as a whole, and a test may change, repeat,
//! reorder or swallow the answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // of tests only
use crate::model_net::ModelNet;
use embedded_io::ErrorKind;
use kurier_broker::Cluster;
use kurier_broker::codec::{self, Direction, Value};
use kurier_core::transport::{Endpoint, LinkId, Transport};
use kurier_core::wire::registry;
use std::collections::{HashMap, VecDeque};
use std::task::Poll;

/// A struct's field, to change it.
pub fn field<'v>(value: &'v mut Value, name: &str) -> &'v mut Value {
    let Value::Struct(fields) = value else { panic!("no struct: {value:?}") };
    &mut fields.iter_mut().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// The items of a list, to change them.
pub fn list(value: &mut Value) -> &mut Vec<Value> {
    let Value::Array(items) = value else { panic!("no list: {value:?}") };
    items
}

/// A request as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The link it came by, and where that leads.
    pub link: u16,
    /// The port of the broker.
    pub port: u16,
    /// API key, version, and number on the link.
    pub api: i16,
    /// Its version.
    pub version: i16,
    /// Its number.
    pub correlation: i32,
}

/// An answer on its way to the producer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it answers.
    pub asked: Asked,
    /// The frame: size, header, body.
    pub frame: Vec<u8>,
}

impl Answer {
    /// Bytes before the body.
    pub fn head(&self) -> usize {
        let api = registry::api(self.asked.api).unwrap();
        4 + codec::response_header(api, self.asked.version, 0, &Vec::new()).len()
    }

    /// What it says.
    pub fn value(&self) -> Value {
        let body = &self.frame[self.head()..];
        codec::decode(self.asked.api, self.asked.version, Direction::Response, body).unwrap()
    }

    /// The same answer with another body.
    #[must_use]
    pub fn with(&self, body: &[u8]) -> Self {
        let mut payload = self.frame[4..self.head()].to_vec();
        payload.extend_from_slice(body);
        Self { asked: self.asked, frame: codec::frame(&payload) }
    }

    /// The same answer saying something else.
    #[must_use]
    pub fn saying(&self, value: &Value) -> Self {
        let body = codec::encode(self.asked.api, self.asked.version, Direction::Response, value)
            .expect("a value that fits");
        self.with(&body)
    }

    /// The same answer under another number.
    #[must_use]
    pub fn numbered(&self, correlation: i32) -> Self {
        let mut other = self.clone();
        other.frame[4..8].copy_from_slice(&correlation.to_be_bytes());
        other
    }
}

/// What a test does with an answer: the frames that are given to the producer in its stead.
pub type Meddling = Box<dyn FnMut(&Answer) -> Vec<Vec<u8>>>;

#[derive(Default)]
struct Stream {
    port: u16,
    /// Bytes of a request that is not complete.
    up: Vec<u8>,
    asked: VecDeque<Asked>,
    /// Bytes of an answer that is not complete.
    down: Vec<u8>,
    /// What the producer may read.
    ready: VecDeque<u8>,
}

/// The network. Without meddling it is the model's.
pub struct Meddler {
    /// The cluster and the streams to it.
    pub inner: ModelNet,
    /// Done to every answer.
    pub meddling: Option<Meddling>,
    /// All requests so far, and when they came (Unix ms).
    pub requests: Vec<(i64, Asked)>,
    /// All dials so far: when (Unix ms), and to which port.
    pub dials: Vec<(i64, u16)>,
    streams: HashMap<LinkId, Stream>,
}

impl Meddler {
    /// A cluster of brokers 1 to `brokers`, at the ports from 9091 on.
    pub fn new(cluster: Cluster, brokers: u16) -> Self {
        Self {
            inner: ModelNet::new(cluster, brokers),
            meddling: None,
            requests: Vec::new(),
            dials: Vec::new(),
            streams: HashMap::new(),
        }
    }

    /// Does this to every answer from here on.
    pub fn meddle(&mut self, meddling: impl FnMut(&Answer) -> Vec<Vec<u8>> + 'static) {
        self.meddling = Some(Box::new(meddling));
    }

    /// Requests of an API so far.
    pub fn count(&self, api: i16) -> usize {
        self.requests.iter().filter(|(_, asked)| asked.api == api).count()
    }

    /// Cuts every link.
    pub fn cut(&mut self) {
        self.inner.cut();
        self.streams.clear();
    }

    /// A broker, by its port, says this on every link to it, whatever it was asked.
    pub fn say(&mut self, port: u16, frame: &[u8]) {
        for stream in self.streams.values_mut().filter(|stream| stream.port == port) {
            stream.ready.extend(frame);
        }
    }

    fn pull(&mut self, link: LinkId) {
        let Self { inner, meddling, streams, .. } = self;
        let Some(stream) = streams.get_mut(&link) else { return };
        let mut piece = [0; 4096];
        while let Poll::Ready(Ok(count @ 1..)) = inner.recv(link, &mut piece) {
            stream.down.extend_from_slice(&piece[..count]);
        }
        while let Some(frame) = take_frame(&mut stream.down) {
            let Some(asked) = stream.asked.pop_front() else { continue };
            let answer = Answer { asked, frame };
            match meddling {
                Some(meddle) => meddle(&answer).into_iter().for_each(|bytes| stream.ready.extend(bytes)),
                None => stream.ready.extend(answer.frame),
            }
        }
    }
}

/// A whole frame from the front of `bytes`.
fn take_frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let size = bytes.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize + 4)?;
    (bytes.len() >= size).then(|| bytes.drain(..size).collect())
}

impl embedded_io::ErrorType for Meddler {
    type Error = ErrorKind;
}

impl Transport for Meddler {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        self.dials.push((self.inner.now, to.port));
        let opened = self.inner.connect(link, to);
        if opened == Poll::Ready(Ok(())) {
            self.streams.insert(link, Stream { port: to.port, ..Stream::default() });
        }
        opened
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        let sent = self.inner.send(link, bufs);
        if let (Poll::Ready(Ok(count)), Some(stream)) = (sent, self.streams.get_mut(&link)) {
            stream.up.extend(bufs.concat().into_iter().take(count));
            while let Some(frame) = take_frame(&mut stream.up) {
                let short = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
                let correlation = i32::from_be_bytes(*frame[8..].first_chunk().unwrap());
                let (api, version) = (short(4), short(6));
                let asked = Asked { link: link.0, port: stream.port, api, version, correlation };
                stream.asked.push_back(asked);
                self.requests.push((self.inner.now, asked));
            }
        }
        sent
    }

    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        self.inner.flush(link)
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        self.pull(link);
        let Some(stream) = self.streams.get_mut(&link) else {
            return Poll::Ready(Err(ErrorKind::ConnectionReset));
        };
        let count = stream.ready.len().min(buf.len());
        if count == 0 {
            return match self.inner.recv(link, buf) {
                Poll::Ready(Ok(1..)) => unreachable!("all of it was taken"),
                other => other,
            };
        }
        for (slot, byte) in buf.iter_mut().zip(stream.ready.drain(..count)) {
            *slot = byte;
        }
        Poll::Ready(Ok(count))
    }

    fn close(&mut self, link: LinkId) {
        self.streams.remove(&link);
        self.inner.close(link);
    }
}
