//! A conversation with the model and, if it is there, a real broker.
use crate::model::Model;
use crate::normal::Names;
use crate::produce::{Produced, produce_request, produced};
use crate::real::{self, Real};
use kurier_broker::codec::{Direction, Value, decode, encode};
use kurier_broker::testing::frame_of;
use kurier_broker::{Cluster, Server, Settings, TimestampType, TopicConfig, api};
use std::fmt;

/// What comes back.
#[derive(Clone, PartialEq)]
pub enum Answer {
    /// An answer's body, normalized.
    Body(Value),
    /// The broker closed the connection.
    Closed,
    /// Nothing, for long.
    Silence,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(value) => write!(f, "{value:?}"),
            Self::Closed => f.write_str("closed"),
            Self::Silence => f.write_str("silence"),
        }
    }
}

/// A conversation.
pub struct Talk {
    pub(crate) model: Model,
    pub(crate) real: Option<Real>,
    correlation: i32,
    pub(crate) client_id: String,
    /// Of topics.
    pub(crate) defaults: TopicConfig,
}

impl Talk {
    /// With one broker.
    pub fn new() -> Self {
        Self::with(Settings::default(), 1, real::shared())
    }

    /// With brokers of its own, whose settings are the same as these properties.
    pub fn own(settings: Settings, brokers: i32, properties: &[(&str, &str)]) -> Self {
        Self::with(settings, brokers, real::own(brokers as u32, properties))
    }

    /// With several brokers of its own; it begins with the first.
    pub fn cluster(brokers: i32) -> Self {
        // A broker that is only slow is not to count as lost, and every script that loses one waits that long.
        let own = [("min.insync.replicas", "1"), ("broker.session.timeout.ms", "4000")];
        Self::own(Settings { replication_lag_ms: 1, ..Settings::default() }, brokers, &own)
    }

    fn with(settings: Settings, brokers: i32, real: Option<Real>) -> Self {
        let defaults = settings.topic_defaults;
        let mut cluster = Cluster::new(settings);
        (1..=brokers).for_each(|id| cluster.add_broker(id, "localhost", 1));
        let model = Model::new(cluster);
        Self { model, real, correlation: 0, client_id: "test".to_owned(), defaults }
    }

    /// Speaks to another broker from now on.
    pub fn to(&mut self, broker: i32) {
        self.model.broker = broker;
        self.model.reconnect();
        if let Some(real) = &mut self.real {
            real.to(broker as u32);
        }
    }

    /// Speaks on a new connection from now on, as the client `label` (made unique) if one is given.
    pub fn reconnect(&mut self, label: Option<&str>) {
        if let Some(label) = label {
            self.client_id = format!("{label}-{}", std::process::id());
        }
        self.model.reconnect();
        if let Some(real) = &mut self.real {
            real.reconnect();
        }
    }

    /// What the last answers said of throttling, in ms: the model's and the real broker's (or the model's again).
    pub fn throttled(&self) -> (i64, i64) {
        let model = self.model.names.throttle_ms;
        (model, self.real.as_ref().map_or(model, |real| real.names.throttle_ms))
    }

    /// Waits until there is a transaction coordinator; the model's is always there.
    pub fn await_coordinator(&mut self) {
        if let Some(real) = &mut self.real {
            real.await_coordinator();
        }
    }

    /// Lets so many seconds pass; without a real broker they take no time.
    pub fn wait(&mut self, seconds: u64) {
        self.model.now = self.model.now.max(Server::now_ms()) + 1000 * seconds as i64;
        if self.real.is_some() {
            std::thread::sleep(std::time::Duration::from_secs(seconds));
        }
    }

    /// The model's cluster.
    pub fn model(&mut self) -> &mut Cluster {
        &mut self.model.cluster
    }

    /// Creates a topic on both; the name is unique.
    pub fn topic(&mut self, label: &str, partitions: u32, configs: &[(&str, &str)]) -> String {
        let (name, real_id) = match &self.real {
            Some(real) => real.create(label, partitions, configs),
            None => (format!("{label}-0"), [0; 16]),
        };
        let id = self.model.cluster.create_topic(&name, partitions as i32, self.config(configs)).unwrap();
        self.know(id, real_id, &name);
        name
    }

    /// Creates a topic whose partitions have these replicas; the name is unique.
    pub fn place(&mut self, label: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) -> String {
        let (name, real_id) = match &self.real {
            Some(real) => real.place(label, replicas, configs),
            None => (format!("{label}-0"), [0; 16]),
        };
        let id = self.model.cluster.place_topic(&name, replicas, self.config(configs)).unwrap();
        self.know(id, real_id, &name);
        name
    }

