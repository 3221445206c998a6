//! One request: from its frame to its answer.
//!
//! Invariant: a request is answered in the order it came in, or its connection ends.
//! Source: `SocketServer.parseRequestHeader`, `RequestHeader.parse`, `KafkaApis.handle` of Kafka 4.3.
use std::borrow::Cow;

use crate::api;
use crate::bytes::{Reader, Writer};
use crate::cluster::ConnectionId;
use kurier_core::wire::ErrorCode;

use crate::error::Close;
use crate::log::Append;
use crate::produce::{self, Answer, PartitionAnswer, ProduceRequest, ProduceTopic, TopicAnswer};
use crate::replication::Delayed;
use crate::request::{Body, Fault, Injector, Reply, RequestInfo};
use crate::state::State;
use crate::{api_versions, fetch, find_coordinator, init_producer_id, list_offsets, metadata};

/// What a connection does after a request.
#[derive(Debug)]
pub(crate) enum Next {
    /// Reads on.
    Read,
    /// Answers when the followers have what was appended, or the time for it is over.
    Replicate(Box<Delayed>),
    /// Holds the answer back and reads nothing until then.
    Hold(i64),
    /// Has given the answer, and reads nothing until then.
    Mute(i64),
    /// Comes back with the same frame when something was appended, at the latest then.
    Wait(i64),
    /// Never does anything again.
    Hang,
    /// Closes, once what was written before is sent.
    Close(Close),
}

/// Where a request comes from and what may be done to it.
pub(crate) struct Context<'c> {
    pub(crate) state: &'c mut State,
    pub(crate) injector: Option<&'c mut Injector>,
    pub(crate) index: u64,
    pub(crate) broker: i32,
    pub(crate) connection: ConnectionId,
    pub(crate) now: i64,
    pub(crate) attempt: Attempt,
}

/// A fetch may be served more than once before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    /// Something was appended.
    Again,
    /// It has waited long enough.
    Last,
}

/// Serves the request in `frame` (without its size) and writes its answer at the end of `out`.
pub(crate) fn serve(cx: Context<'_>, frame: &[u8], out: &mut Vec<u8>) -> Next {
    let Context { state, injector, index, broker, connection, now, attempt } = cx;
    let mut info = match read(state, frame, index, broker, connection, now) {
        Ok(info) => info,
        Err(close) => return Next::Close(close),
    };
    name_topics(state, &mut info.body);
    let fault = injector
        .filter(|_| attempt == Attempt::First)
        .and_then(|injector| injector(&info))
        .unwrap_or_default();
    let start = out.len();
    let next = carry_out(state, &info, &fault, attempt, out);
    put_size(out, start);
    if let (Some(change), true) = (fault.alter, out.len() > start) {
        let mut answer = out.split_off(start);
        change(&mut answer);
        out.append(&mut answer);
    }
    let waits = matches!(next, Next::Wait(_) | Next::Replicate(_));
    let after = match fault.reply {
        Reply::Send => next,
        Reply::Lose => Next::Read,
        Reply::Hang => Next::Hang,
        Reply::Close => Next::Close(Close::Fault),
    };
    if fault.reply != Reply::Send || waits {
        out.truncate(start);
    }
    match after {
        Next::Read | Next::Mute(_) if fault.delay_ms > 0 => Next::Hold(now.saturating_add(fault.delay_ms)),
        after => after,
    }
}

fn read<'f>(
    state: &State,
    frame: &'f [u8],
    index: u64,
    broker: i32,
    connection: ConnectionId,
    now: i64,
) -> Result<RequestInfo<'f>, Close> {
    let mut r = Reader::new(frame, false);
    let mut fixed = || Ok::<_, crate::bytes::Malformed>((r.i16()?, r.i16()?, r.i32()?));
    let (api, version, correlation) = fixed().map_err(|_| Close::Malformed)?;
    let range = state.settings.range(api).zip(api::spoken(api));
    let advertised = range.is_some_and(|(range, _)| (range.min..=range.max).contains(&version));
    let spoken = range.is_some_and(|(_, (min, max))| (min..=max).contains(&version));
    let client_id = r.nullable_string().map_err(|_| Close::Malformed)?;
    let info = |body| RequestInfo {
        index,
        broker,
        connection,
        now,
        api,
        version,
        correlation,
        client_id,
        size: frame.len(),
        body,
    };
    if !(advertised && spoken) {
        // Kafka reads the header of the version it was told before it sees that it does not speak it.
        if api == api::API_VERSIONS && range.is_some() {
            return Ok(info(Body::UnsupportedApiVersions));
        }
        return Err(Close::UnsupportedRequest { api, version });
    }
    let mut body = r.with_flexible(api::flexible(api, version));
    body.end().map_err(|_| Close::Malformed)?;
    let body = Body::read(api, version, body).map_err(|_| Close::Malformed)?;
    Ok(info(body))
}

