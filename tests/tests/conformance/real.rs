//! The wire to a real broker.
use crate::normal::Names;
use crate::talk::{Answer, read};
use kurier_broker::codec::{Direction, Value, decode, encode, object};
use kurier_broker::{Denial, Quota, api};
use kurier_tests::kafka::{Admin, Kafka, Options, Partition, shared as shared_kafka};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A real broker.
pub struct Real {
    /// None if it is shared.
    own: Option<Kafka>,
    address: String,
    stream: TcpStream,
    pub names: Names,
}

/// The broker that tests share.
pub fn shared() -> Option<Real> {
    Some(Real::new(None, shared_kafka().unwrap().bootstrap()).await_producer_ids())
}

/// Brokers of its own.
pub fn own(nodes: u32, properties: &[(&str, &str)]) -> Option<Real> {
    let options = properties
        .iter()
        .fold(Options::new().nodes(nodes), |options, (key, value)| options.property(key, value));
    let kafka = Kafka::start(options).unwrap();
    let address = kafka.address(1);
    Some(Real::new(Some(kafka), &address).await_producer_ids())
}

impl Real {
    fn new(own: Option<Kafka>, address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        Self { own, address: address.to_owned(), stream, names: Names::default() }
    }

    fn admin(&self) -> &Admin {
        match &self.own {
            Some(kafka) => kafka.admin().unwrap(),
            None => shared_kafka().unwrap().admin(),
        }
    }

    pub fn reconnect(&mut self) {
        self.stream = TcpStream::connect(&self.address).unwrap();
    }

    pub fn quota(&mut self, client_id: &str, quota: &Quota) {
        let limits = [
            ("producer_byte_rate", quota.producer_byte_rate),
            ("request_percentage", quota.request_percentage),
        ];
        let told =
            limits.map(|(key, limit)| (key, limit.map_or_else(String::new, |limit| limit.to_string())));
        let told: Vec<(&str, &str)> = told.iter().map(|(key, limit)| (*key, limit.as_str())).collect();
        self.admin().quota(client_id, &told).unwrap();
        settle();
    }

    pub fn access(&mut self, denial: &Denial, denied: bool) {
        let (operation, kind, name) = match denial {
            Denial::Write(topic) => ("write", "topic", topic.as_str()),
            Denial::Describe(topic) => ("describe", "topic", topic.as_str()),
            Denial::IdempotentWrite => ("idempotent_write", "cluster", "kafka-cluster"),
            Denial::TransactionalId(name) => ("write", "transactional_id", name.as_str()),
            other => panic!("{other:?}"),
        };
        let admin = self.admin();
        // Once there is a rule for something, nothing is allowed that no rule allows, not even to the broker itself.
        if denied {
            admin.rule(true, "all", "cluster", "kafka-cluster").unwrap();
            admin.rule(true, "all", kind, name).unwrap();
            admin.rule(false, operation, kind, name).unwrap();
        } else {
            admin.unrule(false, operation, kind, name).unwrap();
            admin.unrule(true, "all", kind, name).unwrap();
        }
        settle();
    }

    pub fn trim(&mut self, topic: &str, partition: u32, offset: u64) {
        self.admin().trim(topic, partition, offset).unwrap();
    }

    pub fn delete(&mut self, topic: &str) {
        self.admin().delete(topic).unwrap();
        settle();
    }

    pub fn lead(&mut self, topic: &str, partition: u32, broker: u32) {
        self.admin().lead(topic, partition, broker).unwrap();
        settle();
    }

    pub fn restart(&mut self, notice: bool) {
        let kafka = self.own.as_ref().unwrap();
        if notice {
            assert!(kafka.stop_node(1).unwrap());
        } else {
            kafka.kill_node(1).unwrap();
        }
        kafka.start_node(1).unwrap();
        self.reconnect();
        for topic in self.names.topics.values() {
            self.await_topic(topic);
        }
    }

    pub fn pause(&mut self, broker: u32, paused: bool) {
        let kafka = self.own.as_ref().unwrap();
        if paused { kafka.pause(broker) } else { kafka.resume(broker) }.unwrap();
    }

    pub fn await_in_sync(&mut self, topic: &str, in_sync: &[i32]) {
        let wanted: Vec<u32> = in_sync.iter().map(|&id| id as u32).collect();
        let reached = |partition: &Partition| {
            let mut now = partition.in_sync.clone();
            now.sort_unstable();
            now == wanted
        };
        self.admin().await_topic(topic, Duration::from_secs(60), reached).unwrap();
        settle();
    }

    pub fn create_named(&self, name: &str, partitions: u32, configs: &[(&str, &str)]) -> [u8; 16] {
        self.admin().create(name, partitions, 1, configs).unwrap();
        self.await_topic(name)
    }

    pub fn create(&self, label: &str, partitions: u32, configs: &[(&str, &str)]) -> (String, [u8; 16]) {
        let name = unique(label);
        let id = self.create_named(&name, partitions, configs);
        (name, id)
    }

