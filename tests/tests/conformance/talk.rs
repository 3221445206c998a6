//! A conversation with the model and, if it is there, a real broker.
use crate::normal::{Names, placeholder};
use kurier_broker::codec::{Direction, Value, decode, encode, object};
use kurier_broker::testing::frame_of;
use kurier_broker::{
    Cluster, ConnectionId, Denial, Quota, Server, Settings, TimestampType, TopicConfig, api,
};
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

/// One partition's part of a Produce answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    /// The error code.
    pub error: i64,
    /// The first offset, or -1.
    pub offset: i64,
    /// The broker's time (`i64::MAX` if that is about now), or what a duplicate is answered with, or -1.
    pub append_time: i64,
    /// The indices of refused records.
    pub records: Vec<i64>,
}

/// Success at `offset`.
pub fn written(offset: i64) -> Produced {
    Produced { error: 0, offset, append_time: -1, records: Vec::new() }
}

/// Refused as a whole.
pub fn refused(error: i64) -> Produced {
    Produced { error, offset: -1, append_time: -1, records: Vec::new() }
}

/// A conversation.
pub struct Talk {
    model: Model,
    real: Option<real::Real>,
    correlation: i32,
    client_id: String,
    defaults: TopicConfig,
}

struct Model {
    cluster: Cluster,
    broker: i32,
    connection: ConnectionId,
    names: Names,
    /// Ahead of the clock where it waited.
    now: i64,
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
        Self::own(Settings::default(), brokers, &own)
    }

    fn with(settings: Settings, brokers: i32, real: Option<real::Real>) -> Self {
        let defaults = settings.topic_defaults;
        let mut cluster = Cluster::new(settings);
        (1..=brokers).for_each(|id| cluster.add_broker(id, "localhost", 1));
        let connection = cluster.open(1).unwrap();
        let model = Model { cluster, connection, broker: 1, names: Names::default(), now: 0 };
        Self { model, real, correlation: 0, client_id: "test".to_owned(), defaults }
    }

    /// Speaks to another broker from now on.
    pub fn to(&mut self, broker: i32) {
        self.model.broker = broker;
        self.model.connection = self.model.cluster.open(broker).unwrap();
        if let Some(real) = &mut self.real {
            real.to(broker as u32);
        }
    }

    /// Kills a broker, and waits until the cluster knows.
    pub fn lose(&mut self, broker: i32, topics: &[&str]) {
        self.model.cluster.kill(broker);
        self.model.cluster.fence(broker);
        if let Some(real) = &mut self.real {
            real.lose(broker as u32, topics);
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

    /// Sets the quota of the client that speaks.
    pub fn quota(&mut self, quota: Quota) {
        self.model.cluster.set_quota(&self.client_id, quota);
        if let Some(real) = &mut self.real {
            real.quota(&self.client_id, &quota);
        }
    }

    /// What the last answers said of throttling, in ms: the model's and the real broker's (or the model's again).
    pub fn throttled(&self) -> (i64, i64) {
        let model = self.model.names.throttle_ms;
        (model, self.real.as_ref().map_or(model, |real| real.names.throttle_ms))
    }

    /// Denies something to all clients, or takes that back.
    pub fn access(&mut self, denial: &Denial, denied: bool) {
        if denied {
            self.model.cluster.deny(denial.clone());
        } else {
            self.model.cluster.allow(denial);
        }
        if let Some(real) = &mut self.real {
            real.access(denial, denied);
        }
    }

    /// Deletes the records before `offset`.
    pub fn trim(&mut self, topic: &str, partition: i32, offset: i64) {
        assert_eq!(self.model.cluster.delete_records(topic, partition, offset), Some(offset));
        if let Some(real) = &mut self.real {
            real.trim(topic, partition as u32, offset as u64);
        }
    }

    /// Deletes a topic. From version 13 on it can still be asked for.
    pub fn delete(&mut self, topic: &str) {
        assert!(self.model.cluster.delete_topic(topic));
        if let Some(real) = &mut self.real {
            real.delete(topic);
        }
    }

    /// Deletes a topic and makes it anew, with one partition; gives the name by which version 13 asks for the old one.
    pub fn recreate(&mut self, topic: &str) -> String {
        let old = format!("{topic}~old");
        self.delete(topic);
        let id = self.model.cluster.create_topic(topic, 1, self.defaults).unwrap();
        let real_id = self.real.as_ref().map_or([0; 16], |real| real.create_named(topic, 1, &[]));
        for names in [Some(&mut self.model.names), self.real.as_mut().map(|real| &mut real.names)] {
            for name in
                names.into_iter().flat_map(|names| names.topics.values_mut()).filter(|name| *name == topic)
            {
                name.clone_from(&old);
            }
        }
        self.know(id, real_id, topic);
        old
    }

    /// Makes a replica of the partition its leader.
    pub fn lead(&mut self, topic: &str, partition: i32, broker: i32) {
        assert!(self.model.cluster.move_leader(topic, partition, broker));
        if let Some(real) = &mut self.real {
            real.lead(topic, partition as u32, broker as u32);
        }
    }

    /// Stops a broker as SIGSTOP does.
    pub fn pause(&mut self, broker: i32) {
        self.model.cluster.pause(broker);
        if let Some(real) = &mut self.real {
            real.pause(broker as u32, true);
        }
    }

    /// Lets a paused broker go on.
    pub fn resume(&mut self, broker: i32) {
        self.model.cluster.restart(broker);
        if let Some(real) = &mut self.real {
            real.pause(broker as u32, false);
        }
    }

    /// Waits until just these replicas of partition 0 are in sync.
    pub fn await_in_sync(&mut self, topic: &str, in_sync: &[i32]) {
        self.model.cluster.set_replicas(topic, 0, &[1, 2], in_sync);
        if let Some(real) = &mut self.real {
            real.await_in_sync(topic, in_sync);
        }
    }

    /// Ends the only broker, with notice or by SIGKILL, and starts it again.
    pub fn restart(&mut self, notice: bool) {
        let cluster = &mut self.model.cluster;
        cluster.kill(1);
        cluster.restart(1);
        cluster.reload_producers();
        self.model.reconnect();
        if let Some(real) = &mut self.real {
            real.restart(notice);
        }
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

    fn know(&mut self, id: [u8; 16], real_id: [u8; 16], name: &str) {
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

/// A Produce request that serves every version, with 10 s for the replicas.
pub fn produce_request(acks: i16, parts: &[(&str, i32, Option<&[u8]>)]) -> Value {
    request(acks, 10_000, parts)
}

/// The same with acks -1 and so many ms for the replicas.
pub fn produce_within(timeout_ms: i32, parts: &[(&str, i32, Option<&[u8]>)]) -> Value {
    request(-1, timeout_ms, parts)
}

fn request(acks: i16, timeout_ms: i32, parts: &[(&str, i32, Option<&[u8]>)]) -> Value {
    let mut topics: Vec<(&str, Vec<Value>)> = Vec::new();
    for &(topic, index, records) in parts {
        let records = records.map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec()));
        let part = object([("index", index.into()), ("records", records)]);
        match topics.iter_mut().find(|(name, _)| *name == topic) {
            Some((_, parts)) => parts.push(part),
            None => topics.push((topic, vec![part])),
        }
    }
    let topics = topics.into_iter().map(|(name, parts)| {
        let (topic_id, parts) = (Value::Uuid(placeholder(name)), Value::Array(parts));
        object([("name", name.into()), ("topicId", topic_id), ("partitionData", parts)])
    });
    let topics = Value::Array(topics.collect());
    object([("acks", acks.into()), ("timeoutMs", timeout_ms.into()), ("topicData", topics)])
}

/// The only partition of a Produce answer.
pub fn produced(body: &Value) -> Produced {
    let [topic] = body.list("responses") else { panic!("{body:?}") };
    let [part] = topic.list("partitionResponses") else { panic!("{body:?}") };
    Produced {
        error: part.int("errorCode"),
        offset: part.int("baseOffset"),
        append_time: part.int("logAppendTimeMs"),
        records: part.list("recordErrors").iter().map(|record| record.int("batchIndex")).collect(),
    }
}

/// The answer in a payload.
fn read(names: &mut Names, api: i16, version: i16, payload: &[u8]) -> Answer {
    let registry = kurier_core::wire::registry::api(api).unwrap();
    let tagged = registry.response_header(version) >= 1;
    let body = &payload[4 + usize::from(tagged)..];
    // An error 35 stands in a body of version 0.
    let version = if api == api::API_VERSIONS && body[..2] == [0, 35] { 0 } else { version };
    let mut value = decode(api, version, Direction::Response, body).unwrap();
    names.normalize(api, &mut value);
    Answer::Body(value)
}

impl Model {
    fn reconnect(&mut self) {
        self.cluster.close(self.connection);
        self.connection = self.cluster.open(self.broker).unwrap();
    }

    fn send(&mut self, bytes: &[u8], expected: &[(i16, i16)]) -> Vec<Answer> {
        let cluster = &mut self.cluster;
        self.now = self.now.max(Server::now_ms());
        // A throttled connection is read again later.
        while !cluster.is_reading(self.connection)
            && let Some(at) = cluster.next_deadline()
        {
            self.now = self.now.max(at);
            cluster.poll(self.now);
        }
        let _ = cluster.handle(self.connection, bytes, self.now);
        while !cluster.is_reading(self.connection)
            && cluster.closed(self.connection).is_none()
            && cluster.output(self.connection).is_none_or(|output| output.is_empty())
            && let Some(at) = cluster.next_deadline()
        {
            self.now = self.now.max(at);
            cluster.poll(self.now);
        }
        let output = cluster.take_output(self.connection);
        let mut rest = output.as_slice();
        let mut answers = Vec::new();
        for &(api, version) in expected {
            let Some((size, tail)) = rest.split_first_chunk::<4>() else { break };
            let (payload, tail) = tail.split_at(u32::from_be_bytes(*size) as usize);
            rest = tail;
            answers.push(read(&mut self.names, api, version, payload));
        }
        assert!(rest.is_empty(), "the model answered more than was expected");
        if cluster.closed(self.connection).is_some() {
            answers.push(Answer::Closed);
        } else if answers.len() < expected.len() {
            answers.push(Answer::Silence);
        } else {
            return answers;
        }
        self.reconnect();
        answers
    }
}

#[cfg(feature = "real-kafka")]
#[path = "real.rs"]
pub mod real;

/// No real broker.
#[cfg(not(feature = "real-kafka"))]
pub mod real {
    use super::{Answer, Denial, Quota};
    use crate::normal::Names;

    /// Never there.
    pub struct Real {
        pub names: Names,
    }

    pub fn shared() -> Option<Real> {
        None
    }

    pub fn own(_: u32, _: &[(&str, &str)]) -> Option<Real> {
        None
    }

    impl Real {
        pub fn create(&self, _: &str, _: u32, _: &[(&str, &str)]) -> (String, [u8; 16]) {
            unreachable!()
        }

        pub fn place(&self, _: &str, _: &[&[i32]], _: &[(&str, &str)]) -> (String, [u8; 16]) {
            unreachable!()
        }

        pub fn send(&mut self, _: &[u8], _: &[(i16, i16)], _: u64) -> Vec<Answer> {
            unreachable!()
        }

        pub fn create_named(&self, _: &str, _: u32, _: &[(&str, &str)]) -> [u8; 16] {
            unreachable!()
        }

        pub fn to(&mut self, _: u32) {}

        pub fn reconnect(&mut self) {}

        pub fn quota(&mut self, _: &str, _: &Quota) {}

        pub fn access(&mut self, _: &Denial, _: bool) {}

        pub fn trim(&mut self, _: &str, _: u32, _: u64) {}

        pub fn delete(&mut self, _: &str) {}

        pub fn lead(&mut self, _: &str, _: u32, _: u32) {}

        pub fn restart(&mut self, _: bool) {}

        pub fn pause(&mut self, _: u32, _: bool) {}

        pub fn await_in_sync(&mut self, _: &str, _: &[i32]) {}

        pub fn await_coordinator(&mut self) {}

        pub fn lose(&mut self, _: u32, _: &[&str]) {}
    }
}
