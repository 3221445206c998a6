//! The Produce request and its answer on the wire.
//!
//! Read and written by hand rather than along the tables of the core: it is the broker's hot path, and a mistake in the
//! tables must not hide itself. Source: the schemas of Kafka 4.3; versions 3-13.
use std::borrow::Cow;

use crate::bytes::{Malformed, Reader, Uuid, Writer};
use crate::log::{Append, Refusal};
use crate::state::State;
use kurier_core::wire::ErrorCode;

/// A Produce request; the batches are the frame's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProduceRequest<'a> {
    /// Names the transaction's owner.
    pub transactional_id: Option<Cow<'a, str>>,
    /// -1, 0 or 1; anything may come.
    pub acks: i16,
    /// How long the replicas may take, in ms.
    pub timeout_ms: i32,
    /// In the order of the request.
    pub topics: Vec<ProduceTopic<'a>>,
}

/// One topic of a Produce request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProduceTopic<'a> {
    /// Up to version 12; empty from 13 on, until it was looked up by the id.
    pub name: Cow<'a, str>,
    /// From version 13 on.
    pub id: Uuid,
    /// In the order of the request.
    pub partitions: Vec<ProducePartition<'a>>,
}

/// One partition of a Produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducePartition<'a> {
    /// The partition.
    pub index: i32,
    /// Its record set, which should be one batch; null if `None`.
    pub records: Option<&'a [u8]>,
}

impl<'a> ProduceRequest<'a> {
    pub(crate) fn read(r: &mut Reader<'a>, version: i16) -> Result<Self, Malformed> {
        let mut request = Self {
            transactional_id: r.nullable_string()?,
            acks: r.i16()?,
            timeout_ms: r.i32()?,
            topics: Vec::new(),
        };
        for _ in 0..r.count()? {
            let mut topic = ProduceTopic { name: Cow::Borrowed(""), id: [0; 16], partitions: Vec::new() };
            if version >= 13 {
                topic.id = r.uuid()?;
            } else {
                topic.name = r.string()?;
            }
            for _ in 0..r.count()? {
                topic.partitions.push(ProducePartition { index: r.i32()?, records: r.nullable_bytes()? });
                r.end()?;
            }
            r.end()?;
            request.topics.push(topic);
        }
        r.end()?;
        Ok(request)
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = &ProducePartition<'a>> {
        self.topics.iter().flat_map(|topic| &topic.partitions)
    }
}

/// What became of one partition's batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionAnswer {
    pub(crate) index: i32,
    pub(crate) outcome: Result<Append, Refusal>,
    /// The partition's, or -1 where Kafka does not tell it.
    pub(crate) log_start_offset: i64,
    /// With NOT_LEADER_OR_FOLLOWER from version 10 on: who leads, at which epoch.
    pub(crate) leader: Option<(i32, i32)>,
}

impl PartitionAnswer {
    pub(crate) fn refused(index: i32, error: ErrorCode) -> Self {
        Self { index, outcome: Err(Refusal::early(error)), log_start_offset: -1, leader: None }
    }

    pub(crate) fn error(&self) -> ErrorCode {
        self.outcome.as_ref().err().map_or(ErrorCode::NONE, |refusal| refusal.error)
    }

    /// Replaces what became of it. The errors of a wait for replicas still tell where the batch went.
    pub(crate) fn fail(&mut self, error: ErrorCode) {
        let waited =
            matches!(error, ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        match self.outcome {
            Ok(append) if waited => {
                self.outcome = Err(Refusal { appended: Some(append), ..Refusal::early(error) });
            }
            _ => *self = Self::refused(self.index, error),
        }
    }
}

/// What became of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicAnswer {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<PartitionAnswer>,
}

/// Writes the answer's body.
pub(crate) fn write(
    w: &mut Writer<'_>,
    version: i16,
    throttle_ms: i32,
    topics: &[TopicAnswer],
    state: &State,
) {
    w.count(topics.len());
    for topic in topics {
        if version >= 13 {
            w.uuid(&topic.id);
        } else {
            w.string(&topic.name);
        }
        w.count(topic.partitions.len());
        topic.partitions.iter().for_each(|partition| write_partition(w, version, partition));
        w.end();
    }
    w.i32(throttle_ms);
    let mut leaders: Vec<i32> = topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .filter_map(|p| p.leader)
        .map(|(id, _)| id)
        .collect();
    leaders.sort_unstable();
    leaders.dedup();
    let nodes: Vec<_> = state.alive().filter(|broker| leaders.contains(&broker.id)).collect();
    if nodes.is_empty() {
        return w.end();
    }
    w.tags(1);
    w.tag(0, |w| {
        w.count(nodes.len());
        for node in nodes {
            w.i32(node.id);
            w.string(&node.host);
            w.i32(node.port);
            w.nullable_string(None);
            w.end();
        }
    });
}

fn write_partition(w: &mut Writer<'_>, version: i16, answer: &PartitionAnswer) {
    let append = match &answer.outcome {
        Ok(append) => Some(*append),
        Err(refusal) => refusal.appended,
    };
    let (base_offset, log_append_time) =
        append.map_or((-1, -1), |append| (append.base_offset, append.log_append_time));
    w.i32(answer.index);
    w.i16(answer.error().0);
    w.i64(base_offset);
    w.i64(log_append_time);
    if version >= 5 {
        w.i64(answer.log_start_offset);
    }
    if version >= 8 {
        let refusal = answer.outcome.as_ref().err();
        let records = refusal.map(|refusal| refusal.records.as_slice()).unwrap_or_default();
        w.count(records.len());
        for (index, message) in records {
            w.i32(*index);
            w.nullable_string(Some(message));
            w.end();
        }
        w.nullable_string(refusal.and_then(|refusal| refusal.message));
    }
    match answer.leader {
        Some((leader, epoch)) => {
            w.tags(1);
            w.tag(0, |w| {
                w.i32(leader);
                w.i32(epoch);
                w.end();
            });
        }
        None => w.end(),
    }
}
