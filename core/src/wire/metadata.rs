//! Metadata: brokers, topics, partitions and their leaders.
//!
//! Versions 4 to 13, flexible from 9. 4: topics are created only if asked for; 7: leader epoch; 8: authorized
//! operations; 10: topic id; 12: a topic asked for by id may have no name; 13: an error of the whole answer.
//! Brokers come before topics, and the answer has no bound in size.
use super::{
    schema::Api,
    sink::{Emit, Sink},
};
use crate::feature;

/// Key and versions.
pub const API: Api = Api {
    key: 3,
    oldest: if feature::OLD_BROKERS { 4 } else { 9 },
    newest: if feature::TOPIC_IDS { 13 } else { 9 },
    flexible_from: 9,
};

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    /// Authorized operations were not asked for.
    const NOT_ASKED: Preset = preset(-2_147_483_648);
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32;
        0 BROKERS "brokers" STRUCTS;
        1 NODE_ID "nodeId" INT32;
        1 HOST "host" TEXT;
        1 PORT "port" INT32;
        1 RACK "rack" TEXT.nullable(1).or(NULL);
        0 CLUSTER_ID "clusterId" TEXT.nullable(2).or(NULL);
        0 CONTROLLER_ID "controllerId" INT32.or(MINUS_ONE);
        0 TOPICS "topics" STRUCTS;
        /// Of a topic.
        1 TOPIC_ERROR_CODE "errorCode" INT16;
        1 NAME "name" TEXT.nullable(12);
        1 TOPIC_ID "topicId" UUID.since(10);
        1 IS_INTERNAL "isInternal" BOOL;
        1 PARTITIONS "partitions" STRUCTS;
        /// Of a partition.
        2 PARTITION_ERROR_CODE "errorCode" INT16;
        2 PARTITION_INDEX "partitionIndex" INT32;
        /// -1 if there is no leader.
        2 LEADER_ID "leaderId" INT32;
        2 LEADER_EPOCH "leaderEpoch" INT32.since(7).or(MINUS_ONE);
        2 REPLICA_NODES "replicaNodes" INT32S;
        2 ISR_NODES "isrNodes" INT32S;
        2 OFFLINE_REPLICAS "offlineReplicas" INT32S.since(5);
        1 TOPIC_AUTHORIZED_OPERATIONS "topicAuthorizedOperations" INT32.since(8).or(NOT_ASKED);
        0 CLUSTER_AUTHORIZED_OPERATIONS "clusterAuthorizedOperations" INT32.since(8).until(10).or(NOT_ASKED);
        /// Of the whole answer.
        0 ERROR_CODE "errorCode" INT16.since(13);
    }
}

/// The request.
#[cfg(feature = "reverse")]
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        /// Null asks for all topics.
        0 TOPICS "topics" STRUCTS.nullable(1);
        1 TOPIC_ID "topicId" UUID.since(10);
        1 NAME "name" TEXT.nullable(10);
        0 ALLOW_AUTO_TOPIC_CREATION "allowAutoTopicCreation" BOOL.or(preset(1));
        0 INCLUDE_CLUSTER_AUTHORIZED_OPERATIONS "includeClusterAuthorizedOperations" BOOL.since(8).until(10);
        0 INCLUDE_TOPIC_AUTHORIZED_OPERATIONS "includeTopicAuthorizedOperations" BOOL.since(8);
    }
}

/// The id of no topic.
const ZERO_UUID: &[u8; 16] = &[0; 16];

/// Begins the body of a request for `topics` topics, each to be emitted with [`emit_topic`]; `None` asks for
/// all there are, `Some(0)` for brokers only. [`emit_end`] ends it.
pub fn emit_begin<'a, S: Sink<'a> + ?Sized>(sink: &mut S, version: i16, topics: Option<u32>) {
    Emit::new(sink, API.is_flexible(version)).count(topics);
}

/// Emits one topic, by name.
pub fn emit_topic<'a, S: Sink<'a> + ?Sized>(sink: &mut S, version: i16, name: &'a [u8]) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    if feature::TOPIC_IDS && version >= 10 {
        emit.uuid(ZERO_UUID);
    }
    emit.text(name);
    emit.end();
}

/// Ends the body of a request. Authorized operations are not asked for.
pub fn emit_end<'a, S: Sink<'a> + ?Sized>(sink: &mut S, version: i16, allow_auto_topic_creation: bool) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    emit.bool(allow_auto_topic_creation);
    if !feature::OLD_BROKERS && !feature::TOPIC_IDS || (8..=10).contains(&version) {
        emit.bool(false);
    }
    if !feature::OLD_BROKERS || version >= 8 {
        emit.bool(false);
    }
    emit.end();
}