    /// What the cluster's topics have unless they say otherwise.
    fn config(&self, configs: &[(&str, &str)]) -> TopicConfig {
        let mut config = self.defaults;
        for (key, value) in configs {
            match *key {
                "max.message.bytes" => config.max_message_bytes = value.parse().unwrap(),
                "message.timestamp.type" => config.timestamp_type = TimestampType::LogAppendTime,
                "message.timestamp.before.max.ms" => config.timestamp_before_max_ms = value.parse().unwrap(),
                "cleanup.policy" => config.compact = true,
                "min.insync.replicas" => config.min_insync_replicas = value.parse().unwrap(),
                unknown => panic!("the model has no {unknown}"),
            }
        }
        config
    }

    pub(crate) fn know(&mut self, id: [u8; 16], real_id: [u8; 16], name: &str) {
        self.model.names.topics.insert(id, name.to_owned());
        if let Some(real) = &mut self.real {
            real.names.topics.insert(real_id, name.to_owned());
        }
    }

    /// Sends a request and gives the answer, which is the same from both.
    pub fn ask(&mut self, api: i16, version: i16, body: &Value) -> Answer {
        let encoded = |names: &Names| {
            let mut body = body.clone();
            names.localize(&mut body);
            encode(api, version, Direction::Request, &body).unwrap()
        };
        let to_model = encoded(&self.model.names);
        let to_real = self.real.as_ref().map(|real| encoded(&real.names));
        self.exchange(api, version, &to_model, to_real.as_deref())
    }

    /// Sends a request whose body is these bytes.
    pub fn ask_bytes(&mut self, api: i16, version: i16, body: &[u8]) -> Answer {
        self.exchange(api, version, body, self.real.is_some().then_some(body))
    }

    fn exchange(&mut self, api: i16, version: i16, to_model: &[u8], to_real: Option<&[u8]>) -> Answer {
        self.correlation += 1;
        let frame = |body: &[u8]| frame_of(&self.client_id, api, version, self.correlation, body);
        let (to_model, to_real) = (frame(to_model), to_real.map(frame));
        self.send(&to_model, to_real.as_deref(), &[(api, version)]).remove(0)
    }

    /// Sends a request that has no answer.
    pub fn send_frame(&mut self, api: i16, version: i16, body: &[u8]) {
        let bytes = frame_of(&self.client_id, api, version, 0, body);
        assert!(self.send_raw(&bytes, &[]).is_empty());
    }

    /// Sends raw bytes and reads an answer for each of `expected` (API and version), up to a closed connection or
    /// silence, after which both are connected anew.
    pub fn send_raw(&mut self, bytes: &[u8], expected: &[(i16, i16)]) -> Vec<Answer> {
        self.send(bytes, self.real.is_some().then_some(bytes), expected)
    }

    fn send(&mut self, to_model: &[u8], to_real: Option<&[u8]>, expected: &[(i16, i16)]) -> Vec<Answer> {
        let answers = self.model.send(to_model, expected);
        if let (Some(real), Some(bytes)) = (&mut self.real, to_real) {
            let patience = if answers.last() == Some(&Answer::Silence) { 2 } else { 20 };
            let theirs = real.send(bytes, expected, patience);
            assert_eq!(theirs, answers, "\nKafka answered what stands left, the model what stands right");
        }
        answers
    }

    /// Sends Produce requests of version 9 one behind the other, each with one record set for the same partition, and only
    /// then reads their answers.
    pub fn produce_at_once(&mut self, topic: &str, partition: i32, sets: &[Vec<u8>]) -> Vec<Produced> {
        let mut bytes = Vec::new();
        for records in sets {
            let request = produce_request(-1, &[(topic, partition, Some(records))]);
            let body = encode(api::PRODUCE, 9, Direction::Request, &request).unwrap();
            bytes.extend(frame_of(&self.client_id, api::PRODUCE, 9, 1, &body));
        }
        let answers = self.send_raw(&bytes, &vec![(api::PRODUCE, 9); sets.len()]);
        let body = |answer| match answer {
            Answer::Body(body) => produced(&body),
            other => panic!("{other:?}"),
        };
        answers.into_iter().map(body).collect()
    }

    /// Produces one record set with acks=-1 and gives the partition's answer.
    pub fn produce(&mut self, version: i16, topic: &str, partition: i32, records: &[u8]) -> Produced {
        let request = produce_request(-1, &[(topic, partition, Some(records))]);
        match self.ask(api::PRODUCE, version, &request) {
            Answer::Body(body) => produced(&body),
            other => panic!("{other:?}"),
        }
    }
}

/// The answer in a payload.
pub fn read(names: &mut Names, api: i16, version: i16, payload: &[u8]) -> Answer {
    let registry = kurier_core::wire::registry::api(api).unwrap();
    let tagged = registry.response_header(version) >= 1;
    let body = &payload[4 + usize::from(tagged)..];
    // An error 35 stands in a body of version 0.
    let version = if api == api::API_VERSIONS && body[..2] == [0, 35] { 0 } else { version };
    let mut value = decode(api, version, Direction::Response, body).unwrap();
    names.normalize(api, &mut value);
    Answer::Body(value)
}
