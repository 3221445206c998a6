//! One connection to a broker for a few requests, one after the other, blocking: what `metadata` and `demo` ask.
//! Not for producing.
//!
//! Bounds: a call ends at its deadline whatever the peer does; an answer takes no more memory than it has
//! bytes, and at most [`LIMIT`].
use crate::api_names;
use crate::setup::address;
use kurier::config::Server;
use kurier_broker::codec::{self, Direction, Value, object};
use kurier_core::wire::{api_versions, header, metadata, produce, registry, varint};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The largest answer that is read, bytes. Metadata of a hundred thousand partitions is smaller.
const LIMIT: usize = 128 << 20;

/// What each bootstrap server says to someone who only wants to know its versions, as a sentence each, if `producer`
/// never heard of the cluster: the producer keeps trying and has no words for why.
pub(crate) fn explain(producer: &kurier::Producer, bootstrap: &[Server]) -> Vec<String> {
    let age = producer.metrics().into_iter().find(|(name, _)| *name == "metadata-age");
    if age.is_none_or(|(_, age)| !age.is_nan()) {
        return Vec::new();
    }
    let patience = Patience { connect: Duration::from_secs(2), request: Duration::from_secs(2) };
    let each = bootstrap.iter().take(3).map(|server| {
        let said = Link::open(server, "kurier", patience).and_then(|link| {
            // What a producer cannot do without.
            [produce::API.key, metadata::API.key].into_iter().try_for_each(|key| link.speaks(key).map(drop))
        });
        let address = address(&server.host, server.port.into());
        match said {
            Err(error) => format!("no broker was reached; {address}: {error}"),
            Ok(()) => format!(
                "no broker was reached in time, but {address} answers now: try again, or wait longer for it with \
                 -X max.block.ms=..."
            ),
        }
    });
    each.collect()
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// To connect, over all addresses of a name.
    pub connect: Duration,
    /// From a request to the end of its answer.
    pub request: Duration,
}

/// The versions of an API that a broker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// The API key.
    pub key: i16,
    /// Oldest version.
    pub min: i16,
    /// Newest version.
    pub max: i16,
}

/// A connection that has asked for the broker's versions.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    patience: Patience,
    client_id: String,
    correlation: i32,
    /// What the broker speaks.
    pub versions: Vec<Range>,
}

impl Link {
    /// Connects and asks for versions.
    ///
    /// # Errors
    /// A sentence that says what happened.
    pub(crate) fn open(server: &Server, client_id: &str, patience: Patience) -> Result<Self, String> {
        let stream = connect(server, patience.connect)?;
        let mut link =
            Self { stream, patience, client_id: client_id.to_owned(), correlation: 0, versions: Vec::new() };
        let mut version = api_versions::API.newest;
        loop {
            let software = object([
                ("clientSoftwareName", Value::from("kurier")),
                ("clientSoftwareVersion", Value::from(env!("CARGO_PKG_VERSION"))),
            ]);
            let answer = link.call_version(api_versions::API.key, version, &software)?;
            link.versions = answer.list("apiKeys").iter().map(range).collect();
            match answer.int("errorCode") {
                0 => return Ok(link),
                35 if version > 0 => {
                    version = link.common(api_versions::API.key).unwrap_or(0).min(version - 1)
                }
                code => {
                    return Err(format!("the broker refuses to tell its API versions: {}", error_name(code)));
                }
            }
        }
    }

    /// The highest version of an API that both sides speak.
    pub(crate) fn common(&self, key: i16) -> Option<i16> {
        let range = self.versions.iter().find(|range| range.key == key)?;
        registry::api(key)?.common(range.min, range.max)
    }

    /// Sends a request in the highest common version and waits for its answer.
    ///
    /// # Errors
    /// A sentence that says what happened.
    pub(crate) fn call(&mut self, key: i16, request: &Value) -> Result<Value, String> {
        let version = self.speaks(key)?;
        self.call_version(key, version, request)
    }

