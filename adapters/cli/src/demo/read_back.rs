//! Reads records back from the brokers that lead them, over TCP, as any consumer would.
use crate::link::{Link, Patience, error_name};
use kurier::config::Server;
use kurier_broker::codec::{Value, object};
use kurier_broker::fetched_records;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
}

/// A reader of one topic.
pub(super) struct Reader {
    topic: String,
    patience: Patience,
    links: BTreeMap<i64, Link>,
    leaders: BTreeMap<i32, i64>,
    /// The next offset of each partition.
    next: BTreeMap<i32, i64>,
}

impl Reader {
    /// Finds the leaders of a topic that is there.
    ///
    /// # Errors
    /// A sentence that says what happened.
    pub(super) fn open(bootstrap: &[Server], topic: &str, patience: Patience) -> Result<Self, String> {
        let server = bootstrap.first().ok_or("no broker")?;
        let mut link = Link::open(server, "kurier-demo", patience)?;
        let wanted = Value::Array(vec![object([("name", Value::from(topic))])]);
        let answer =
            link.call(3, &object([("topics", wanted), ("allowAutoTopicCreation", Value::from(false))]))?;
        let told = answer.list("topics").first().ok_or("the broker says nothing of the topic")?;
        if told.int("errorCode") != 0 {
            return Err(error_name(told.int("errorCode")));
        }
        let int = |value: &Value, name| i32::try_from(value.int(name)).unwrap_or(-1);
        let leaders: BTreeMap<i32, i64> =
            told.list("partitions").iter().map(|p| (int(p, "partitionIndex"), p.int("leaderId"))).collect();
        let mut links = BTreeMap::new();
        for broker in answer.list("brokers") {
            let (id, port) = (broker.int("nodeId"), u16::try_from(broker.int("port")).unwrap_or(0));
            if leaders.values().any(|leader| *leader == id) {
                let server = Server { host: broker.text("host").to_owned(), port };
                links.insert(id, Link::open(&server, "kurier-demo", patience)?);
            }
        }
        Ok(Self { topic: topic.to_owned(), patience, links, leaders, next: BTreeMap::new() })
    }

    /// Begins to read a partition at `offset`, unless it is read already.
    pub(super) fn begin(&mut self, partition: i32, offset: i64) {
        self.next.entry(partition).or_insert(offset);
    }

    /// Reads until everything before `ends` was read, in the order of each partition.
    ///
    /// # Errors
    /// A sentence that says what happened.
    pub(super) fn read_to(&mut self, ends: &BTreeMap<i32, i64>) -> Result<Vec<Read>, String> {
        let deadline = Instant::now() + self.patience.request;
        let mut all = Vec::new();
        for (partition, end) in ends {
            while self.next.get(partition).is_some_and(|next| next < end) {
                all.extend(self.fetch(*partition)?);
                if Instant::now() > deadline {
                    return Err(format!("partition {partition} did not come back in time"));
                }
            }
        }
        Ok(all)
    }

    fn fetch(&mut self, partition: i32) -> Result<Vec<Read>, String> {
        let next = self.next.get(&partition).copied().unwrap_or(0);
        let leader = self.leaders.get(&partition).copied().unwrap_or(-1);
        let link =
            self.links.get_mut(&leader).ok_or_else(|| format!("partition {partition} has no leader"))?;
        let wanted = object([
            ("partition", partition.into()),
            ("fetchOffset", next.into()),
            ("partitionMaxBytes", (1 << 20).into()),
        ]);
        let topic =
            object([("topic", self.topic.as_str().into()), ("partitions", Value::Array(vec![wanted]))]);
        let request = object([
            ("maxWaitMs", 100.into()),
            ("minBytes", 1.into()),
            ("maxBytes", (1 << 20).into()),
            ("topics", Value::Array(vec![topic])),
        ]);
        let answer = link.call(1, &request)?;
        let told = answer.list("responses").first().and_then(|topic| topic.list("partitions").first());
        let told = told.ok_or("the broker says nothing of the partition")?;
        for code in [answer.int("errorCode"), told.int("errorCode")] {
            if code != 0 {
                return Err(error_name(code));
            }
        }
        // A batch may begin before what was asked for.
        let records = fetched_records(told.bytes("records").unwrap_or_default()).filter(|r| r.offset >= next);
        let read: Vec<Read> = records
            .map(|record| Read {
                partition,
                offset: record.offset,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            })
            .collect();
        if let Some(last) = read.last() {
            self.next.insert(partition, last.offset + 1);
        }
        Ok(read)
    }
}

/// How long the demonstration waits for anything.
pub(super) const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(10), request: Duration::from_secs(10) };
