//! Produce: what a broker checks before a batch reaches the log, and the answer.
//!
//! Transactions are not modelled: a transactional batch without a transactional id is refused as Kafka does, one
//! with an id as INVALID_TXN_STATE. Source: `KafkaApis.handleProduceRequest`, `ProduceRequest.validateRecords`,
//! `ReplicaManager.appendRecords`, `Partition.appendRecordsToLeader` of Kafka 4.3; versions 3-13.
mod message;

pub(crate) use message::{PartitionAnswer, TopicAnswer, write};
pub use message::{ProducePartition, ProduceRequest, ProduceTopic};

use crate::batch::{Batch, Corrupt, PRODUCER_ID_END, ZSTD, split_first};
use crate::bytes::Uuid;
use crate::log::{Append, Refusal};
use crate::state::{State, Topic, is_internal};
use kurier_core::wire::ErrorCode;

/// What a broker does about a request as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Topics(Vec<TopicAnswer>),
    /// A real broker stumbles and never answers, nor reads on.
    Silence,
}

/// A refusal of one partition's record set, or of the whole request.
enum Bad {
    Partition(ErrorCode),
    Request(ErrorCode),
}

/// Carries the request out on `broker`.
pub(crate) fn handle(
    state: &mut State,
    broker: i32,
    request: &ProduceRequest<'_>,
    version: i16,
    now: i64,
) -> Answer {
    let transactional = match any_transactional(request) {
        Ok(transactional) => transactional,
        Err(Corrupt) => {
            let message = Some("a record set begins with no batch");
            return refuse_all(request, ErrorCode::CORRUPT_MESSAGE, message);
        }
    };
    if transactional && request.transactional_id.is_none() {
        return refuse_all(request, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, None);
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        match judge_topic(state, broker, request, topic, version) {
            Ok(judged) => topics.push(judged),
            Err(Judged::Silence) => return Answer::Silence,
            Err(Judged::Refused(error)) => return refuse_all(request, error, None),
        }
    }
    let answers = topics.into_iter().map(|judged| append_topic(state, request.acks, judged, version, now));
    Answer::Topics(answers.collect())
}

fn any_transactional(request: &ProduceRequest<'_>) -> Result<bool, Corrupt> {
    for records in request.partitions().filter_map(|partition| partition.records) {
        if split_first(records)?.is_some_and(|(batch, _)| batch.is_transactional()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refuse_all(request: &ProduceRequest<'_>, error: ErrorCode, message: Option<&'static str>) -> Answer {
    if request.partitions().any(|partition| partition.records.is_none()) {
        return Answer::Silence;
    }
    let refused = |partition: &ProducePartition<'_>| {
        let refusal = Refusal { message, ..Refusal::early(error) };
        PartitionAnswer { outcome: Err(refusal), ..PartitionAnswer::refused(partition.index, error) }
    };
    let of_topic = |topic: &ProduceTopic<'_>| TopicAnswer {
        name: topic.name.clone().into_owned(),
        id: topic.id,
        partitions: topic.partitions.iter().map(refused).collect(),
    };
    Answer::Topics(request.topics.iter().map(of_topic).collect())
}

/// A topic with each partition's batch, or the error that was found before the log.
struct JudgedTopic<'a> {
    name: String,
    id: Uuid,
    partitions: Vec<(i32, Result<Batch<'a>, ErrorCode>)>,
}

enum Judged {
    Silence,
    Refused(ErrorCode),
}

fn judge_topic<'a>(
    state: &State,
    broker: i32,
    request: &ProduceRequest<'a>,
    topic: &ProduceTopic<'a>,
    version: i16,
) -> Result<JudgedTopic<'a>, Judged> {
    let known = if topic.id == [0; 16] { state.topic(&topic.name) } else { state.topic_by_id(&topic.id) };
    let name = known.map_or_else(|| topic.name.clone().into_owned(), |known| known.name.clone());
    let mut judged =
        JudgedTopic { id: topic.id, partitions: Vec::with_capacity(topic.partitions.len()), name };
    for partition in &topic.partitions {
        let exists = known.is_some_and(|known| known.partition(partition.index).is_some());
        let batch = if known.is_none() && version > 12 {
            Err(ErrorCode::UNKNOWN_TOPIC_ID)
        } else if !state.access.may_write(&judged.name) {
            Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        } else if !exists {
            Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        } else {
            let records = partition.records.ok_or(Judged::Silence)?;
            match only_batch(records, version) {
                Ok(batch) => admit(state, broker, request, &judged.name, partition.index, batch),
                Err(Bad::Partition(error)) => Err(error),
                Err(Bad::Request(error)) => return Err(Judged::Refused(error)),
            }
        };
        // A partition that is named again counts once, with the later records.
        judged.partitions.retain(|&(index, _)| index != partition.index);
        judged.partitions.push((partition.index, batch));
    }
    Ok(judged)
}