    /// The highest common version.
    ///
    /// # Errors
    /// There is none, in words.
    fn speaks(&self, key: i16) -> Result<i16, String> {
        self.common(key).ok_or_else(|| {
            let name = api_names::name(key);
            let ours =
                registry::api(key).map_or_else(String::new, |api| format!("{}-{}", api.oldest, api.newest));
            match self.versions.iter().find(|range| range.key == key) {
                Some(Range { min, max, .. }) => format!(
                    "the broker speaks {name} {min}-{max} and this program {ours}: it is too old or too new \
                     (Kafka 0.11 is the oldest)"
                ),
                None => format!("the broker does not speak {name}"),
            }
        })
    }

    fn call_version(&mut self, key: i16, version: i16, request: &Value) -> Result<Value, String> {
        let deadline = Instant::now() + self.patience.request;
        self.correlation += 1;
        let api = registry::api(key).ok_or("an API without a table")?;
        let mut head = Bytes::default();
        header::emit_request(&mut head, api, version, self.correlation, Some(&self.client_id));
        let body =
            codec::encode(key, version, Direction::Request, request).map_err(|error| error.to_string())?;
        self.send(&codec::frame(&[head.0, body].concat()), deadline)?;
        let payload = self.receive(deadline)?;
        let (correlation, rest) = payload.split_first_chunk().ok_or("the answer is cut short")?;
        if i32::from_be_bytes(*correlation) != self.correlation {
            return Err("the answer belongs to no request (wrong correlation id)".to_owned());
        }
        let body = if api.response_header(version) >= 1 { skip_tags(rest)? } else { rest };
        codec::decode(key, version, Direction::Response, body)
            .map_err(|error| format!("the answer cannot be read: {error}"))
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), String> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline)?)).map_err(lost)?;
            match self.stream.write(bytes) {
                Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
                Err(error) if retry(&error) => {}
                Err(error) => return Err(lost(error)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, String> {
        let mut size = Vec::new();
        self.read_to(&mut size, 4, deadline)?;
        let size: [u8; 4] = size.try_into().map_err(|_| "the answer is cut short")?;
        let len = usize::try_from(i32::from_be_bytes(size)).ok().filter(|len| (4..=LIMIT).contains(len));
        let mut payload = Vec::new();
        self.read_to(&mut payload, len.ok_or_else(|| not_kafka(size))?, deadline)?;
        Ok(payload)
    }

    /// Reads until `into` holds `len` bytes; grows with what arrives, not with what was announced.
    fn read_to(&mut self, into: &mut Vec<u8>, len: usize, deadline: Instant) -> Result<(), String> {
        let mut chunk = [0; 64 * 1024];
        while into.len() < len {
            self.stream.set_read_timeout(Some(left(deadline)?)).map_err(lost)?;
            let want = chunk.len().min(len - into.len());
            match self.stream.read(chunk.get_mut(..want).unwrap_or_default()) {
                Ok(0) => {
                    return Err("the peer closed the connection: is it a Kafka port without TLS?".to_owned());
                }
                Ok(read) => into.extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) if retry(&error) => {}
                Err(error) => return Err(lost(error)),
            }
        }
        Ok(())
    }
}

