//! Metadata: brokers, topics, leaders; topics that do not exist are created on demand.
//!
//! Source: `KafkaApis.handleTopicMetadataRequest`, `KRaftMetadataCache`, `DefaultAutoTopicCreationManager` of Kafka 4.3;
//! versions 0-13. A created topic is there with the next request, as if the controller were fast.
use std::borrow::Cow;

use crate::bytes::{Malformed, Reader, Uuid, Writer};
use crate::state::{Partition, State, Topic, is_internal, is_valid_name};
use kurier_core::wire::ErrorCode;

/// A Metadata request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataRequest<'a> {
    /// The topics asked for; all if `None`.
    pub topics: Option<Vec<MetadataTopic<'a>>>,
    /// Whether missing topics may be created; true before version 4.
    pub allow_auto_topic_creation: bool,
    /// Asked in versions 8-10.
    pub include_cluster_authorized_operations: bool,
    /// Asked from version 8 on.
    pub include_topic_authorized_operations: bool,
}

/// A topic asked for, by name or (from version 12 on) by id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataTopic<'a> {
    /// All zero if asked for by name.
    pub id: Uuid,
    /// None if asked for by id.
    pub name: Option<Cow<'a, str>>,
}

impl<'a> MetadataRequest<'a> {
    pub(crate) fn read(r: &mut Reader<'a>, version: i16) -> Result<Self, Malformed> {
        let count =
            if version == 0 { Some(r.count()?).filter(|&count| count > 0) } else { r.nullable_count()? };
        let mut topics = count.map(|_| Vec::new());
        for _ in 0..count.unwrap_or(0) {
            let id = if version >= 10 { r.uuid()? } else { [0; 16] };
            let name = if version >= 10 { r.nullable_string()? } else { Some(r.string()?) };
            r.end()?;
            topics.get_or_insert_default().push(MetadataTopic { id, name });
        }
        let request = Self {
            topics,
            allow_auto_topic_creation: version < 4 || r.bool()?,
            include_cluster_authorized_operations: (8..=10).contains(&version) && r.bool()?,
            include_topic_authorized_operations: version >= 8 && r.bool()?,
        };
        r.end()?;
        Ok(request)
    }
}

/// The refusal of a request as a whole: by id in a version that cannot, or by neither name nor id. No broker is told then.
pub(crate) fn refusal<'s>(
    request: &MetadataRequest<'_>,
    version: i16,
) -> Option<(ErrorCode, Vec<Found<'s>>)> {
    let topics = request.topics.as_deref().unwrap_or_default();
    let (has_id, is_null) =
        (|topic: &MetadataTopic<'_>| topic.id != [0; 16], |topic: &MetadataTopic<'_>| topic.name.is_none());
    let error = if version < 12 && topics.iter().any(|topic| is_null(topic) || has_id(topic)) {
        ErrorCode::INVALID_REQUEST
    } else if topics.iter().any(is_null) && !topics.iter().any(has_id) {
        // Kafka stumbles over the name.
        ErrorCode::UNKNOWN_SERVER_ERROR
    } else {
        return None;
    };
    let refused = |topic: &MetadataTopic<'_>| {
        Found::Missing(error, Some(topic.name.as_deref().unwrap_or_default().to_owned()), topic.id)
    };
    Some((error, topics.iter().map(refused).collect()))
}

/// One topic of the answer.
#[derive(Debug)]
pub(crate) enum Found<'s> {
    Known(&'s Topic),
    /// With the name or the id it was asked for by.
    Missing(ErrorCode, Option<String>, Uuid),
}

/// Creates what is missing and may be created (unless told to `only_look`); such topics are still answered as unknown
/// this time.
pub(crate) fn handle<'s>(
    state: &'s mut State,
    request: &MetadataRequest<'_>,
    broker: i32,
    only_look: bool,
) -> Vec<Found<'s>> {
    let Some(topics) = &request.topics else {
        let state = &*state;
        let seen = |topic: &&Topic| state.access.may_describe(&topic.name);
        return state.view(broker).iter().filter(seen).map(Found::Known).collect();
    };
    let by_id = topics.iter().any(|topic| topic.id != [0; 16]);
    let mut created = Vec::new();
    if !by_id && !only_look && state.settings.auto_create_topics && request.allow_auto_topic_creation {
        let (partitions, config) = (state.settings.num_partitions, state.settings.topic_defaults);
        for name in topics.iter().filter_map(|topic| topic.name.as_deref()) {
            if state.topic(name).is_none()
                && state.access.may_describe(name)
                && state.create(name, partitions, config).is_ok()
            {
                created.push(name);
            }
        }
    }
    let state = &*state;
    let view = state.view(broker);
    let mut asked: Vec<&MetadataTopic<'_>> = Vec::with_capacity(topics.len());
    for topic in topics {
        if !asked.iter().any(|seen| seen.id == topic.id && seen.name == topic.name) {
            asked.push(topic);
        }
    }
    let denied = |name: Option<&str>, id| {
        Found::Missing(ErrorCode::TOPIC_AUTHORIZATION_FAILED, name.map(str::to_owned), id)
    };
    let find = |topic: &MetadataTopic<'_>| {
        if by_id {
            let missing = || Found::Missing(ErrorCode::UNKNOWN_TOPIC_ID, None, topic.id);
            let known = |known: &'s Topic| {
                if state.access.may_describe(&known.name) {
                    Found::Known(known)
                } else {
                    denied(None, known.id)
                }
            };
            return (topic.id != [0; 16])
                .then(|| view.iter().find(|known| known.id == topic.id).map_or_else(missing, known));
        }
        let name = topic.name.as_deref()?;
        if !state.access.may_describe(name) {
            return Some(denied(Some(name), [0; 16]));
        }
        Some(match view.iter().find(|known| known.name == name).filter(|_| !created.contains(&name)) {
            Some(known) => Found::Known(known),
            None => {
                let valid = is_valid_name(name);
                let error = if valid {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                } else {
                    ErrorCode::INVALID_TOPIC_EXCEPTION
                };
                Found::Missing(error, Some(name.to_owned()), [0; 16])
            }
        })
    };
    asked.into_iter().filter_map(find).collect()
}

