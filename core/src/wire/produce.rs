//! Produce: record batches for partitions, and what became of them.
//!
//! Versions 3 to 13, flexible from 9. 3: batches of magic 2 and the transactional id; 5: log start offset;
//! 7: zstd is allowed; 8: record errors (KIP-467); 10: current leader and node end points as tags of the
//! answer (KIP-951); 12: partitions join a transaction by themselves; 13: topic id instead of the name.
use super::{
    schema::Api,
    sink::{Emit, Sink},
};
use crate::feature;

/// Key and versions.
pub const API: Api = Api {
    key: 0,
    oldest: if feature::OLD_BROKERS { 3 } else { 9 },
    newest: if feature::TOPIC_IDS { 13 } else { 12 },
    flexible_from: 9,
};

/// The answer.
pub mod response {
    use crate::wire::schema::short::*;
    message! {
        /// The answer's table.
        MESSAGE of super::API;
        0 RESPONSES "responses" STRUCTS;
        1 NAME "name" TEXT.until(12);
        1 TOPIC_ID "topicId" UUID.since(13);
        1 PARTITION_RESPONSES "partitionResponses" STRUCTS;
        2 INDEX "index" INT32;
        2 ERROR_CODE "errorCode" INT16;
        2 BASE_OFFSET "baseOffset" INT64;
        /// -1 unless the topic's timestamps are those of appending.
        2 LOG_APPEND_TIME_MS "logAppendTimeMs" INT64.or(MINUS_ONE);
        2 LOG_START_OFFSET "logStartOffset" INT64.since(5).or(MINUS_ONE);
        /// Records to blame for the batch's refusal.
        2 RECORD_ERRORS "recordErrors" STRUCTS.since(8);
        3 BATCH_INDEX "batchIndex" INT32;
        3 BATCH_INDEX_ERROR_MESSAGE "batchIndexErrorMessage" TEXT.since(8).nullable(8).or(NULL);
        2 ERROR_MESSAGE "errorMessage" TEXT.since(8).nullable(8).or(NULL);
        /// Tagged: the leader to go to.
        2 CURRENT_LEADER "currentLeader" STRUCT.since(10).tagged(0);
        3 LEADER_ID "leaderId" INT32.or(MINUS_ONE);
        3 LEADER_EPOCH "leaderEpoch" INT32.or(MINUS_ONE);
        0 THROTTLE_TIME_MS "throttleTimeMs" INT32;
        /// Tagged: where the leaders are.
        0 NODE_ENDPOINTS "nodeEndpoints" STRUCTS.since(10).tagged(0);
        1 NODE_ID "nodeId" INT32;
        1 HOST "host" TEXT;
        1 PORT "port" INT32;
        1 RACK "rack" TEXT.nullable(10).or(NULL);
    }
}

/// The request.
#[cfg(feature = "reverse")]
pub mod request {
    use crate::wire::schema::short::*;
    message! {
        /// The request's table.
        MESSAGE of super::API;
        0 TRANSACTIONAL_ID "transactionalId" TEXT.nullable(3).or(NULL);
        0 ACKS "acks" INT16;
        0 TIMEOUT_MS "timeoutMs" INT32;
        0 TOPIC_DATA "topicData" STRUCTS;
        1 NAME "name" TEXT.until(12);
        1 TOPIC_ID "topicId" UUID.since(13);
        1 PARTITION_DATA "partitionData" STRUCTS;
        2 INDEX "index" INT32;
        2 RECORDS "records" BYTES.nullable(0);
    }
}

/// Begins the body of a request for `topics` topics. `acks` is -1 (all), 0 or 1; `timeout_ms` is how long the
/// leader waits for its followers.
pub fn emit_begin<'a, S: Sink<'a> + ?Sized>(
    sink: &mut S,
    version: i16,
    transactional_id: Option<&'a str>,
    acks: i16,
    timeout_ms: i32,
    topics: u32,
) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    emit.nullable_text(transactional_id);
    emit.int16(acks);
    emit.int32(timeout_ms);
    emit.count(Some(topics));
}

/// Begins a topic with `partitions` partitions: by `name` before version 13, by `id` from then on.
pub fn emit_topic<'a, S: Sink<'a> + ?Sized>(
    sink: &mut S,
    version: i16,
    name: &'a [u8],
    id: &'a [u8; 16],
    partitions: u32,
) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    if feature::TOPIC_IDS && version >= 13 {
        emit.uuid(id);
    } else {
        emit.text(name);
    }
    emit.count(Some(partitions));
}

/// Emits one partition: `records` is one record batch, borrowed.
pub fn emit_partition<'a, S: Sink<'a> + ?Sized>(sink: &mut S, version: i16, index: i32, records: &'a [u8]) {
    let mut emit = Emit::new(sink, API.is_flexible(version));
    emit.int32(index);
    emit.bytes(records);
    emit.end();
}

/// Ends a topic.
pub fn emit_topic_end<'a, S: Sink<'a> + ?Sized>(sink: &mut S, version: i16) {
    Emit::new(sink, API.is_flexible(version)).end();
}

/// Ends the body.
pub fn emit_end<'a, S: Sink<'a> + ?Sized>(sink: &mut S, version: i16) {
    Emit::new(sink, API.is_flexible(version)).end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Flat;

    #[test]
    fn a_topic_goes_by_its_id_if_ids_are_built_in_and_by_its_name_else() {
        let mut room = [0; 32];
        let mut flat = Flat::new(&mut room);
        emit_topic(&mut flat, API.newest, b"topic", &[7; 16], 1);
        let written = flat.written();
        if feature::TOPIC_IDS {
            assert_eq!((API.newest, written), (13, Some(&[[7; 16].as_slice(), &[2]].concat()[..])));
        } else {
            assert_eq!((API.newest, written), (12, Some(&b"\x06topic\x02"[..])));
        }
    }
}