fn connect(server: &Server, patience: Duration) -> Result<TcpStream, String> {
    let deadline = Instant::now() + patience;
    let addresses = (server.host.as_str(), server.port)
        .to_socket_addrs()
        .map_err(|error| format!("cannot resolve {}: {error}", server.host))?;
    let mut last = format!("{} has no address", server.host);
    for address in addresses {
        match left(deadline).and_then(|left| {
            TcpStream::connect_timeout(&address, left).map_err(|error| format!("cannot connect: {error}"))
        }) {
            Ok(stream) => {
                // Small requests, each waiting for its answer.
                stream.set_nodelay(true).map_err(lost)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> Result<Duration, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err("no answer in time".to_owned()) } else { Ok(left) }
}

/// Time outs come back to the deadline's own check.
fn retry(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn lost(error: impl fmt::Display) -> String {
    format!("the connection was lost: {error}")
}

fn not_kafka(size: [u8; 4]) -> String {
    let guess = match size {
        [b'H', b'T', b'T', b'P'] => "an HTTP server",
        [0x14..=0x17, 3, ..] => "a TLS port, and TLS is not built yet",
        _ => "not a Kafka broker",
    };
    format!("the answer is not Kafka's: it seems to be {guess}")
}

fn skip_tags(input: &[u8]) -> Result<&[u8], String> {
    let varint = |input| varint::unsigned(input).map_err(|_| "the answer's header cannot be read".to_owned());
    let (mut rest, count) = varint(input)?;
    for _ in 0..count {
        let (after, _tag) = varint(rest)?;
        let (after, size) = varint(after)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        rest = after.get(size..).ok_or("the answer's header is cut short")?;
    }
    Ok(rest)
}

fn range(value: &Value) -> Range {
    let int = |name| i16::try_from(value.int(name)).unwrap_or_default();
    Range { key: int("apiKey"), min: int("minVersion"), max: int("maxVersion") }
}

/// Kafka's name and number of an error code.
pub(crate) fn error_name(code: i64) -> String {
    kurier_core::wire::ErrorCode(i16::try_from(code).unwrap_or(i16::MAX)).to_string()
}

/// A sink that keeps everything.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl<'a> kurier_core::wire::Sink<'a> for Bytes {
    fn small(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn borrowed(&mut self, bytes: &'a [u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const PATIENCE: Patience =
        Patience { connect: Duration::from_secs(5), request: Duration::from_millis(300) };

    /// A peer that sends `answer` to whatever comes, and then keeps the connection open.
    fn peer(answer: &'static [u8]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
            stream.write_all(answer).unwrap();
            // Until the other side is gone.
            while stream.read(&mut [0; 1000]).is_ok_and(|len| len > 0) {}
        });
        Server { host: "127.0.0.1".to_owned(), port }
    }

    #[test]
    fn bad_input_ports_that_are_not_kafka_are_told_apart_without_hanging() {
        for (answer, reason) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "an HTTP server"),
            (b"\x15\x03\x03\x00\x02\x02\x46", "a TLS port"),
            (b"\xff\xff\xff\xffrandom", "not a Kafka broker"),
            (b"", "no answer in time"),
            (b"\x00\x00\x00\x40cut", "no answer in time"),
            (b"\x07\x00\x00\x00large and slow", "no answer in time"),
            (b"\x00\x00\x00\x06\x00\x00\x00\x63\x00\x00", "correlation id"),
            (b"\x00\x00\x00\x05\x00\x00\x00\x01\x00", "cannot be read"),
        ] {
            let start = Instant::now();
            let error = Link::open(&peer(answer), "t", PATIENCE).unwrap_err();
            assert!(error.contains(reason), "{reason}: {error}");
            assert!(start.elapsed() < Duration::from_secs(3), "{reason}");
        }
    }

    #[test]
    fn bad_input_no_listener_and_no_such_name_are_said() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let server = Server { host: "127.0.0.1".to_owned(), port };
        assert!(Link::open(&server, "t", PATIENCE).unwrap_err().contains("cannot connect"));
        let server = Server { host: "no-such-host.invalid".to_owned(), port };
        assert!(Link::open(&server, "t", PATIENCE).unwrap_err().contains("cannot resolve"));
    }

    #[test]
    fn a_broker_of_any_release_tells_its_versions() {
        use kurier_broker::{Release, ServerOptions, Settings};
        for (release, metadata) in [(Release::V4_3, 13), (Release::V2_1, 7), (Release::V0_11, 4)] {
            let options = ServerOptions { settings: Settings::release(release), ..ServerOptions::default() };
            let broker = kurier_broker::Server::start(options).unwrap();
            let port = broker.addresses()[0].port();
            let link = Link::open(&Server { host: "127.0.0.1".to_owned(), port }, "t", PATIENCE).unwrap();
            assert_eq!(link.common(3), Some(metadata), "{release:?}");
        }
    }
}