/// The bits of the operations on a topic that a broker without an authorizer allows.
const TOPIC_OPERATIONS: i32 = 0xdf8;
/// The same of the cluster.
const CLUSTER_OPERATIONS: i32 = 0x1fa0;

/// Writes the answer's body; `forced` replaces every topic's error.
pub(crate) fn write(
    w: &mut Writer<'_>,
    version: i16,
    request: &MetadataRequest<'_>,
    topics: &[Found<'_>],
    about: &About<'_>,
    forced: Option<ErrorCode>,
) {
    if version >= 3 {
        w.i32(about.throttle_ms);
    }
    w.count(about.brokers.len());
    for (id, host, port) in about.brokers {
        w.i32(*id);
        w.string(host);
        w.i32(*port);
        if version >= 1 {
            w.nullable_string(None);
        }
        w.end();
    }
    if version >= 2 {
        w.nullable_string(about.cluster_id);
    }
    if version >= 1 {
        // Kafka names any broker here: clients do not speak to controllers any more.
        w.i32(about.brokers.first().map_or(-1, |&(id, _, _)| id));
    }
    w.count(topics.len());
    for topic in topics {
        write_topic(w, version, topic, about, forced, request.include_topic_authorized_operations);
    }
    if (8..=10).contains(&version) {
        let told = request.include_cluster_authorized_operations && about.cluster_id.is_some();
        w.i32(if told { CLUSTER_OPERATIONS } else { i32::MIN });
    }
    if version >= 13 {
        w.i16(about.error.0);
    }
    w.end();
}

/// What an answer says beside its topics.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) throttle_ms: i32,
    /// Of the whole.
    pub(crate) error: ErrorCode,
    /// None in a refusal.
    pub(crate) cluster_id: Option<&'a str>,
    /// Those that are not fenced.
    pub(crate) brokers: &'a [(i32, String, i32)],
}

fn write_topic(
    w: &mut Writer<'_>,
    version: i16,
    topic: &Found<'_>,
    about: &About<'_>,
    forced: Option<ErrorCode>,
    operations: bool,
) {
    let (error, name, id, internal, partitions) = match topic {
        Found::Known(topic) => (
            ErrorCode::NONE,
            Some(topic.name.as_str()),
            topic.id,
            topic.is_internal(),
            topic.partitions.as_slice(),
        ),
        Found::Missing(error, name, id) => {
            (*error, name.as_deref(), *id, name.as_deref().is_some_and(is_internal), Default::default())
        }
    };
    w.i16(forced.unwrap_or(error).0);
    if version >= 12 {
        w.nullable_string(name);
    } else {
        w.string(name.unwrap_or_default());
    }
    if version >= 10 {
        w.uuid(&id);
    }
    if version >= 1 {
        w.bool(internal);
    }
    let partitions = if forced.is_some() { Default::default() } else { partitions };
    w.count(partitions.len());
    for (index, partition) in (0i32..).zip(partitions) {
        write_partition(w, version, index, partition, about);
    }
    if version >= 8 {
        w.i32(if operations && name.is_some() { TOPIC_OPERATIONS } else { i32::MIN });
    }
    w.end();
}

fn write_partition(w: &mut Writer<'_>, version: i16, index: i32, partition: &Partition, about: &About<'_>) {
    let alive = |id: i32| about.brokers.iter().any(|&(broker, _, _)| broker == id);
    let leader = Some(partition.leader).filter(|&leader| alive(leader));
    w.i16(leader.map_or(ErrorCode::LEADER_NOT_AVAILABLE, |_| ErrorCode::NONE).0);
    w.i32(index);
    w.i32(leader.unwrap_or(-1));
    if version >= 7 {
        w.i32(partition.leader_epoch);
    }
    w.i32s(&partition.replicas);
    w.i32s(&partition.isr);
    if version >= 5 {
        let offline: Vec<i32> = partition.replicas.iter().copied().filter(|&id| !alive(id)).collect();
        w.i32s(&offline);
    }
    w.end();
}