/// From version 13 on topics come by id; tests want names.
fn name_topics(state: &State, body: &mut Body<'_>) {
    if let Body::Produce(request) = body {
        for topic in request.topics.iter_mut().filter(|topic| topic.id != [0; 16]) {
            if let Some(known) = state.topic_by_id(&topic.id) {
                topic.name = Cow::Owned(known.name.clone());
            }
        }
    }
}

/// Does what is asked and writes the answer: four bytes for the size, header, body.
fn carry_out(
    state: &mut State,
    info: &RequestInfo<'_>,
    fault: &Fault,
    attempt: Attempt,
    out: &mut Vec<u8>,
) -> Next {
    let version = match info.body {
        Body::UnsupportedApiVersions => 0,
        _ => info.version,
    };
    let flexible = api::flexible(info.api, version);
    let throttle_ms = throttle_ms(state, info, fault);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&info.correlation.to_be_bytes());
    if flexible && info.api != api::API_VERSIONS {
        out.push(0);
    }
    let w = &mut Writer::new(out, flexible);
    match &info.body {
        Body::Produce(request) => match produce_with_faults(state, info, request, fault) {
            Answer::Silence => return Next::Hang,
            Answer::Topics(topics) if request.acks == 0 => {
                out.truncate(out.len() - 8 - usize::from(flexible));
                let failed =
                    topics.iter().flat_map(|topic| &topic.partitions).any(|answer| !answer.error().is_none());
                return if failed { Next::Close(Close::AcksZero) } else { after_throttle(info, throttle_ms) };
            }
            Answer::Topics(topics) => {
                let waits = request.acks == -1;
                let delayed = if waits {
                    Delayed::new(state, info.broker, topics, request.timeout_ms, info.now)
                } else {
                    Err(topics)
                };
                match delayed {
                    Ok(mut delayed) => {
                        delayed.version = version;
                        delayed.correlation = info.correlation;
                        delayed.throttle_ms = throttle_ms;
                        return Next::Replicate(Box::new(delayed));
                    }
                    Err(topics) => produce::write(w, version, throttle_ms, &topics, state),
                }
            }
        },
        Body::Fetch(request) => {
            if attempt != Attempt::Last
                && request.max_wait_ms > 0
                && !fetch::is_ready(state, info.broker, request)
            {
                return Next::Wait(info.now.saturating_add(i64::from(request.max_wait_ms)));
            }
            fetch::write(w, version, state, info.broker, request);
        }
        Body::ListOffsets(request) => list_offsets::write(w, version, state, info.broker, request),
        Body::Metadata(request) => {
            if let Some((error, refused)) = metadata::refusal(request, version) {
                let nobody = metadata::About { throttle_ms, error, cluster_id: None, brokers: &[] };
                metadata::write(w, version, request, &refused, &nobody, None);
            } else if fault.error == Some(ErrorCode::REBOOTSTRAP_REQUIRED) && version >= 13 {
                let error = ErrorCode::REBOOTSTRAP_REQUIRED;
                let nobody = metadata::About { throttle_ms, error, cluster_id: None, brokers: &[] };
                metadata::write(w, version, request, &[], &nobody, None);
            } else {
                let alive = state.alive().map(|broker| (broker.id, broker.host.clone(), broker.port));
                let (brokers, cluster_id): (Vec<_>, _) = (alive.collect(), state.settings.cluster_id.clone());
                let about = metadata::About {
                    throttle_ms,
                    error: ErrorCode::NONE,
                    cluster_id: Some(&cluster_id),
                    brokers: &brokers,
                };
                let found = metadata::handle(state, request, info.broker, fault.skip);
                metadata::write(w, version, request, &found, &about, fault.error);
            }
        }
        Body::FindCoordinator(request) => {
            find_coordinator::write(w, version, throttle_ms, state, request, fault.error)
        }
        Body::ApiVersions(request) => {
            let error = fault.error.unwrap_or_else(|| api_versions::judge(request, version));
            if error == ErrorCode::UNSUPPORTED_VERSION {
                api_versions::write(&mut Writer::new(out, false), 0, &state.settings, error, throttle_ms);
            } else {
                api_versions::write(w, version, &state.settings, error, throttle_ms);
            }
        }
        Body::UnsupportedApiVersions => {
            api_versions::write(w, 0, &state.settings, ErrorCode::UNSUPPORTED_VERSION, throttle_ms);
        }
        Body::InitProducerId(request) => {
            let outcome = if fault.skip {
                Err(fault.error.unwrap_or_default())
            } else if let Err(denied) = init_producer_id::authorize(request, &state.access) {
                Err(denied)
            } else {
                let outcome = state.identities.init(request, &state.settings);
                fault.error.map_or(outcome, Err)
            };
            init_producer_id::write(w, version, throttle_ms, outcome);
        }
    }
    after_throttle(info, throttle_ms)
}

