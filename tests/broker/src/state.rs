//! What all brokers of a cluster agree on at once: who runs, which topics there are, who leads, and the logs.
//!
//! Not connections. Metadata is never stale between brokers, unless one of them is told to lag behind the others.
use crate::access::Access;
use crate::bytes::Uuid;
use crate::init_producer_id::Identities;
use crate::log::Log;
use crate::quota::Quotas;
use crate::replication::Followers;
use crate::settings::{Settings, TopicConfig};
use kurier_core::wire::ErrorCode;
use std::collections::BTreeMap;

/// Whether a broker's process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// It serves.
    Up,
    /// It is stopped as by SIGSTOP: connections stay, nothing is answered.
    Paused,
    /// It is gone: connections are closed and refused.
    Down,
}

#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) running: Running,
    /// The controller took it out: it is in no in-sync set and in no metadata.
    pub(crate) fenced: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Partition {
    /// -1 without one.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    /// Those that left the in-sync set when it had become too small for anything to be acknowledged without them: they have
    /// everything, and may lead once the set is empty (KIP-966).
    pub(crate) eligible: Vec<i32>,
    pub(crate) log: Log,
    pub(crate) followers: Followers,
}

impl Partition {
    /// A broker is lost: it leaves the in-sync set, and what it led gets another leader or none.
    pub(crate) fn lose(&mut self, broker: i32, min_insync: usize, alive: &[i32]) {
        if let Some(at) = self.isr.iter().position(|&replica| replica == broker) {
            self.isr.remove(at);
            if self.isr.len() < min_insync.min(self.replicas.len()) && !self.eligible.contains(&broker) {
                self.eligible.push(broker);
            }
        }
        if self.leader == broker {
            let heir =
                self.replicas.iter().find(|replica| self.isr.contains(replica) && alive.contains(replica));
            self.lead(heir.copied().unwrap_or(-1));
        }
    }

    /// A broker is back: it leads if nobody does and it has everything, else it follows and is in sync at once.
    pub(crate) fn regain(&mut self, broker: i32) {
        if !self.replicas.contains(&broker) {
            return;
        }
        let leads = self.leader == -1 && (self.isr.contains(&broker) || self.eligible.contains(&broker));
        if leads {
            self.lead(broker);
        }
        if self.leader >= 0 {
            self.eligible.retain(|&replica| replica != broker);
            if !self.isr.contains(&broker) {
                self.isr.push(broker);
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Partition>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }

    pub(crate) fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }
}

/// Whether Kafka keeps a topic of this name for itself.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// Whether a topic may have this name.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name != "." && name != ".." && name.len() <= 249 && name.bytes().all(legal)
}

