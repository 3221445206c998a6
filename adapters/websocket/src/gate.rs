//! One connection's talk, sans I/O: what a client asks is read whole, judged, and *written anew*; so is the answer.
//!
//! No byte of a client's request reaches a broker but record batches: what the bridge has understood is what it
//! writes, in Kafka's own form. So nothing can be read one way here and another way there, whatever is done with
//! tagged fields, long varints, or bytes behind the last field.
//!
//! Let through are ApiVersions, Metadata, InitProducerId and Produce, without transactions, in the versions of the core's own
//! tables; and SASL, by which a client authenticates to the broker: credentials are not looked at and not kept. Answers are
//! narrowed to that: clients are told of these APIs only, and of the topics that are allowed. A topic that is not is
//! answered for as a broker would: TOPIC_AUTHORIZATION_FAILED.
use self::topics::{Topic, unknown_ids};
use crate::cluster::Cluster;
use crate::refusal::{Kind, Refusal};
use crate::topics::Topics;
use kurier_broker::codec::{self, Direction, RequestHeader, Value, object};
use kurier_core::wire::{
    Api, ErrorCode, Item, Walker, api_versions, init_producer_id, metadata, produce, registry,
    sasl_authenticate, sasl_handshake,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// What is let through.
const APIS: [Api; 6] = [
    produce::API,
    metadata::API,
    api_versions::API,
    init_producer_id::API,
    // What follows version 0 has no Kafka header (KIP-152), so it could not be read.
    Api { oldest: 1, ..sasl_handshake::API },
    sasl_authenticate::API,
];
/// Structs in one request: what is read takes memory in proportion to them.
const MAX_STRUCTS: u32 = 4_096;
/// Structs in one answer: partitions of a large topic.
const MAX_ANSWER_STRUCTS: u32 = 200_000;
/// What a struct weighs beside a number or a text.
const WEIGHT: u32 = 16;
/// Requests of one connection that wait for their answers.
pub(crate) const MAX_WAITING: usize = 32;

/// What holds for every connection, and what all of them have learned.
#[derive(Debug)]
pub struct Rules {
    /// Topics that may be written to.
    pub(crate) topics: Topics,
    /// Whether metadata requests may create them.
    pub(crate) allow_auto_create: bool,
    /// What is known of the cluster.
    pub(crate) cluster: Cluster,
}

impl Rules {
    /// Of a cluster that is begun with at `bootstrap`, and has `others` that its metadata does not name.
    pub fn new(
        topics: Topics,
        allow_auto_create: bool,
        bootstrap: Vec<(String, u16)>,
        others: &[(String, u16)],
    ) -> Self {
        Self { topics, allow_auto_create, cluster: Cluster::new(bootstrap, others) }
    }
}

/// The judge of one connection. Requests and answers are payloads: frames without their size.
#[derive(Debug)]
pub struct Gate {
    rules: Arc<Rules>,
    /// Answers that are due, in order.
    waiting: VecDeque<Due>,
}

#[derive(Debug)]
enum Due {
    /// The broker's.
    Broker { key: i16, version: i16, correlation: i32, denied: Vec<Topic> },
    /// The bridge's own.
    Ready(Vec<u8>),
}

impl Gate {
    /// Nothing has been said yet.
    pub const fn new(rules: Arc<Rules>) -> Self {
        Self { rules, waiting: VecDeque::new() }
    }

    /// Whether the client must wait until a request is answered.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Whether no answer is due.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Judges a request. Answers the frame to send to the broker, if it is one for the broker.
    ///
    /// # Errors
    /// It is not let through, and the connection is to be closed.
    pub fn request(&mut self, payload: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let key = payload.first_chunk().map_or(-1, |key| i16::from_be_bytes(*key));
        let api = allowed(key).ok_or_else(|| {
            forbidden(format!("requests of API key {key} are not let through, only a producer's"))
        })?;
        let (header, body) = codec::request_header(payload).map_err(malformed)?;
        let RequestHeader { version, correlation, .. } = header;
        if !(api.oldest..=api.newest).contains(&version) {
            if key != api_versions::API.key {
                return Err(version_refused(key, version));
            }
            // As a broker answers a version that it does not know (KIP-511).
            self.waiting.push_back(Due::Ready(unsupported_version(correlation)?));
            return Ok(None);
        }
        let value = read(key, version, Direction::Request, body, MAX_STRUCTS)?;
        let mut denied = Vec::new();
        let value = match key {
            0 => {
                let value = without_transaction(value)?;
                if !self.judge_produce(&value, version)? {
                    self.waiting.push_back(Due::Ready(unknown_ids(&value, version, correlation)?));
                    return Ok(None);
                }
                value
            }
            3 => self.judge_metadata(&value, &mut denied),
            22 => without_transaction(value)?,
            _ => value,
        };
        let answered = key != produce::API.key || value.int("acks") != 0;
        let mut payload = Vec::with_capacity(body.len() + 64);
        payload.extend(key.to_be_bytes());
        payload.extend(version.to_be_bytes());
        payload.extend(correlation.to_be_bytes());
        let id = header.client_id.as_deref();
        let length = id.map_or(Ok(-1), |id| i16::try_from(id.len())).map_err(malformed)?;
        payload.extend(length.to_be_bytes());
        payload.extend_from_slice(id.unwrap_or_default().as_bytes());
        if api.request_header(version) >= 2 {
            payload.push(0);
        }
        payload.extend(codec::encode(key, version, Direction::Request, &value).map_err(malformed)?);
        if answered {
            self.waiting.push_back(Due::Broker { key, version, correlation, denied });
        }
        Ok(Some(codec::frame(&payload)))
    }

    /// The next answer of the bridge's own, if it is its turn.
    pub fn ready(&mut self) -> Option<Vec<u8>> {
        match self.waiting.pop_front()? {
            Due::Ready(frame) => Some(frame),
            due => {
                self.waiting.push_front(due);
                None
            }
        }
    }

    /// Judges the broker's answer, and answers the frame for the client.
    ///
    /// # Errors
    /// It is no answer to what was asked.
    pub fn answer(&mut self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Some(Due::Broker { key, version, correlation, denied }) = self.waiting.pop_front() else {
            return Err(garbage("an answer to nothing"));
        };
        let (found, body) =
            payload.split_first_chunk().ok_or_else(|| garbage("an answer without a header"))?;
        if i32::from_be_bytes(*found) != correlation {
            return Err(garbage("an answer to another request"));
        }
        let api = allowed(key).ok_or_else(|| garbage("no such API"))?;
        let body = if api.response_header(version) >= 1 { skip_tags(body)? } else { body };
        let value = read(key, version, Direction::Response, body, MAX_ANSWER_STRUCTS)
            .map_err(|refusal| garbage(refusal.reason))?;
        let mut written_in = version;
        let value = match key {
            0 => self.learn_leaders(value),
            3 => self.narrow_metadata(value, version, denied),
            18 => {
                if value.int("errorCode") == i64::from(ErrorCode::UNSUPPORTED_VERSION.0) {
                    written_in = 0;
                }
                narrow_versions(&value)
            }
            _ => value,
        };
        let mut payload = codec::response_header(api, version, correlation, &Vec::new());
        payload.extend(codec::encode(key, written_in, Direction::Response, &value).map_err(garbage)?);
        Ok(codec::frame(&payload))
    }
}

/// The API of this key, if it is let through.
fn allowed(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// Refuses what takes part in a transaction.
fn without_transaction(value: Value) -> Result<Value, Refusal> {
    match value.text_or_null("transactionalId") {
        None => Ok(value),
        Some(_) => Err(forbidden("transactions are not let through")),
    }
}

/// The APIs that are let through, in the versions that both sides know.
fn narrow_versions(value: &Value) -> Value {
    let known = value.list("apiKeys").iter().filter_map(|range| {
        let Api { key, oldest, newest, .. } = i16::try_from(range.int("apiKey")).ok().and_then(allowed)?;
        let oldest = range.int("minVersion").max(i64::from(*oldest));
        let newest = range.int("maxVersion").min(i64::from(*newest));
        (oldest <= newest).then(|| {
            object([("apiKey", (*key).into()), ("minVersion", oldest.into()), ("maxVersion", newest.into())])
        })
    });
    object([
        ("errorCode", value.int("errorCode").into()),
        ("apiKeys", known.collect()),
        ("throttleTimeMs", value.int("throttleTimeMs").into()),
    ])
}

/// The answer to ApiVersions in a version that is not known.
fn unsupported_version(correlation: i32) -> Result<Vec<u8>, Refusal> {
    let api = api_versions::API;
    let range = object([
        ("apiKey", api.key.into()),
        ("minVersion", api.oldest.into()),
        ("maxVersion", api.newest.into()),
    ]);
    let value =
        object([("errorCode", ErrorCode::UNSUPPORTED_VERSION.0.into()), ("apiKeys", vec![range].into())]);
    let mut payload = correlation.to_be_bytes().to_vec();
    payload.extend(codec::encode(api.key, 0, Direction::Response, &value).map_err(malformed)?);
    Ok(codec::frame(&payload))
}

/// Reads a message; what the table does not know is left out. No more than `max` structs are kept, so that a message cannot
/// take much more memory than it is long.
fn read(key: i16, version: i16, direction: Direction, body: &[u8], max: u32) -> Result<Value, Refusal> {
    let message = registry::message(key, direction).ok_or_else(|| malformed("no such API"))?;
    let len = u32::try_from(body.len()).map_err(malformed)?;
    let mut walker = Walker::new(message, version, len);
    let mut builder = codec::Builder::new(message);
    let (mut input, mut weight) = (body, 0_u32);
    loop {
        let item = walker.next(&mut input).map_err(malformed)?;
        match item {
            Item::Done => return Ok(builder.finish().value),
            Item::NeedMore => return Err(malformed("the frame ends before the message does")),
            Item::Element { .. } => weight += WEIGHT,
            Item::Int { .. } | Item::Chunk { first: true, .. } => weight += 1,
            _ => (),
        }
        if weight > max.saturating_mul(WEIGHT) {
            return Err(Refusal::new(Kind::TooLarge, "a message of too many topics and partitions"));
        }
        builder.take(item);
    }
}

/// The body of an answer, behind its header's tagged fields.
fn skip_tags(bytes: &[u8]) -> Result<&[u8], Refusal> {
    match bytes.split_first() {
        Some((0, body)) => Ok(body),
        // No broker has sent any since there are such headers.
        _ => Err(garbage("an answer with tagged fields in its header")),
    }
}

fn version_refused(key: i16, version: i16) -> Refusal {
    let reason = format!("version {version} of API key {key} is not let through; ask ApiVersions");
    Refusal::new(Kind::Malformed, reason)
}

fn malformed(what: impl ToString) -> Refusal {
    Refusal::new(Kind::Malformed, format!("a request cannot be read: {}", what.to_string()))
}

fn forbidden(reason: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Kind::Forbidden, reason)
}

fn garbage(what: impl ToString) -> Refusal {
    Refusal::new(Kind::BrokerGarbage, format!("the broker's answer cannot be read: {}", what.to_string()))
}

#[cfg(test)]
mod tests;
mod topics;
