//! The topics of a request and of its answer: which ones pass, and what is said of the others. What brokers tell of
//! themselves and of topics' ids on the way is learned.
use super::{Gate, Rules, forbidden, malformed};
use crate::refusal::{Kind, Refusal};
use kurier_broker::codec::{self, Direction, Value, object};
use kurier_core::wire::{ErrorCode, produce};

/// A topic as it was asked for.
#[derive(Debug)]
pub(super) struct Topic {
    name: Option<String>,
    id: [u8; 16],
}

impl Gate {
    /// Whether every topic may be written to. False: an id is not known here, which may be that of any topic.
    pub(super) fn judge_produce(&self, value: &Value, version: i16) -> Result<bool, Refusal> {
        let Rules { topics, cluster, .. } = &*self.rules;
        if version >= 13 {
            // Only those of allowed topics are learned.
            return Ok(value
                .list("topicData")
                .iter()
                .all(|topic| cluster.name_of(&topic.uuid("topicId")).is_some()));
        }
        match value.list("topicData").iter().find(|topic| !topics.allows(topic.text("name"))) {
            Some(topic) => {
                Err(forbidden(format!("topic {} may not be written to (--allow-topic)", topic.text("name"))))
            }
            None => Ok(true),
        }
    }

    /// The request without topics that are not allowed, which are put into `denied`.
    pub(super) fn judge_metadata(&self, value: &Value, denied: &mut Vec<Topic>) -> Value {
        let topics = value.list_or_null("topics").map(|topics| {
            let mut allowed = Vec::new();
            for topic in topics {
                let id = topic.uuid("topicId");
                // Asked for by id, its name must say nothing: which of both counts is the broker's affair.
                let name = topic.text_or_null("name").filter(|_| id == [0; 16]).map(str::to_owned);
                let known = name.clone().or_else(|| self.rules.cluster.name_of(&id));
                if known.is_some_and(|name| self.rules.topics.allows(&name)) {
                    allowed.push(object([("name", name.into()), ("topicId", id.into())]));
                } else {
                    denied.push(Topic { name, id });
                }
            }
            Value::Array(allowed)
        });
        let create = self.rules.allow_auto_create && value.bool("allowAutoTopicCreation");
        object([("topics", topics.unwrap_or(Value::Null)), ("allowAutoTopicCreation", create.into())])
    }

    /// The answer with allowed topics only, and with a refusal of each that was asked for.
    pub(super) fn narrow_metadata(&self, value: Value, version: i16, denied: Vec<Topic>) -> Value {
        let Rules { topics, cluster, .. } = &*self.rules;
        cluster.learn_brokers(addresses(&value, "brokers"));
        change(value, "topics", |found| {
            let Value::Array(found) = found else { return Value::Array(Vec::new()) };
            // What has no name was asked for by an id that was allowed, and has an error.
            let mut kept: Vec<Value> = found
                .into_iter()
                .filter(|topic| topic.text_or_null("name").is_none_or(|name| topics.allows(name)))
                .collect();
            for topic in &kept {
                if let (Some(name), id) = (topic.text_or_null("name"), topic.uuid("topicId"))
                    && id != [0; 16]
                {
                    cluster.learn_id(id, name);
                }
            }
            kept.extend(denied.into_iter().map(|topic| {
                object([
                    ("errorCode", ErrorCode::TOPIC_AUTHORIZATION_FAILED.0.into()),
                    // Before version 12 a topic without a name has an empty one.
                    ("name", topic.name.or_else(|| (version < 12).then(String::new)).into()),
                    ("topicId", topic.id.into()),
                ])
            }));
            Value::Array(kept)
        })
    }

    /// New leaders of a Produce answer (KIP-951) are brokers, too.
    pub(super) fn learn_leaders(&self, value: Value) -> Value {
        self.rules.cluster.learn_brokers(addresses(&value, "nodeEndpoints"));
        value
    }
}

/// The answer to Produce by ids of which one is not known: as a broker's whose metadata is behind. The client asks for
/// metadata, by which the bridge learns the ids, too, as after it was started anew.
pub(super) fn unknown_ids(value: &Value, version: i16, correlation: i32) -> Result<Vec<u8>, Refusal> {
    if value.int("acks") == 0 {
        return Err(Refusal::new(Kind::Malformed, "a topic's id is not known here; ask for metadata"));
    }
    let topics = value.list("topicData").iter().map(|topic| {
        let partitions = topic.list("partitionData").iter().map(|partition| {
            object([
                ("index", partition.int("index").into()),
                ("errorCode", ErrorCode::UNKNOWN_TOPIC_ID.0.into()),
                ("baseOffset", (-1).into()),
            ])
        });
        object([("topicId", topic.uuid("topicId").into()), ("partitionResponses", partitions.collect())])
    });
    let answer = object([("responses", topics.collect())]);
    let mut payload = codec::response_header(&produce::API, version, correlation, &Vec::new());
    payload
        .extend(codec::encode(produce::API.key, version, Direction::Response, &answer).map_err(malformed)?);
    Ok(codec::frame(&payload))
}

fn change(value: Value, name: &str, with: impl FnOnce(Value) -> Value) -> Value {
    let Value::Struct(mut fields) = value else { return value };
    if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == name) {
        *field = with(std::mem::replace(field, Value::Null));
    }
    Value::Struct(fields)
}

/// The brokers of an answer's list.
fn addresses<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = (&'a str, i64)> {
    value.list(list).iter().map(|broker| (broker.text("host"), broker.int("port")))
}