/// What is told and kept: the test's order, else what the client's quota asks.
fn throttle_ms(state: &mut State, info: &RequestInfo<'_>, fault: &Fault) -> i32 {
    let (produced, exempt, ordered) = match &info.body {
        Body::Produce(request) => (Some(info.size), request.acks == 0, state.settings.throttle_ms),
        Body::Fetch(_) | Body::ListOffsets(_) => return fault.throttle_ms.unwrap_or(0),
        _ => (None, false, 0),
    };
    let client_id = info.client_id.as_deref().unwrap_or_default();
    let by_quota = state.quotas.record(info.broker, client_id, produced, exempt, info.now);
    fault.throttle_ms.unwrap_or(ordered.max(by_quota))
}

fn after_throttle(info: &RequestInfo<'_>, throttle_ms: i32) -> Next {
    if throttle_ms > 0 { Next::Mute(info.now.saturating_add(i64::from(throttle_ms))) } else { Next::Read }
}

/// Writes the answer of a produce request that has waited for followers.
pub(crate) fn answer_delayed(state: &State, delayed: &Delayed, now: i64, out: &mut Vec<u8>) -> Next {
    let start = out.len();
    let flexible = api::flexible(api::PRODUCE, delayed.version);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&delayed.correlation.to_be_bytes());
    if flexible {
        out.push(0);
    }
    let w = &mut Writer::new(out, flexible);
    produce::write(w, delayed.version, delayed.throttle_ms, &delayed.topics, state);
    put_size(out, start);
    let throttle_ms = i64::from(delayed.throttle_ms);
    if throttle_ms > 0 { Next::Mute(now.saturating_add(throttle_ms)) } else { Next::Read }
}

/// The size of the frame that begins at `start`, in its first four bytes.
fn put_size(out: &mut [u8], start: usize) {
    let length = out.len().saturating_sub(start + 4) as i32;
    if let Some(size) = out.get_mut(start..).and_then(|answer| answer.first_chunk_mut()) {
        *size = length.to_be_bytes();
    }
}

fn produce_with_faults(
    state: &mut State,
    info: &RequestInfo<'_>,
    request: &ProduceRequest<'_>,
    fault: &Fault,
) -> Answer {
    state.expire_producers(info.now);
    if !fault.skip && fault.error.is_none() {
        return produce::handle(state, info.broker, request, info.version, info.now);
    }
    let mut served = request.clone();
    if fault.skip {
        for topic in &mut served.topics {
            let name = topic.name.clone();
            topic.partitions.retain(|partition| !fault.strikes(&name, partition.index));
        }
        served.topics.retain(|topic| !topic.partitions.is_empty());
    }
    let mut topics = match produce::handle(state, info.broker, &served, info.version, info.now) {
        Answer::Topics(topics) => topics,
        Answer::Silence => return Answer::Silence,
    };
    if let (false, Some(error)) = (fault.skip, fault.error) {
        for topic in &mut topics {
            let TopicAnswer { name, partitions, .. } = topic;
            partitions
                .iter_mut()
                .filter(|answer| fault.strikes(name, answer.index))
                // That it is a duplicate is said only of what is in the log.
                .filter(|answer| error != ErrorCode::DUPLICATE_SEQUENCE_NUMBER || answer.error().is_none())
                .for_each(|answer| answer.fail(error));
        }
    }
    for topic in request.topics.iter().filter(|_| fault.skip) {
        let struck = topic.partitions.iter().filter(|partition| fault.strikes(&topic.name, partition.index));
        let answers: Vec<PartitionAnswer> =
            struck.map(|partition| skipped(state, topic, partition.index, fault.error)).collect();
        match topics.iter_mut().find(|answer| answer.id == topic.id && answer.name == topic.name) {
            Some(answer) => answer.partitions.extend(answers),
            None if answers.is_empty() => {}
            None => {
                let name = topic.name.clone().into_owned();
                topics.push(TopicAnswer { name, id: topic.id, partitions: answers });
            }
        }
    }
    Answer::Topics(topics)
}

fn skipped(state: &State, topic: &ProduceTopic<'_>, index: i32, error: Option<ErrorCode>) -> PartitionAnswer {
    let mut answer = PartitionAnswer::refused(index, error.unwrap_or_default());
    // Brokers that said so told where the log begins, which may be behind what the producer wrote.
    if error == Some(ErrorCode::UNKNOWN_PRODUCER_ID) {
        let partition = state.topic(&topic.name).and_then(|topic| topic.partition(index));
        answer.log_start_offset = partition.map_or(-1, |partition| partition.log.start());
    }
    if error.is_none() {
        answer.outcome = Ok(Append { base_offset: 0, end_offset: 0, log_append_time: -1, duplicate: false });
    }
    answer
}
