//! The wire to a real broker.
use super::{Answer, read};
use crate::normal::Names;
use kurier_broker::api;
use kurier_broker::codec::{Direction, Value, decode, encode, object};
use kurier_tests::kafka::{Admin, Kafka, Options, shared as shared_kafka};
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
    Some(Real::new(Some(kafka), &address))
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

    pub fn create(&self, label: &str, partitions: u32, configs: &[(&str, &str)]) -> (String, [u8; 16]) {
        let name = unique(label);
        self.admin().create(&name, partitions, 1, configs).unwrap();
        let id = self.await_topic(&name);
        (name, id)
    }

    pub fn place(&self, label: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) -> (String, [u8; 16]) {
        let name = unique(label);
        let replicas: Vec<Vec<u32>> =
            replicas.iter().map(|set| set.iter().map(|&id| id as u32).collect()).collect();
        let replicas: Vec<&[u32]> = replicas.iter().map(Vec::as_slice).collect();
        self.admin().place(&name, &replicas, configs).unwrap();
        let everywhere =
            |partition: &kurier_tests::kafka::Partition| partition.in_sync.len() == partition.replicas.len();
        self.admin().await_topic(&name, Duration::from_secs(30), everywhere).unwrap();
        // Every broker must have heard of it before it is asked.
        std::thread::sleep(Duration::from_secs(1));
        let id = self.await_topic(&name);
        (name, id)
    }

    pub fn to(&mut self, broker: u32) {
        self.address = self.own.as_ref().unwrap().address(broker);
        self.stream = TcpStream::connect(&self.address).unwrap();
    }

    pub fn lose(&mut self, broker: u32, topics: &[&str]) {
        let kafka = self.own.as_ref().unwrap();
        kafka.kill_node(broker).unwrap();
        for topic in topics {
            let gone = |partition: &kurier_tests::kafka::Partition| {
                partition.leader != Some(broker)
                    && (partition.in_sync.len() == 1 || !partition.in_sync.contains(&broker))
            };
            self.admin().await_topic(topic, Duration::from_secs(30), gone).unwrap();
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
            self.stream = TcpStream::connect(&self.address).unwrap();
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

fn unique(label: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{label}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
