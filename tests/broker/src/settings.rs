//! What a cluster is told before it starts: API versions, limits, defaults of topics.
//!
//! Names, units and defaults are Kafka's (4.3).
use crate::api;

/// The versions of one API that brokers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// The API key.
    pub key: i16,
    /// The lowest version advertised.
    pub min: i16,
    /// The highest version advertised.
    pub max: i16,
}

/// A finalized feature, as ApiVersions tells from version 3 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name, such as `transaction.version`.
    pub name: String,
    /// The lowest supported level.
    pub min: i16,
    /// The highest supported level.
    pub max: i16,
    /// The finalized level.
    pub level: i16,
}

/// A release of Kafka whose API versions the model can advertise. Its behaviour stays that of 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// 4.3: Produce to 13 (topic ids).
    V4_3,
    /// 4.0: Produce to 12.
    V4_0,
    /// 3.9: Produce to 11.
    V3_9,
    /// 2.8: Produce to 9, the first flexible one.
    V2_8,
    /// 2.4: Produce to 8 (record errors).
    V2_4,
    /// 2.1: Produce to 7 (zstd); also what Redpanda spoke for long.
    V2_1,
    /// 1.0: Produce to 5.
    V1_0,
    /// 0.11: Produce to 3, the oldest with batches of magic 2 and idempotence.
    V0_11,
    /// 0.10.2: Produce to 2, too old for this project's producer.
    V0_10,
}

impl Release {
    /// The ranges of the APIs that this model has.
    pub fn apis(self) -> Vec<ApiRange> {
        // Produce, Fetch, Metadata, FindCoordinator, ApiVersions, InitProducerId; the last may be missing.
        let (produce, metadata, coordinator, versions, init) = match self {
            Self::V4_3 => (13, 13, 6, 4, 5),
            Self::V4_0 => (12, 13, 6, 4, 5),
            Self::V3_9 => (11, 12, 6, 4, 5),
            Self::V2_8 => (9, 11, 3, 3, 4),
            Self::V2_4 => (8, 9, 2, 3, 2),
            Self::V2_1 => (7, 7, 2, 2, 1),
            Self::V1_0 => (5, 5, 1, 1, 0),
            Self::V0_11 => (3, 4, 1, 1, 0),
            Self::V0_10 => (2, 2, 0, 0, -1),
        };
        // Fetch and ListOffsets are there for kcat and Java's consumer to read back, not as the releases had them.
        [
            (api::PRODUCE, 0, produce),
            (api::FETCH, 4, 12),
            (api::LIST_OFFSETS, 1, 7),
            (api::METADATA, 0, metadata),
            (api::FIND_COORDINATOR, 0, coordinator),
            (api::API_VERSIONS, 0, versions),
            (api::INIT_PRODUCER_ID, 0, init),
        ]
        .into_iter()
        .filter(|&(_, _, max)| max >= 0)
        .map(|(key, min, max)| ApiRange { key, min, max })
        .collect()
    }
}

/// How a topic's timestamps come to be: `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's, at the append.
    LogAppendTime,
}

/// What is configured per topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicConfig {
    /// `max.message.bytes`: the largest batch, in bytes. Default 1 048 588.
    pub max_message_bytes: i32,
    /// `message.timestamp.type`. Default CreateTime.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`. Default no limit.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`. Default one hour.
    pub timestamp_after_max_ms: i64,
    /// `min.insync.replicas`, never more than there are replicas. Default 1.
    pub min_insync_replicas: usize,
    /// `cleanup.policy=compact`: every record needs a key. Nothing is ever compacted. Default false.
    pub compact: bool,
    /// `retention.bytes` of each partition: the oldest batches beyond it are dropped, the last one stays.
    /// Default none.
    pub retention_bytes: Option<u64>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            min_insync_replicas: 1,
            compact: false,
            retention_bytes: None,
        }
    }
}

/// What a cluster is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The cluster's id. Default `kurier-model-broker-00`.
    pub cluster_id: String,
    /// The versions that brokers advertise and speak; Produce below 3 is never spoken. Default [`Release::V4_3`].
    pub apis: Vec<ApiRange>,
    /// The finalized features. Default `transaction.version` at 2, as 4.3 has it.
    pub features: Vec<Feature>,
    /// `auto.create.topics.enable`. Default true.
    pub auto_create_topics: bool,
    /// `num.partitions` of a topic created by a Metadata request. Default 1.
    pub num_partitions: i32,
    /// `default.replication.factor`, never more than there are brokers. Default 1.
    pub default_replication_factor: usize,
    /// How long an append takes to reach the followers in sync, in ms, on average. Default 0: they have it at once.
    pub replication_lag_ms: i64,
    /// The configuration of topics that name none.
    pub topic_defaults: TopicConfig,
    /// `throttle_time_ms` of every Produce answer; the connection is not read for that long. Default 0.
    pub throttle_ms: i32,
    /// `socket.request.max.bytes`. Default 100 MiB.
    pub socket_request_max_bytes: i32,
    /// `producer.id.expiration.ms`: a producer whose last batch in a partition is older is forgotten there. Default 24 h.
    pub producer_id_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`. Default 10 min.
    pub producer_id_expiration_check_interval_ms: i64,
    /// `transaction.max.timeout.ms`. Default 15 min.
    pub transaction_max_timeout_ms: i32,
    /// The first producer id handed out. Default 0.
    pub first_producer_id: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster_id: "kurier-model-broker-00".to_owned(),
            apis: Release::V4_3.apis(),
            features: vec![Feature { name: "transaction.version".to_owned(), min: 0, max: 2, level: 2 }],
            auto_create_topics: true,
            num_partitions: 1,
            default_replication_factor: 1,
            replication_lag_ms: 0,
            topic_defaults: TopicConfig::default(),
            throttle_ms: 0,
            socket_request_max_bytes: 104_857_600,
            producer_id_expiration_ms: 86_400_000,
            producer_id_expiration_check_interval_ms: 600_000,
            transaction_max_timeout_ms: 900_000,
            first_producer_id: 0,
        }
    }
}

impl Settings {
    /// The default settings with the API versions of `release`; features are those of 4.x only.
    pub fn release(release: Release) -> Self {
        let mut settings = Self { apis: release.apis(), ..Self::default() };
        if !matches!(release, Release::V4_3 | Release::V4_0) {
            settings.features.clear();
        }
        settings
    }

    /// The range of `api`, if it is spoken.
    pub fn range(&self, api: i16) -> Option<ApiRange> {
        self.apis.iter().copied().find(|range| range.key == api)
    }
}