    pub fn place(&self, label: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) -> (String, [u8; 16]) {
        let replicas: Vec<Vec<u32>> =
            replicas.iter().map(|set| set.iter().map(|&id| id as u32).collect()).collect();
        let replicas: Vec<&[u32]> = replicas.iter().map(Vec::as_slice).collect();
        // On a busy machine a broker may count as lost for a moment, and what it was to lead is led by another.
        for _ in 0..10 {
            let name = unique(label);
            self.admin().place(&name, &replicas, configs).unwrap();
            let everywhere = |partition: &Partition| partition.in_sync.len() == partition.replicas.len();
            let seen = self.admin().await_topic(&name, Duration::from_secs(60), everywhere).unwrap();
            // Every broker must have heard of it before it is asked.
            std::thread::sleep(Duration::from_secs(1));
            if seen.partitions.iter().all(|partition| partition.leader == partition.replicas.first().copied())
            {
                let id = self.await_topic(&name);
                return (name, id);
            }
        }
        panic!("{label} is not led as it was placed");
    }

    pub fn to(&mut self, broker: u32) {
        self.address = self.own.as_ref().unwrap().address(broker);
        self.reconnect();
    }

    pub fn lose(&mut self, broker: u32, topics: &[&str]) {
        let kafka = self.own.as_ref().unwrap();
        kafka.kill_node(broker).unwrap();
        for topic in topics {
            let gone = |partition: &Partition| {
                partition.leader != Some(broker)
                    && (partition.in_sync.len() == 1 || !partition.in_sync.contains(&broker))
            };
            self.admin().await_topic(topic, Duration::from_secs(60), gone).unwrap();
        }
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Waits until the broker serves every partition; the topic's id.
    fn await_topic(&self, name: &str) -> [u8; 16] {
        let mut asker = Self::new(None, &self.address);
        let topics = |topic| object([("topics", Value::Array(vec![topic]))]);
        for _ in 0..200 {
            let metadata = asker.plain(api::METADATA, 12, &topics(object([("name", name.into())])));
            let topic = &metadata.list("topics")[0];
            let own = |part: &&Value| self.own.is_none() || part.int("leaderId") == 1;
            let wanted = |part: &Value| {
                object([("partitionIndex", part.int("partitionIndex").into()), ("timestamp", (-1).into())])
            };
            let parts: Vec<Value> = topic.list("partitions").iter().filter(own).map(wanted).collect();
            let request = topics(object([("name", name.into()), ("partitions", Value::Array(parts))]));
            let offsets = asker.plain(api::LIST_OFFSETS, 4, &request);
            let mut served = offsets.list("topics").iter().flat_map(|topic| topic.list("partitions"));
            if topic.int("errorCode") == 0 && served.all(|part| part.int("errorCode") == 0) {
                return topic.uuid("topicId");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{name} is not served");
    }

    /// Waits until the broker has producer ids to give.
    fn await_producer_ids(self) -> Self {
        let mut asker = Self::new(None, &self.address);
        let request = object([("transactionalId", Value::Null)]);
        let ready = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            asker.plain(api::INIT_PRODUCER_ID, 0, &request).int("errorCode") == 0
        });
        assert!(ready, "no producer ids");
        self
    }

    pub fn await_coordinator(&mut self) {
        let find = object([("key", "any".into()), ("keyType", 1.into())]);
        let init = object([("transactionalId", "any".into()), ("transactionTimeoutMs", 1000.into())]);
        let ready = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let found = self.plain(api::FIND_COORDINATOR, 1, &find).int("errorCode") == 0;
            found && self.plain(api::INIT_PRODUCER_ID, 0, &init).int("errorCode") == 0
        });
        assert!(ready, "no transaction coordinator");
    }

    /// One request; its answer as it came.
    fn plain(&mut self, api: i16, version: i16, request: &Value) -> Value {
        let body = encode(api, version, Direction::Request, request).unwrap();
        self.stream.write_all(&kurier_broker::testing::frame(api, version, 1, &body)).unwrap();
        let payload = self.frame().unwrap();
        let header =
            4 + usize::from(kurier_core::wire::registry::api(api).unwrap().response_header(version) >= 1);
        decode(api, version, Direction::Response, &payload[header..]).unwrap()
    }

    pub fn send(&mut self, bytes: &[u8], expected: &[(i16, i16)], patience: u64) -> Vec<Answer> {
        self.stream.set_read_timeout(Some(Duration::from_secs(patience))).unwrap();
        let mut answers = Vec::new();
        let mut end = self.stream.write_all(bytes).err().map(|_| Answer::Closed);
        while end.is_none() && answers.len() < expected.len() {
            let (api, version) = expected[answers.len()];
            match self.frame() {
                Ok(payload) => answers.push(read(&mut self.names, api, version, &payload)),
                Err(other) => end = Some(other),
            }
        }
        if let Some(end) = end {
            answers.push(end);
            self.reconnect();
        }
        answers
    }

    fn frame(&mut self) -> Result<Vec<u8>, Answer> {
        let mut size = [0; 4];
        self.fill(&mut size)?;
        let mut payload = vec![0; u32::from_be_bytes(size) as usize];
        self.fill(&mut payload)?;
        Ok(payload)
    }

    fn fill(&mut self, place: &mut [u8]) -> Result<(), Answer> {
        self.stream.read_exact(place).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Answer::Silence,
            _ => Answer::Closed,
        })
    }
}

/// What the controller has agreed to is known to the brokers a moment later.
fn settle() {
    std::thread::sleep(Duration::from_millis(500));
}

fn unique(label: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{label}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