/// The cluster without its connections.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) brokers: Vec<Broker>,
    /// Sorted by name.
    pub(crate) topics: Vec<Topic>,
    /// What brokers know of topics whose metadata lags.
    pub(crate) views: BTreeMap<i32, Vec<Topic>>,
    pub(crate) identities: Identities,
    pub(crate) access: Access,
    pub(crate) quotas: Quotas,
    /// Topics created so far; a topic's id is made from it.
    created: u64,
    /// Batches appended so far: a waiting fetch looks again when it changes.
    pub(crate) appends: u64,
    /// The time that was handed in last, in ms.
    pub(crate) clock: i64,
    /// When producers are looked through for expired ones.
    next_expiry_check: i64,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        let identities = Identities::new(settings.first_producer_id);
        Self {
            settings,
            brokers: Vec::new(),
            topics: Vec::new(),
            views: BTreeMap::new(),
            identities,
            access: Access::default(),
            quotas: Quotas::default(),
            created: 0,
            appends: 0,
            clock: i64::MIN,
            next_expiry_check: i64::MIN,
        }
    }

    /// From now on a broker tells of topics what is true now.
    pub(crate) fn hold_view(&mut self, broker: i32) {
        let bare = |partition: &Partition| Partition {
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            eligible: Vec::new(),
            log: Log::default(),
            followers: Followers::default(),
            ..*partition
        };
        let view = self.topics.iter().map(|topic| Topic {
            name: topic.name.clone(),
            partitions: topic.partitions.iter().map(bare).collect(),
            ..*topic
        });
        self.views.insert(broker, view.collect());
    }

    /// The topics as a broker knows them.
    pub(crate) fn view(&self, broker: i32) -> &[Topic] {
        self.views.get(&broker).unwrap_or(&self.topics)
    }

    pub(crate) fn add_broker(&mut self, id: i32, host: &str, port: u16) {
        self.brokers.retain(|broker| broker.id != id);
        let (host, port) = (host.to_owned(), i32::from(port));
        self.brokers.push(Broker { id, host, port, running: Running::Up, fenced: false });
        self.brokers.sort_by_key(|broker| broker.id);
    }

    /// Time has passed: followers that run fetch.
    pub(crate) fn advance(&mut self, now: i64) {
        self.clock = now;
        if self.settings.replication_lag_ms == 0 {
            return;
        }
        let Self { topics, brokers, .. } = self;
        let runs = |id| brokers.iter().any(|broker| broker.id == id && broker.running == Running::Up);
        for topic in topics {
            let min_insync = topic.config.min_insync_replicas;
            topic.partitions.iter_mut().for_each(|partition| partition.catch_up(now, min_insync, runs));
        }
    }

    pub(crate) fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    pub(crate) fn broker_mut(&mut self, id: i32) -> Option<&mut Broker> {
        self.brokers.iter_mut().find(|broker| broker.id == id)
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.iter().filter(|broker| !broker.fenced)
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.topics.binary_search_by(|topic| topic.name.as_str().cmp(name))
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(self.position(name).ok()?)
    }

    pub(crate) fn topic_mut(&mut self, name: &str) -> Option<&mut Topic> {
        let at = self.position(name).ok()?;
        self.topics.get_mut(at)
    }

    pub(crate) fn topic_by_id(&self, id: &Uuid) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.id == *id)
    }

    /// Creates a topic, its replicas spread over the brokers that are not fenced.
    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Uuid, ErrorCode> {
        // Names that differ only in '.' and '_' would be one in Kafka's metrics.
        let same = |other: &str| other.bytes().map(flat).eq(name.bytes().map(flat));
        if !is_valid_name(name) || self.topics.iter().any(|topic| same(&topic.name)) {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        self.created += 1;
        let id = uuid(self.created);
        let mut topic = Topic { name: name.to_owned(), id, config, partitions: Vec::new() };
        self.grow(&mut topic, partitions);
        let at = self.position(name).unwrap_or_else(|at| at);
        self.topics.insert(at, topic);
        Ok(id)
    }

    /// Adds partitions to a topic until it has `count`.
    pub(crate) fn grow(&self, topic: &mut Topic, count: i32) {
        let alive: Vec<i32> = self.alive().map(|broker| broker.id).collect();
        let factor = self.settings.default_replication_factor.clamp(1, alive.len().max(1));
        while (topic.partitions.len() as i64) < i64::from(count) {
            let first = topic.partitions.len();
            let replicas: Vec<i32> =
                alive.iter().copied().cycle().skip(first % alive.len().max(1)).take(factor).collect();
            topic.partitions.push(Partition {
                leader: replicas.first().copied().unwrap_or(-1),
                leader_epoch: 0,
                isr: replicas.clone(),
                eligible: Vec::new(),
                replicas,
                log: Log::default(),
                followers: Followers::default(),
            });
        }
    }

    pub(crate) fn delete(&mut self, name: &str) -> Option<Topic> {
        let at = self.position(name).ok()?;
        Some(self.topics.remove(at))
    }

    /// Forgets producers that have been silent too long; cheap until the check interval has passed.
    pub(crate) fn expire_producers(&mut self, now: i64) {
        if now < self.next_expiry_check {
            return;
        }
        self.next_expiry_check = now.saturating_add(self.settings.producer_id_expiration_check_interval_ms);
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.log.producers.expire(now, self.settings.producer_id_expiration_ms);
        }
    }
}

fn flat(byte: u8) -> u8 {
    if byte == b'.' { b'_' } else { byte }
}

/// The id of the `n`th topic: looks random, is not. Version and variant are those of a random UUID, as Kafka's are.
fn uuid(n: u64) -> Uuid {
    let high = u128::from(mix(n)) << 64 | u128::from(mix(n ^ u64::MAX));
    let marked = high & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    marked.to_be_bytes()
}

/// splitmix64.
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
