//! Topics changed and described through Kafka's own admin client, in one long-lived Java process.
//!
//! The process (`Admin.java`) is ready after 2 s and takes 20 to 110 ms a command; a tool of Kafka's would
//! cost a Java start each time. It speaks to brokers from 2.1 on. One command at a time; `&self` may be
//! shared between threads.
mod process;

use self::process::Process;
use crate::cluster::class_path;
use crate::read::Consumed;
use crate::{Failure, Release, jars};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The admin client.
#[derive(Debug)]
pub struct Admin {
    process: Mutex<Process>,
}

/// One partition as the cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub number: u32,
    /// The leading broker, if there is one.
    pub leader: Option<u32>,
    /// The brokers it is placed on, the preferred leader first.
    pub replicas: Vec<u32>,
    /// Those that are in sync.
    pub in_sync: Vec<u32>,
}

/// A topic as the cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// The topic id, as Kafka prints it; another after delete and create.
    pub id: String,
    /// By number.
    pub partitions: Vec<Partition>,
}

impl Admin {
    /// Starts the client for the cluster at `bootstrap`.
    ///
    /// # Errors
    /// The jars cannot be fetched, or the program does not compile or start.
    pub fn start(bootstrap: &str) -> Result<Self, Failure> {
        let release = Release::parse(Release::DEFAULT)?;
        let (classes, jars) = (jars::admin_classes(&release)?, jars::jars(&release)?);
        let mut java = crate::process::java(false);
        java.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp"]);
        java.arg(class_path(&[&classes, &jars.join("*")])).arg("Admin").arg(bootstrap);
        Ok(Self { process: Mutex::new(Process::start(java)?) })
    }

    /// Creates a topic and waits until each partition has a leader; gives the topic id.
    ///
    /// # Errors
    /// What the broker says. So for all methods here.
    pub fn create(
        &self,
        topic: &str,
        partitions: u32,
        replicas: u32,
        configs: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let words = ["create".to_owned(), topic.to_owned(), partitions.to_string(), replicas.to_string()];
        self.run(words.into_iter().chain(pairs(configs)))?;
        Ok(self.describe(topic)?.id)
    }

    /// Creates a topic with the brokers of each partition given, the preferred leader first.
    ///
    /// # Errors
    /// What the broker says.
    pub fn place(
        &self,
        topic: &str,
        replicas: &[&[u32]],
        configs: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let replicas: Vec<_> = replicas.iter().map(|brokers| joined(brokers)).collect();
        let words = ["place".to_owned(), topic.to_owned(), replicas.join(";"), String::new()];
        self.run(words.into_iter().chain(pairs(configs)))?;
        Ok(self.describe(topic)?.id)
    }

    /// Deletes a topic; one of the same name may be created at once.
    ///
    /// # Errors
    /// What the broker says.
    pub fn delete(&self, topic: &str) -> Result<(), Failure> {
        self.run(["delete", topic]).map(drop)
    }

