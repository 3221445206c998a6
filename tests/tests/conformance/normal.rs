//! What is taken out of an answer before two brokers' answers are compared: addresses, other tests' topics, the times of
//! the clock, how long a throttled client waits (not whether), the numbers of producer ids (not their order), the wording
//! of messages (not their absence).
use kurier_broker::codec::Value;
use kurier_broker::{Server, api};
use std::collections::BTreeMap;

/// What one broker calls things.
#[derive(Debug, Default)]
pub struct Names {
    /// Topic ids, with the name each stands for.
    pub topics: BTreeMap<[u8; 16], String>,
    /// Producer ids in the order in which they were seen.
    pub producers: Vec<i64>,
    /// What the last answer said of throttling.
    pub throttle_ms: i64,
}

/// What a script calls the first producer id it was given; the next ones follow.
pub const FIRST: i64 = 1 << 40;

/// The id that stands for a topic in scripts and in compared answers.
pub fn placeholder(topic: &str) -> [u8; 16] {
    let mut id = [0xee; 16];
    id.iter_mut().zip(topic.bytes().rev()).for_each(|(place, byte)| *place ^= byte);
    id
}

impl Names {
    /// A script's request with this broker's topic and producer ids.
    pub fn localize(&self, value: &mut Value) {
        visit(value, &mut |name, value| {
            if let ("producerId", Value::Int(id)) = (name, &mut *value)
                && let Some(own) = usize::try_from(*id - FIRST).ok().and_then(|at| self.producers.get(at))
            {
                *id = *own;
            }
            if let Value::Uuid(id) = value
                && let Some((own, _)) = self.topics.iter().find(|(_, name)| placeholder(name) == *id)
            {
                *id = *own;
            }
        });
    }

    /// An answer as it can be compared.
    pub fn normalize(&mut self, api: i16, value: &mut Value) {
        let now = Server::now_ms();
        if api == api::METADATA {
            let own: Vec<String> = self.topics.values().cloned().collect();
            retain(value, "topics", |topic| {
                topic.int("errorCode") != 0 || own.iter().any(|name| name == topic.text("name"))
            });
        }
        if api == api::API_VERSIONS {
            let keys = [api::PRODUCE, api::METADATA, api::API_VERSIONS, api::INIT_PRODUCER_ID].map(i64::from);
            retain(value, "apiKeys", |range| keys.contains(&range.int("apiKey")));
            for features in ["supportedFeatures", "finalizedFeatures"] {
                retain(value, features, |feature| feature.text("name") == "transaction.version");
            }
        }
        visit(value, &mut |name, value| match (name, &mut *value) {
            ("throttleTimeMs", Value::Int(time)) => {
                self.throttle_ms = *time;
                *time = (*time).min(1);
            }
            ("host" | "clusterId", Value::Text(text)) => *text = "some".to_owned(),
            ("errorMessage" | "batchIndexErrorMessage", Value::Text(text)) => *text = "some".to_owned(),
            ("port" | "finalizedFeaturesEpoch", Value::Int(number)) => *number = 1,
            // Kafka names any broker.
            ("controllerId", Value::Int(number)) => *number = (*number).min(1),
            ("logAppendTimeMs", Value::Int(time)) if (now - *time).abs() < 60_000 => *time = i64::MAX,
            ("producerId", Value::Int(id)) if *id >= 0 => {
                if !self.producers.contains(id) {
                    self.producers.push(*id);
                }
                *id = self.producers.iter().position(|known| known == id).unwrap() as i64;
            }
            (_, Value::Uuid(id)) => {
                if let Some(topic) = self.topics.get(id) {
                    *id = placeholder(topic);
                }
            }
            (_, Value::Array(items)) => items.sort_by_key(|item| format!("{item:?}")),
            _ => {}
        });
    }
}

fn retain(value: &mut Value, list: &str, keep: impl Fn(&Value) -> bool) {
    if let Value::Struct(fields) = value {
        for (_, value) in fields.iter_mut().filter(|(name, _)| *name == list) {
            if let Value::Array(items) = value {
                items.retain(&keep);
            }
        }
    }
}

/// Everything inside `value`, the innermost first, with the name of its field.
fn visit(value: &mut Value, look: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Struct(fields) => {
            for (name, value) in fields {
                visit(value, look);
                look(name, value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, look)),
        _ => {}
    }
}
