//! Produce requests and their answers, as scripts write them.
use crate::normal::placeholder;
use kurier_broker::codec::{Value, object};

/// One partition's part of a Produce answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    /// The error code.
    pub error: i64,
    /// The first offset, or -1.
    pub offset: i64,
    /// The broker's time (`i64::MAX` if that is about now), or what a duplicate is answered with, or -1.
    pub append_time: i64,
    /// The indices of refused records.
    pub records: Vec<i64>,
}

/// Success at `offset`.
pub fn written(offset: i64) -> Produced {
    Produced { error: 0, offset, append_time: -1, records: Vec::new() }
}

/// Refused as a whole.
pub fn refused(error: i64) -> Produced {
    Produced { error, offset: -1, append_time: -1, records: Vec::new() }
}

/// A Produce request that serves every version, with 10 s for the replicas.
pub fn produce_request(acks: i16, parts: &[(&str, i32, Option<&[u8]>)]) -> Value {
    request(acks, 10_000, parts)
}

/// The same with acks -1 and so many ms for the replicas.
pub fn produce_within(timeout_ms: i32, parts: &[(&str, i32, Option<&[u8]>)]) -> Value {
    request(-1, timeout_ms, parts)
}

fn request(acks: i16, timeout_ms: i32, parts: &[(&str, i32, Option<&[u8]>)]) -> Value {
    let mut topics: Vec<(&str, Vec<Value>)> = Vec::new();
    for &(topic, index, records) in parts {
        let records = records.map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec()));
        let part = object([("index", index.into()), ("records", records)]);
        match topics.iter_mut().find(|(name, _)| *name == topic) {
            Some((_, parts)) => parts.push(part),
            None => topics.push((topic, vec![part])),
        }
    }
    let topics = topics.into_iter().map(|(name, parts)| {
        let (topic_id, parts) = (Value::Uuid(placeholder(name)), Value::Array(parts));
        object([("name", name.into()), ("topicId", topic_id), ("partitionData", parts)])
    });
    let topics = Value::Array(topics.collect());
    object([("acks", acks.into()), ("timeoutMs", timeout_ms.into()), ("topicData", topics)])
}

/// The only partition of a Produce answer.
pub fn produced(body: &Value) -> Produced {
    let [topic] = body.list("responses") else { panic!("{body:?}") };
    let [part] = topic.list("partitionResponses") else { panic!("{body:?}") };
    Produced {
        error: part.int("errorCode"),
        offset: part.int("baseOffset"),
        append_time: part.int("logAppendTimeMs"),
        records: part.list("recordErrors").iter().map(|record| record.int("batchIndex")).collect(),
    }
}