/// The checks that need no log.
fn admit<'a>(
    state: &State,
    broker: i32,
    request: &ProduceRequest<'_>,
    name: &str,
    index: i32,
    batch: Batch<'a>,
) -> Result<Batch<'a>, ErrorCode> {
    if batch.is_transactional() {
        return Err(ErrorCode::INVALID_TXN_STATE);
    }
    if !matches!(request.acks, -1..=1) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS);
    }
    if is_internal(name) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    match state.topic(name).and_then(|topic| topic.partition(index)) {
        Some(partition) if partition.leader == broker => Ok(batch),
        _ => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    }
}

/// The record set's batch: exactly one, of magic 2. Less than a batch behind it is cut off unread.
fn only_batch(records: &[u8], version: i16) -> Result<Batch<'_>, Bad> {
    let split = |records| split_first(records).map_err(|Corrupt| Bad::Partition(ErrorCode::CORRUPT_MESSAGE));
    let (batch, rest) = split(records)?.ok_or(Bad::Partition(ErrorCode::INVALID_RECORD))?;
    if batch.magic() != 2 {
        return Err(Bad::Partition(ErrorCode::INVALID_RECORD));
    }
    if version < 7 {
        match batch.compression() {
            ZSTD => return Err(Bad::Partition(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE)),
            unknown if unknown > ZSTD => return Err(Bad::Request(ErrorCode::UNKNOWN_SERVER_ERROR)),
            _ => {}
        }
    }
    if split(rest)?.is_some() {
        return Err(Bad::Partition(ErrorCode::INVALID_RECORD));
    }
    // Kafka looks for a producer id before it looks at the size, and stumbles over the end.
    if batch.bytes().len() < PRODUCER_ID_END {
        return Err(Bad::Request(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    Ok(batch)
}

fn append_topic(
    state: &mut State,
    acks: i16,
    judged: JudgedTopic<'_>,
    version: i16,
    now: i64,
) -> TopicAnswer {
    let mut appended = 0;
    let lag_ms = state.settings.replication_lag_ms;
    let mut partitions = Vec::with_capacity(judged.partitions.len());
    let mut topic = state.topic_mut(&judged.name);
    for (index, batch) in judged.partitions {
        let mut answer = PartitionAnswer::refused(index, ErrorCode::NONE);
        answer.outcome = batch.map_err(Refusal::early).and_then(|batch| match topic.as_deref_mut() {
            Some(topic) => append(topic, index, batch, acks, lag_ms, now),
            None => Err(Refusal::early(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
        });
        let tells_start = answer.outcome.as_ref().map_or_else(|refusal| refusal.tells_log_start, |_| true);
        let partition = topic.as_deref().and_then(|topic| topic.partition(index));
        if let Some(partition) = partition {
            if tells_start {
                answer.log_start_offset = partition.log.start();
            }
            if version >= 10 && answer.error() == ErrorCode::NOT_LEADER_OR_FOLLOWER {
                answer.leader = Some((partition.leader, partition.leader_epoch));
            }
        }
        appended += u64::from(answer.outcome.as_ref().is_ok_and(|append| !append.duplicate));
        partitions.push(answer);
    }
    state.appends += appended;
    TopicAnswer { name: judged.name, id: judged.id, partitions }
}

fn append(
    topic: &mut Topic,
    index: i32,
    batch: Batch<'_>,
    acks: i16,
    lag_ms: i64,
    now: i64,
) -> Result<Append, Refusal> {
    let config = topic.config;
    let Some(partition) = topic.partition_mut(index) else {
        return Err(Refusal::early(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    let needed = config.min_insync_replicas.min(partition.replicas.len());
    if acks == -1 && partition.isr.len() < needed {
        return Err(Refusal { tells_log_start: true, ..Refusal::early(ErrorCode::NOT_ENOUGH_REPLICAS) });
    }
    let append = partition.log.append(batch, &config, partition.leader_epoch, now)?;
    if !append.duplicate {
        partition.appended(lag_ms, now);
    }
    Ok(append)
}
