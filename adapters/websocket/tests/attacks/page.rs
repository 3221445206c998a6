//! A page by hand: a WebSocket that says exactly what a test wants, and what the broker has heard.
use kurier_bridge::{Options, Server, Topics};
use kurier_broker::codec::{self, Direction, Value, object};
use kurier_broker::testing::BatchBuilder;
use kurier_broker::{Server as Broker, ServerOptions, TopicConfig};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const PRODUCE: i16 = 0;
pub(crate) const METADATA: i16 = 3;
pub(crate) const API_VERSIONS: i16 = 18;
pub(crate) const INIT_PRODUCER_ID: i16 = 22;
/// SaslHandshake and SaslAuthenticate.
pub(crate) const SASL: [i16; 2] = [17, 36];

/// What a broker has heard: API key, version, bytes.
pub(crate) type Heard = Arc<Mutex<Vec<(i16, i16, usize)>>>;

/// A broker with the topics `clicks`, which is allowed, and `secret`, which is not; and a bridge to it.
pub(crate) struct Stage {
    pub(crate) bridge: Server,
    pub(crate) broker: Broker,
    pub(crate) heard: Heard,
}

impl Stage {
    pub(crate) fn new(change: impl FnOnce(&mut Options)) -> Self {
        Self::with_brokers(1, change)
    }

    pub(crate) fn with_brokers(brokers: u16, change: impl FnOnce(&mut Options)) -> Self {
        let broker = Broker::start(ServerOptions { brokers, ..ServerOptions::default() }).unwrap();
        let heard = Heard::default();
        let told = Arc::clone(&heard);
        broker.with(|cluster| {
            cluster.create_topic("clicks", 1, TopicConfig::default()).unwrap();
            cluster.create_topic("secret", 1, TopicConfig::default()).unwrap();
            cluster.observe(move |request| {
                told.lock().unwrap().push((request.api, request.version, request.size));
            });
        });
        let mut topics = Topics::new();
        topics.allow("clicks*").unwrap();
        let first = broker.addresses()[0];
        let mut options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            bootstrap: vec![(first.ip().to_string(), first.port())],
            topics,
            ..Options::default()
        };
        change(&mut options);
        Self { bridge: Server::start(options).unwrap(), broker, heard }
    }

    pub(crate) fn path(&self) -> String {
        let address = self.broker.addresses()[0];
        format!("/{}/{}", address.ip(), address.port())
    }

    /// A page of this machine.
    pub(crate) fn page(&self) -> Page {
        Page::open(&self.bridge, &self.path(), &[("Origin", "http://localhost:8080")]).unwrap()
    }

    pub(crate) fn heard(&self) -> Vec<(i16, i16, usize)> {
        self.heard.lock().unwrap().clone()
    }

    /// Records in the log of a topic's only partition.
    pub(crate) fn logged(&self, topic: &str) -> usize {
        self.broker.with(|cluster| cluster.batches(topic, 0).map(|b| b.header.count as usize).sum())
    }
}

pub(crate) struct Page<S = TcpStream>(pub(crate) WebSocket<S>);

impl Page {
    pub(crate) fn open(bridge: &Server, path: &str, headers: &[(&str, &str)]) -> Result<Self, String> {
        let stream = TcpStream::connect(bridge.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("ws://{}{path}", bridge.address()).into_client_request().unwrap();
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        Self::over(stream, request)
    }
}

impl<S: Read + Write> Page<S> {
    pub(crate) fn over(stream: S, request: Request) -> Result<Self, String> {
        client(request, stream).map(|(socket, _)| Self(socket)).map_err(|error| error.to_string())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // What comes too late for a connection that was ended shows in what is read next.
        let _ = self.0.send(Message::Binary(bytes.to_vec().into()));
    }

    /// The next answer's payload, or the code and reason with which the bridge has closed.
    pub(crate) fn answer(&mut self) -> Result<Vec<u8>, (u16, String)> {
        let start = Instant::now();
        loop {
            // Pings come for ever.
            assert!(start.elapsed() < 3 * PATIENCE, "no answer");
            match self.0.read() {
                Ok(Message::Binary(bytes)) => {
                    let (size, payload) = bytes.split_first_chunk().unwrap();
                    assert_eq!(u32::from_be_bytes(*size) as usize, payload.len(), "a frame in each message");
                    return Ok(payload.to_vec());
                }
                Ok(Message::Close(Some(frame))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Ok(Message::Close(None)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    return Err((0, String::new()));
                }
                Ok(_) => (),
                Err(error) => return Err((0, error.to_string())),
            }
        }
    }

    /// The code with which the bridge has closed.
    pub(crate) fn refusal(&mut self) -> u16 {
        match self.answer() {
            Ok(answer) => panic!("answered with {} bytes", answer.len()),
            Err((code, reason)) => {
                assert_ne!(code, 0, "closed without a word: {reason}");
                assert!(!reason.is_empty());
                code
            }
        }
    }

    pub(crate) fn ask(&mut self, key: i16, version: i16, body: &Value) -> Value {
        self.send(&request(key, version, 7, body));
        let answer = self.answer().unwrap();
        assert_eq!(answer[..4], 7_i32.to_be_bytes());
        let flexible = version >= flexible_from(key) && key != API_VERSIONS;
        codec::decode(key, version, Direction::Response, &answer[4 + usize::from(flexible)..]).unwrap()
    }
}

pub(crate) fn flexible_from(key: i16) -> i16 {
    match key {
        PRODUCE | METADATA => 9,
        API_VERSIONS => 3,
        INIT_PRODUCER_ID => 2,
        _ => i16::MAX,
    }
}

pub(crate) fn header(key: i16, version: i16, correlation: i32) -> Vec<u8> {
    let mut bytes = [key.to_be_bytes(), version.to_be_bytes()].concat();
    bytes.extend(correlation.to_be_bytes());
    bytes.extend([0, 4]);
    bytes.extend(b"page");
    if version >= flexible_from(key) {
        bytes.push(0);
    }
    bytes
}

pub(crate) fn request(key: i16, version: i16, correlation: i32, body: &Value) -> Vec<u8> {
    let body = codec::encode(key, version, Direction::Request, body).unwrap();
    codec::frame(&[header(key, version, correlation), body].concat())
}

pub(crate) fn metadata(topics: &[&str]) -> Value {
    let topics: Vec<Value> = topics.iter().map(|name| object([("name", (*name).into())])).collect();
    object([("topics", topics.into()), ("allowAutoTopicCreation", true.into())])
}

/// One record for partition 0 of a topic, by name or id.
pub(crate) fn produce(name: &str, id: [u8; 16]) -> Value {
    let batch = BatchBuilder::new().value(b"one").build();
    let partition = object([("index", 0.into()), ("records", batch.into())]);
    let topic =
        object([("name", name.into()), ("topicId", id.into()), ("partitionData", vec![partition].into())]);
    object([("acks", (-1).into()), ("timeoutMs", 1000.into()), ("topicData", vec![topic].into())])
}

pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
