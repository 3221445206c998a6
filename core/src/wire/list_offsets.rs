//! ListOffsets: the offset of a timestamp, of the log's start or of its end. Tables only: the model broker
//! answers it to consumers.
//!
//! Versions 1 to 7, flexible from 6. 2: isolation level; 4: leader epoch; 7: the greatest timestamp.
use super::schema::Api;

/// Key and versions.
pub const API: Api = Api { key: 2, oldest: 1, newest: 7, flexible_from: 6 };

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32.since(2);
        0 TOPICS "topics" STRUCTS;
        1 NAME "name" TEXT;
        1 PARTITIONS "partitions" STRUCTS;
        2 PARTITION_INDEX "partitionIndex" INT32;
        2 ERROR_CODE "errorCode" INT16;
        2 TIMESTAMP "timestamp" INT64.or(MINUS_ONE);
        2 OFFSET "offset" INT64.or(MINUS_ONE);
        2 LEADER_EPOCH "leaderEpoch" INT32.since(4).or(MINUS_ONE);
    }
}

/// The request.
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 REPLICA_ID "replicaId" INT32;
        0 ISOLATION_LEVEL "isolationLevel" INT8.since(2);
        0 TOPICS "topics" STRUCTS;
        1 NAME "name" TEXT;
        1 PARTITIONS "partitions" STRUCTS;
        2 PARTITION_INDEX "partitionIndex" INT32;
        2 CURRENT_LEADER_EPOCH "currentLeaderEpoch" INT32.since(4).or(MINUS_ONE);
        2 TIMESTAMP "timestamp" INT64;
    }
}
