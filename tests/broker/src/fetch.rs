//! Fetch: reading back, as far as kcat and a consumer without a group need it.
//!
//! Not fetch sessions, not followers. Source: the schema and `KafkaApis.handleFetchRequest` of Kafka 4.3; versions 4-12.
use std::borrow::Cow;

use crate::bytes::{Malformed, Reader, Writer};
use crate::log::Log;
use crate::state::{Partition, State};
use kurier_core::wire::ErrorCode;

/// A Fetch request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchRequest<'a> {
    /// How long to wait for `min_bytes`, in ms.
    pub max_wait_ms: i32,
    /// Wait until there is so much, in bytes.
    pub min_bytes: i32,
    /// About how much to answer at most, in bytes.
    pub max_bytes: i32,
    session_id: i32,
    /// Wants to be told of aborted transactions, of which there are none.
    read_committed: bool,
    /// In the order of the request.
    pub topics: Vec<FetchTopic<'a>>,
}

/// One topic of a Fetch request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchTopic<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// In the order of the request.
    pub partitions: Vec<FetchPartition>,
}

/// One partition of a Fetch request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchPartition {
    /// The partition.
    pub index: i32,
    /// The first offset wanted.
    pub offset: i64,
    leader_epoch: i32,
    max_bytes: i32,
}

impl<'a> FetchRequest<'a> {
    pub(crate) fn read(r: &mut Reader<'a>, version: i16) -> Result<Self, Malformed> {
        r.i32()?; // replica id
        let (max_wait_ms, min_bytes, max_bytes) = (r.i32()?, r.i32()?, r.i32()?);
        let read_committed = r.i8()? == 1;
        let mut session_id = 0;
        if version >= 7 {
            session_id = r.i32()?;
            r.i32()?;
        }
        let mut topics = Vec::new();
        for _ in 0..r.count()? {
            let mut topic = FetchTopic { name: r.string()?, partitions: Vec::new() };
            for _ in 0..r.count()? {
                let index = r.i32()?;
                let leader_epoch = if version >= 9 { r.i32()? } else { -1 };
                let offset = r.i64()?;
                if version >= 12 {
                    r.i32()?; // last fetched epoch
                }
                if version >= 5 {
                    r.i64()?; // a follower's log start
                }
                topic.partitions.push(FetchPartition { index, offset, leader_epoch, max_bytes: r.i32()? });
                r.end()?;
            }
            r.end()?;
            topics.push(topic);
        }
        // What follows (topics forgotten by a session, rack, cluster id) changes nothing here.
        Ok(Self { max_wait_ms, min_bytes, max_bytes, session_id, read_committed, topics })
    }
}

/// The partition on its leader, checked against the leader epoch the client knows (-1: none).
pub(crate) fn lead<'s>(
    state: &'s State,
    broker: i32,
    topic: &str,
    index: i32,
    epoch: i32,
) -> Result<&'s Partition, ErrorCode> {
    let partition = state.topic(topic).and_then(|topic| topic.partition(index));
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if partition.leader != broker {
        Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    } else if epoch != -1 && epoch < partition.leader_epoch {
        Err(ErrorCode::FENCED_LEADER_EPOCH)
    } else if epoch > partition.leader_epoch {
        Err(ErrorCode::UNKNOWN_LEADER_EPOCH)
    } else {
        Ok(partition)
    }
}

/// Whether an answer would have enough to be given at once: `min_bytes`, or an error.
pub(crate) fn is_ready(state: &State, broker: i32, request: &FetchRequest<'_>) -> bool {
    let mut available = 0i64;
    for topic in &request.topics {
        for wanted in &topic.partitions {
            match lead(state, broker, &topic.name, wanted.index, wanted.leader_epoch) {
                Ok(partition) if (partition.log.start()..=partition.log.end()).contains(&wanted.offset) => {
                    for batch in partition.log.batches_from(wanted.offset) {
                        available += batch.bytes.len() as i64;
                        if available >= i64::from(request.min_bytes) {
                            return true;
                        }
                    }
                }
                _ => return true,
            }
        }
    }
    request.min_bytes <= 0 || request.session_id != 0
}

/// Writes the answer's body.
pub(crate) fn write(
    w: &mut Writer<'_>,
    version: i16,
    state: &State,
    broker: i32,
    request: &FetchRequest<'_>,
) {
    w.i32(0);
    let no_session = request.session_id != 0;
    if version >= 7 {
        w.i16(if no_session { ErrorCode::FETCH_SESSION_ID_NOT_FOUND.0 } else { 0 });
        w.i32(0);
    }
    let topics = if no_session { Default::default() } else { request.topics.as_slice() };
    let mut left = i64::from(request.max_bytes);
    w.count(topics.len());
    for topic in topics {
        w.string(&topic.name);
        w.count(topic.partitions.len());
        for wanted in &topic.partitions {
            let found =
                lead(state, broker, &topic.name, wanted.index, wanted.leader_epoch).and_then(|partition| {
                    let log = &partition.log;
                    let inside = (log.start()..=log.end()).contains(&wanted.offset);
                    if inside { Ok(log) } else { Err(ErrorCode::OFFSET_OUT_OF_RANGE) }
                });
            left -= write_partition(w, version, request, wanted, found, left);
        }
        w.end();
    }
    w.end();
}

/// Writes one partition with at most `left` bytes of records, and answers how many they are. The first batch of an answer
/// comes whatever its size.
fn write_partition(
    w: &mut Writer<'_>,
    version: i16,
    request: &FetchRequest<'_>,
    wanted: &FetchPartition,
    found: Result<&Log, ErrorCode>,
    left: i64,
) -> i64 {
    let first = left == i64::from(request.max_bytes);
    w.i32(wanted.index);
    w.i16(found.err().unwrap_or_default().0);
    let (start, end) = found.map_or((-1, -1), |log| (log.start(), log.end()));
    w.i64(end);
    w.i64(end);
    if version >= 5 {
        w.i64(start);
    }
    // Of aborted transactions Kafka tells nothing (null) unless asked, but of topics it does not know that there are none.
    let unknown = found.err() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    if unknown || (request.read_committed && found.is_ok()) {
        w.count(0);
    } else {
        w.null_count();
    }
    if version >= 11 {
        w.i32(-1);
    }
    let limit = left.min(i64::from(wanted.max_bytes));
    let mut sum = 0i64;
    let mut batches: Vec<&[u8]> = Vec::new();
    for batch in found.into_iter().flat_map(|log| log.batches_from(wanted.offset)) {
        let size = batch.bytes.len() as i64;
        if sum + size > limit && !(first && sum == 0) {
            break;
        }
        sum += size;
        batches.push(&batch.bytes);
    }
    w.bytes_len(sum as usize);
    batches.iter().for_each(|batch| w.raw(batch));
    w.end();
    sum
}
