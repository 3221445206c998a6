//! The requests that the client emits against bytes made by Kafka's own classes.
#![allow(clippy::unwrap_used)]
use kurier_broker::codec::{self, Value};
use kurier_core::wire::{Counter, Flat, Sink, api_versions, header, init_producer_id, metadata, produce};
use kurier_tests::messages::{Line, messages};
use kurier_tests::vectors::{hex, int};

/// Emits the body that `value` describes; false if the client never sends such a request.
fn body<'a, S: Sink<'a>>(sink: &mut S, key: i16, version: i16, value: &'a Value) -> bool {
    match key {
        0 => produce_body(sink, version, value),
        3 => metadata_body(sink, version, value),
        18 => {
            let (name, software) = (value.text("clientSoftwareName"), value.text("clientSoftwareVersion"));
            api_versions::emit(sink, version, name, software);
            true
        }
        22 => {
            init_producer_id::emit(
                sink,
                version,
                value.text_or_null("transactionalId"),
                value.int("transactionTimeoutMs") as i32,
                value.int("producerId"),
                value.int("producerEpoch") as i16,
            );
            true
        }
        _ => false,
    }
}

fn produce_body<'a, S: Sink<'a>>(sink: &mut S, version: i16, value: &'a Value) -> bool {
    let topics = value.list("topicData");
    let transactional_id = value.text_or_null("transactionalId");
    let (acks, timeout) = (value.int("acks") as i16, value.int("timeoutMs") as i32);
    produce::emit_begin(sink, version, transactional_id, acks, timeout, topics.len() as u32);
    for topic in topics {
        let partitions = topic.list("partitionData");
        let id = match topic.field("topicId") {
            Value::Uuid(id) => id,
            _ => &[0; 16],
        };
        produce::emit_topic(sink, version, topic.text("name").as_bytes(), id, partitions.len() as u32);
        for partition in partitions {
            let Some(records) = partition.bytes("records") else { return false };
            produce::emit_partition(sink, version, partition.int("index") as i32, records);
        }
        produce::emit_topic_end(sink, version);
    }
    produce::emit_end(sink, version);
    true
}

fn metadata_body<'a, S: Sink<'a>>(sink: &mut S, version: i16, value: &'a Value) -> bool {
    let operations = ["includeClusterAuthorizedOperations", "includeTopicAuthorizedOperations"];
    if operations.iter().any(|name| value.bool(name)) {
        return false;
    }
    let topics = value.list_or_null("topics");
    metadata::emit_begin(sink, version, topics.map(|topics| topics.len() as u32));
    for topic in topics.unwrap_or_default() {
        let Some(name) = topic.text_or_null("name").filter(|_| topic.uuid("topicId") == [0; 16]) else {
            return false;
        };
        metadata::emit_topic(sink, version, name.as_bytes());
    }
    metadata::emit_end(sink, version, value.bool("allowAutoTopicCreation"));
    true
}

fn frame<'a, S: Sink<'a>>(sink: &mut S, line: &'a Line, value: &'a Value) -> bool {
    let head = &line.json["header"];
    let (correlation, client_id) = (int(&head["correlationId"]) as i32, head["clientId"].as_str());
    header::emit_request(sink, &line.message.api, line.version, correlation, client_id);
    body(sink, line.message.api.key, line.version, value)
}

fn requests() -> Vec<Line> {
    messages("messages").into_iter().filter(|line| line.json["direction"] == "request").collect()
}

#[test]
fn vectors_emitted_requests_are_kafkas_bytes() {
    let mut seen = std::collections::BTreeMap::new();
    for line in requests() {
        // What the client never sends: unknown tags of its own, null records, topics by id, operations.
        let value = line.value(&line.json["json"]);
        let mut counter = Counter::new();
        let no_tags = |tags: &serde_json::Value| tags.as_array().is_none_or(Vec::is_empty);
        if !no_tags(&line.json["unknownTags"])
            || !no_tags(&line.json["header"]["unknownTags"])
            || !frame(&mut counter, &line, &value)
        {
            continue;
        }
        let mut buffer = vec![0; counter.len()];
        let mut flat = Flat::new(&mut buffer);
        frame(&mut flat, &line, &value);
        let mut bytes = counter.size_field().unwrap().to_vec();
        bytes.extend_from_slice(flat.written().unwrap());
        assert_eq!(hex(&bytes), hex(&line.bytes("frame")), "{}", line.id());
        *seen.entry((line.message.api.key, line.version)).or_insert(0) += 1;
    }
    for (key, versions) in [(0, 3..=13), (3, 4..=13), (18, 0..=4), (22, 0..=5)] {
        for version in versions {
            assert!(seen.contains_key(&(key, version)), "nothing compared for key {key} version {version}");
        }
    }
}

#[test]
fn vectors_emitted_requests_are_read_by_the_broker_side() {
    for line in requests() {
        let value = line.value(&line.json["json"]);
        let mut buffer = vec![0; 1 << 20];
        let mut flat = Flat::new(&mut buffer);
        if !frame(&mut flat, &line, &value) {
            continue;
        }
        let (found, rest) = codec::request_header(flat.written().unwrap()).unwrap();
        assert_eq!((found.key, found.version), (line.message.api.key, line.version), "{}", line.id());
        let decoded = codec::decode_all(line.message, line.version, rest).unwrap();
        assert_eq!((decoded.value, decoded.unread), (value, 0), "{}", line.id());
    }
}
