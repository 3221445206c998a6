//! One connection to a model, with requests as values.
use kurier_broker::codec::{Direction, Value, decode, encode, object};
use kurier_broker::testing::{BatchBuilder, frame};
use kurier_broker::{Cluster, ConnectionId, Settings, TopicConfig, api};

/// When everything happens unless a test says otherwise, Unix ms.
pub const NOW: i64 = 1_700_000_000_000;

/// A connection.
pub struct Client {
    pub id: ConnectionId,
}

/// A cluster of one broker with the topic `lines` of one partition, and a connection.
pub fn cluster() -> (Cluster, Client) {
    cluster_of(1, Settings::default())
}

/// The same with more brokers; the replicas of `lines` are all of them.
pub fn cluster_of(brokers: i32, settings: Settings) -> (Cluster, Client) {
    let mut cluster = Cluster::new(settings);
    (1..=brokers).for_each(|id| cluster.add_broker(id, "broker", 9092));
    let replicas: Vec<i32> = (1..=brokers).collect();
    cluster.place_topic("lines", &[&replicas], TopicConfig::default()).unwrap();
    let client = Client::open(&mut cluster, 1);
    (cluster, client)
}

/// A batch of one record.
pub fn batch(value: &str) -> Vec<u8> {
    BatchBuilder::new().value(value.as_bytes()).build()
}

/// A frame of this request.
pub fn request(api: i16, version: i16, correlation: i32, body: &Value) -> Vec<u8> {
    frame(api, version, correlation, &encode(api, version, Direction::Request, body).unwrap())
}

/// The body of a Produce request for partition 0 of `lines`.
pub fn produce_body(acks: i16, records: &[u8]) -> Value {
    produce_parts(acks, &[("lines", 0, records)])
}

/// The body of a Produce request.
pub fn produce_parts(acks: i16, parts: &[(&str, i32, &[u8])]) -> Value {
    let topic = |&(topic, index, records): &(&str, i32, &[u8])| {
        let part = object([("index", index.into()), ("records", Value::Bytes(records.to_vec()))]);
        object([("name", topic.into()), ("partitionData", Value::Array(vec![part]))])
    };
    let topics = Value::Array(parts.iter().map(topic).collect());
    object([("acks", acks.into()), ("timeoutMs", 1000.into()), ("topicData", topics)])
}

/// A Produce frame of version 9.
pub fn produce_frame(correlation: i32, value: &str) -> Vec<u8> {
    request(api::PRODUCE, 9, correlation, &produce_body(-1, &batch(value)))
}

/// The answers in an output: correlation ids and bodies' bytes.
pub fn answers(output: &[u8]) -> Vec<(i32, Vec<u8>)> {
    let mut rest = output;
    let mut answers = Vec::new();
    while let Some((size, tail)) = rest.split_first_chunk::<4>() {
        let (payload, tail) = tail.split_at(u32::from_be_bytes(*size) as usize);
        rest = tail;
        answers.push((i32::from_be_bytes(payload[..4].try_into().unwrap()), payload[4..].to_vec()));
    }
    answers
}

/// The body of an answer of a flexible version.
pub fn body(api: i16, version: i16, bytes: &[u8]) -> Value {
    decode(api, version, Direction::Response, &bytes[usize::from(api != api::API_VERSIONS)..]).unwrap()
}

/// Error and base offset of an answer to [`produce_frame`].
pub fn produced(bytes: &[u8]) -> (i64, i64) {
    let body = body(api::PRODUCE, 9, bytes);
    let part = &body.list("responses")[0].list("partitionResponses")[0];
    (part.int("errorCode"), part.int("baseOffset"))
}

impl Client {
    pub fn open(cluster: &mut Cluster, broker: i32) -> Self {
        Self { id: cluster.open(broker).unwrap() }
    }

    /// Sends a request; its answer's body if it came at once.
    pub fn ask(&self, cluster: &mut Cluster, api: i16, version: i16, value: &Value) -> Option<Value> {
        cluster.handle(self.id, &request(api, version, 1, value), NOW).ok()?;
        let output = cluster.take_output(self.id);
        answers(&output).pop().map(|(_, bytes)| body(api, version, &bytes))
    }

    /// Produces `value` to `lines`; error and base offset if answered at once.
    pub fn produce(&self, cluster: &mut Cluster, value: &str) -> Option<(i64, i64)> {
        cluster.handle(self.id, &produce_frame(1, value), NOW).ok()?;
        let output = cluster.take_output(self.id);
        answers(&output).pop().map(|(_, bytes)| produced(&bytes))
    }

    /// The topic `lines` in Metadata 9.
    pub fn lines(&self, cluster: &mut Cluster) -> Value {
        let topics = Value::Array(vec![object([("name", "lines".into())])]);
        let request = object([("topics", topics), ("allowAutoTopicCreation", false.into())]);
        self.ask(cluster, api::METADATA, 9, &request).unwrap().list("topics")[0].clone()
    }
}
