//! Fetch: record batches read back. Tables only: the model broker answers it to consumers.
//!
//! Versions 4 to 12, flexible from 12. 5: log start offset; 7: fetch sessions; 9: leader epoch; 11: rack;
//! 12: the last fetched epoch. From 13 on topics go by id, which is not spoken here.
use super::schema::Api;

/// Key and versions.
pub const API: Api = Api { key: 1, oldest: 4, newest: 12, flexible_from: 12 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32;
        0 ERROR_CODE "errorCode" INT16.since(7);
        0 SESSION_ID "sessionId" INT32.since(7);
        0 RESPONSES "responses" STRUCTS;
        1 TOPIC "topic" TEXT;
        1 PARTITIONS "partitions" STRUCTS;
        2 PARTITION_INDEX "partitionIndex" INT32;
        2 PARTITION_ERROR_CODE "errorCode" INT16;
        2 HIGH_WATERMARK "highWatermark" INT64;
        2 LAST_STABLE_OFFSET "lastStableOffset" INT64.or(MINUS_ONE);
        2 LOG_START_OFFSET "logStartOffset" INT64.since(5).or(MINUS_ONE);
        2 DIVERGING_EPOCH "divergingEpoch" STRUCT.since(12).tagged(0);
        3 DIVERGING_EPOCH_EPOCH "epoch" INT32.or(MINUS_ONE);
        3 DIVERGING_EPOCH_END_OFFSET "endOffset" INT64.or(MINUS_ONE);
        2 CURRENT_LEADER "currentLeader" STRUCT.since(12).tagged(1);
        3 LEADER_ID "leaderId" INT32.or(MINUS_ONE);
        3 LEADER_EPOCH "leaderEpoch" INT32.or(MINUS_ONE);
        2 SNAPSHOT_ID "snapshotId" STRUCT.since(12).tagged(2);
        3 SNAPSHOT_END_OFFSET "endOffset" INT64.or(MINUS_ONE);
        3 SNAPSHOT_EPOCH "epoch" INT32.or(MINUS_ONE);
        2 ABORTED_TRANSACTIONS "abortedTransactions" STRUCTS.nullable(4);
        3 PRODUCER_ID "producerId" INT64;
        3 FIRST_OFFSET "firstOffset" INT64;
        2 PREFERRED_READ_REPLICA "preferredReadReplica" INT32.since(11).or(MINUS_ONE);
        2 RECORDS "records" BYTES.nullable(0);
    }
}

/// The request.
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 CLUSTER_ID "clusterId" TEXT.since(12).nullable(12).tagged(0).or(NULL);
        0 REPLICA_ID "replicaId" INT32.or(MINUS_ONE);
        0 MAX_WAIT_MS "maxWaitMs" INT32;
        0 MIN_BYTES "minBytes" INT32;
        0 MAX_BYTES "maxBytes" INT32.or(preset(0x7fff_ffff));
        0 ISOLATION_LEVEL "isolationLevel" INT8;
        0 SESSION_ID "sessionId" INT32.since(7);
        0 SESSION_EPOCH "sessionEpoch" INT32.since(7).or(MINUS_ONE);
        0 TOPICS "topics" STRUCTS;
        1 TOPIC "topic" TEXT;
        1 PARTITIONS "partitions" STRUCTS;
        2 PARTITION "partition" INT32;
        2 CURRENT_LEADER_EPOCH "currentLeaderEpoch" INT32.since(9).or(MINUS_ONE);
        2 FETCH_OFFSET "fetchOffset" INT64;
        2 LAST_FETCHED_EPOCH "lastFetchedEpoch" INT32.since(12).or(MINUS_ONE);
        2 LOG_START_OFFSET "logStartOffset" INT64.since(5).or(MINUS_ONE);
        2 PARTITION_MAX_BYTES "partitionMaxBytes" INT32;
        0 FORGOTTEN_TOPICS_DATA "forgottenTopicsData" STRUCTS.since(7);
        1 FORGOTTEN_TOPIC "topic" TEXT;
        1 FORGOTTEN_PARTITIONS "partitions" INT32S;
        0 RACK_ID "rackId" TEXT.since(11);
    }
}