    /// Grows a topic to `partitions` in all, and waits until a broker tells of them: it learns of them a moment
    /// after the controller has agreed.
    ///
    /// # Errors
    /// What the broker says, or it does not tell of them.
    pub fn grow(&self, topic: &str, partitions: u32) -> Result<(), Failure> {
        self.run(["grow", topic, &partitions.to_string()])?;
        let end = Instant::now() + Duration::from_secs(20);
        while self.describe(topic)?.partitions.len() != partitions as usize {
            if Instant::now() >= end {
                return Err(Failure::new(format!("{topic} has not grown to {partitions} partitions")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Moves a partition to other brokers, and waits until it has moved. The leader stays if it is still
    /// among them, see [`Self::elect`].
    ///
    /// # Errors
    /// What the broker says, or it does not end.
    pub fn reassign(&self, topic: &str, partition: u32, replicas: &[u32]) -> Result<(), Failure> {
        self.run(["reassign", topic, &partition.to_string(), &joined(replicas)]).map(drop)
    }

    /// Makes the first replica of a partition its leader.
    ///
    /// # Errors
    /// What the broker says.
    pub fn elect(&self, topic: &str, partition: u32) -> Result<(), Failure> {
        self.run(["elect", topic, &partition.to_string()]).map(drop)
    }

    /// Moves only the leader of a partition to `broker`, one of its replicas.
    ///
    /// # Errors
    /// It has no replica of the partition, or what the broker says.
    pub fn lead(&self, topic: &str, partition: u32, broker: u32) -> Result<(), Failure> {
        let mut replicas = self.partition(topic, partition)?.replicas;
        if !replicas.contains(&broker) {
            return Err(Failure::new(format!(
                "broker {broker} holds no {topic}-{partition}, only {replicas:?}"
            )));
        }
        replicas.retain(|replica| *replica != broker);
        replicas.insert(0, broker);
        self.reassign(topic, partition, &replicas)?;
        self.elect(topic, partition)
    }

    /// Deletes the records before `offset`.
    ///
    /// # Errors
    /// What the broker says.
    pub fn trim(&self, topic: &str, partition: u32, offset: u64) -> Result<(), Failure> {
        self.run(["trim", topic, &partition.to_string(), &offset.to_string()]).map(drop)
    }

    /// Changes topic configuration; an empty value goes back to the default.
    ///
    /// # Errors
    /// What the broker says.
    pub fn configure(&self, topic: &str, configs: &[(&str, &str)]) -> Result<(), Failure> {
        let words = ["configure", "topic", topic].map(str::to_owned);
        self.run(words.into_iter().chain(pairs(configs))).map(drop)
    }

    /// Changes broker configuration while it runs; an empty `broker` means all of them.
    ///
    /// # Errors
    /// What the broker says.
    pub fn configure_broker(&self, broker: &str, configs: &[(&str, &str)]) -> Result<(), Failure> {
        let words = ["configure", "broker", broker].map(str::to_owned);
        self.run(words.into_iter().chain(pairs(configs))).map(drop)
    }

    /// Sets quotas such as `producer_byte_rate` of a client id, or of every client if it is empty. An empty
    /// value removes.
    ///
    /// # Errors
    /// What the broker says.
    pub fn quota(&self, client_id: &str, limits: &[(&str, &str)]) -> Result<(), Failure> {
        let words = ["quota", client_id].map(str::to_owned);
        self.run(words.into_iter().chain(pairs(limits))).map(drop)
    }

    /// Adds an authorizer's rule for clients without a name: `allow` or not, an operation such as `write`, a kind of
    /// resource (`topic`, `cluster`, `transactional_id`), and its name (`*`: any; `kafka-cluster`).
    ///
    /// # Errors
    /// The broker has no authorizer, or what it says.
    pub fn rule(&self, allow: bool, operation: &str, kind: &str, name: &str) -> Result<(), Failure> {
        self.run(["rule", if allow { "allow" } else { "deny" }, operation, kind, name]).map(drop)
    }

    /// Takes back a rule of [`Self::rule`].
    ///
    /// # Errors
    /// What the broker says.
    pub fn unrule(&self, allow: bool, operation: &str, kind: &str, name: &str) -> Result<(), Failure> {
        self.run(["unrule", if allow { "allow" } else { "deny" }, operation, kind, name]).map(drop)
    }

    /// Sets the level of a cluster feature such as `transaction.version`.
    ///
    /// # Errors
    /// What the broker says.
    pub fn feature(&self, name: &str, level: u16) -> Result<(), Failure> {
        self.run(["feature", name, &level.to_string()]).map(drop)
    }

    /// The names of all topics, sorted.
    ///
    /// # Errors
    /// What the broker says.
    pub fn list(&self) -> Result<Vec<String>, Failure> {
        self.run(["list"])
    }

    /// A topic's id and partitions.
    ///
    /// # Errors
    /// What the broker says.
    pub fn describe(&self, topic: &str) -> Result<TopicDescription, Failure> {
        let lines = self.run(["describe", topic])?;
        let (id, lines) = lines.split_first().ok_or_else(|| Failure::new("describe says nothing"))?;
        let partitions = lines.iter().map(|line| partition(line)).collect::<Result<_, _>>()?;
        Ok(TopicDescription { id: id.clone(), partitions })
    }

    /// One partition of a topic.
    ///
    /// # Errors
    /// There is none, or what the broker says.
    pub fn partition(&self, topic: &str, number: u32) -> Result<Partition, Failure> {
        let all = self.describe(topic)?.partitions;
        let found = all.into_iter().find(|partition| partition.number == number);
        found.ok_or_else(|| Failure::new(format!("there is no {topic}-{number}")))
    }

    /// Waits until every partition of a topic satisfies `wanted`, at most `patience`.
    ///
    /// # Errors
    /// It does not: with the last description.
    pub fn await_topic(
        &self,
        topic: &str,
        patience: Duration,
        wanted: impl Fn(&Partition) -> bool,
    ) -> Result<TopicDescription, Failure> {
        let end = Instant::now() + patience;
        loop {
            // While brokers come and go, a question may also fail.
            let seen = self.describe(topic);
            if let Ok(seen) = &seen
                && seen.partitions.iter().all(&wanted)
            {
                return Ok(seen.clone());
            }
            if Instant::now() >= end {
                return Err(Failure::new(format!("still not after {patience:?}: {topic} {seen:?}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// First and next offset of each partition, by number.
    ///
    /// # Errors
    /// What the broker says.
    pub fn offsets(&self, topic: &str) -> Result<Vec<(u64, u64)>, Failure> {
        let lines = self.run(["offsets", topic])?;
        let of = |line: &String| {
            let mut words = line.split('\t').skip(1);
            Ok((number(words.next())?, number(words.next())?))
        };
        lines.iter().map(of).collect()
    }

    /// Ids and addresses of the live brokers.
    ///
    /// # Errors
    /// What the broker says.
    pub fn brokers(&self) -> Result<Vec<(u32, String)>, Failure> {
        let of = |line: &String| {
            let (id, address) = line.split_once('\t').unwrap_or_default();
            Ok((number(Some(id))?, address.to_owned()))
        };
        self.run(["brokers"])?.iter().map(of).collect()
    }

    /// The active controller. Metadata does not tell: without ZooKeeper it names any live broker.
    ///
    /// # Errors
    /// What the broker says.
    pub fn controller(&self) -> Result<u32, Failure> {
        number(self.run(["controller"])?.first().map(String::as_str))
    }

    /// Reads a whole partition with Kafka's own consumer: slower than kcat, and exact in everything.
    ///
    /// # Errors
    /// What the broker says.
    pub fn read(&self, topic: &str, partition: u32, committed_only: bool) -> Result<Vec<Consumed>, Failure> {
        let isolation = if committed_only { "read_committed" } else { "read_uncommitted" };
        let lines = self.run(["read", topic, &partition.to_string(), isolation])?;
        lines.iter().map(|line| Consumed::parse(line)).collect()
    }

    /// How many records Kafka's own consumer finds in a partition, and a CRC-32C over all of them: of each its offset and
    /// time (8 bytes each), then key and value, each with its length before it (4 bytes, -1 for null).
    ///
    /// # Errors
    /// What the broker says.
    pub fn digest(&self, topic: &str, partition: u32) -> Result<(u64, u32), Failure> {
        let lines = self.run(["digest", topic, &partition.to_string()])?;
        let mut words = lines.iter().flat_map(|line| line.split('\t'));
        Ok((number(words.next())?, number(words.next())?))
    }

    fn run<W: Into<String>>(&self, words: impl IntoIterator<Item = W>) -> Result<Vec<String>, Failure> {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.run(&words.join("\t"))
    }
}

fn partition(line: &str) -> Result<Partition, Failure> {
    let mut words = line.split('\t');
    let first = number(words.next())?;
    let leader: i64 = number(words.next())?;
    let mut ids = || words.next().unwrap_or_default().split(',').filter_map(|id| id.parse().ok()).collect();
    Ok(Partition { number: first, leader: u32::try_from(leader).ok(), replicas: ids(), in_sync: ids() })
}

/// A number out of an answer.
pub(crate) fn number<T: FromStr>(word: Option<&str>) -> Result<T, Failure> {
    let parsed = word.and_then(|word| word.trim().parse().ok());
    parsed.ok_or_else(|| Failure::new(format!("expected a number, got {word:?}")))
}

fn pairs(configs: &[(&str, &str)]) -> Vec<String> {
    configs.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

fn joined(ids: &[u32]) -> String {
    let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
    ids.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_leader_is_read_as_such() {
        let seen = partition("4\t-1\t1,2,3\t").unwrap();
        assert_eq!(seen, Partition { number: 4, leader: None, replicas: vec![1, 2, 3], in_sync: vec![] });
        assert!(partition("x").is_err());
    }
}
