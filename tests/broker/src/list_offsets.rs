//! ListOffsets: where a log begins and ends, and where a time is in it.
//!
//! Source: the schema and `ReplicaManager.fetchOffset` of Kafka 4.3; versions 1-7. A compressed batch is answered with its
//! first offset, for its records are not looked at.
use std::borrow::Cow;

use crate::batch::Batch;
use crate::bytes::{Malformed, Reader, Writer};
use crate::fetch::lead;
use crate::log::Log;
use crate::record::Records;
use crate::state::State;

/// A ListOffsets request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListOffsetsRequest<'a> {
    /// Topics by name, with what is asked of their partitions.
    pub topics: Vec<(Cow<'a, str>, Vec<WantedOffset>)>,
}

/// One partition of a ListOffsets request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WantedOffset {
    /// The partition.
    pub index: i32,
    leader_epoch: i32,
    /// Unix ms: the first record from then on; or -1 the end, -2 the start, -3 the record with the greatest timestamp.
    pub timestamp: i64,
}

impl<'a> ListOffsetsRequest<'a> {
    pub(crate) fn read(r: &mut Reader<'a>, version: i16) -> Result<Self, Malformed> {
        r.i32()?; // replica id
        if version >= 2 {
            r.i8()?;
        }
        let mut topics = Vec::new();
        for _ in 0..r.count()? {
            let name = r.string()?;
            let mut partitions = Vec::new();
            for _ in 0..r.count()? {
                let (index, leader_epoch) = (r.i32()?, if version >= 4 { r.i32()? } else { -1 });
                partitions.push(WantedOffset { index, leader_epoch, timestamp: r.i64()? });
                r.end()?;
            }
            r.end()?;
            topics.push((name, partitions));
        }
        r.end()?;
        Ok(Self { topics })
    }
}

/// Writes the answer's body.
pub(crate) fn write(
    w: &mut Writer<'_>,
    version: i16,
    state: &State,
    broker: i32,
    request: &ListOffsetsRequest<'_>,
) {
    if version >= 2 {
        w.i32(0);
    }
    w.count(request.topics.len());
    for (name, partitions) in &request.topics {
        w.string(name);
        w.count(partitions.len());
        for &WantedOffset { index, leader_epoch, timestamp } in partitions {
            let found = lead(state, broker, name, index, leader_epoch);
            let (at, offset) =
                found.ok().and_then(|partition| offset_for(&partition.log, timestamp)).unwrap_or((-1, -1));
            w.i32(index);
            w.i16(found.err().unwrap_or_default().0);
            w.i64(at);
            w.i64(offset);
            if version >= 4 {
                w.i32(found.map_or(-1, |partition| if offset >= 0 { partition.leader_epoch } else { -1 }));
            }
            w.end();
        }
        w.end();
    }
    w.end();
}

/// Timestamp and offset that a ListOffsets timestamp stands for.
fn offset_for(log: &Log, timestamp: i64) -> Option<(i64, i64)> {
    match timestamp {
        -1 => Some((-1, log.end())),
        -2 | -4 => Some((-1, log.start())),
        -3 => log
            .records()
            .map(|record| (record.timestamp, record.offset))
            .max_by_key(|&(at, offset)| (at, -offset)),
        wanted => log
            .batches_from(log.start())
            .filter_map(|stored| Some((stored, Batch::stored(&stored.bytes).header()?)))
            .filter(|(_, header)| header.max_timestamp >= wanted)
            .find_map(|(stored, header)| {
                if header.compression != 0 {
                    return Some((header.max_timestamp, stored.base_offset));
                }
                let records =
                    Records::new(header, Batch::stored(&stored.bytes).records()).filter_map(Result::ok);
                records
                    .filter(|record| record.timestamp >= wanted)
                    .map(|record| (record.timestamp, record.offset))
                    .next()
            }),
    }
}
