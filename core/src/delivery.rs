//! What became of the records of one batch.
//!
//! A batch that was too large for its broker ends piece by piece (`MESSAGE_TOO_LARGE`): then it has several deliveries,
//! one after the other, each of which is about some of its records. What became of the earlier pieces is kept in the
//! room that they left at the end of the batch's own buffer.
use crate::batch::meta::flag;
use crate::batch::{Meta, copy, layout};
use crate::defect::{self, Defect};
use crate::error::{DeliveryError, Fate, Outcome};
use crate::feature;
use crate::host::Buf;
use crate::record::{Ticket, Topic};

/// The end of a batch, or of some of its records: each record that was accepted is part of exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The batch's number; [`Ticket::serial`] names it.
    pub serial: u32,
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
    /// Index of the first record that this is about: 0 but for a batch that went in pieces.
    pub first: u32,
    /// How many records this is about.
    pub count: u32,
    /// How many records of the batch are left to deliveries that follow: 0 but for a batch that went in pieces.
    pub rest: u32,
    /// Offset of its first record in the log, where it is known: not with `acks=0`, and not for a batch whose
    /// acknowledgement was lost and which the broker then called a duplicate.
    pub base_offset: Option<i64>,
    /// The broker's timestamp of all its records, on a topic that stamps on append; Unix ms. `None` also for a batch that
    /// was sent again and whose newest record has this very time: a broker tells that of a batch which it had already.
    pub timestamp: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The batch's bytes hold what the broker said about its refusal: [`message`], [`rejected`].
    pub has_notes: bool,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordDelivery {
    /// Its offset in the log, where it is known.
    pub offset: Option<i64>,
    /// The broker's timestamp, on a topic that stamps on append.
    pub timestamp: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Where the notes of a refused batch lie in its own bytes, which nobody needs any more: the number of records
/// that are to blame, their places, then the broker's message.
const NOTES: usize = 16;

impl Delivery {
    pub(crate) fn of_batch<B: Buf>(batch: &B) -> Self {
        let meta = batch.meta();
        let bytes = batch.bytes();
        let has = |bit| meta.flags & bit != 0;
        // Where nothing goes in pieces there is one delivery of all.
        let (first, told) = if feature::PIECES { (meta.first, meta.told) } else { (0, 0) };
        let all = first.saturating_add(meta.builder.count);
        let of_piece = |count: u32, end: End| Self {
            serial: meta.serial,
            topic: Topic(meta.topic),
            partition: meta.partition,
            first: told,
            count,
            rest: all.saturating_sub(told).saturating_sub(count),
            base_offset: end.base_offset(),
            timestamp: (end.timestamp >= 0).then_some(end.timestamp),
            outcome: end.outcome(),
            has_notes: false,
        };
        if feature::PIECES && told < first {
            let end = ends(bytes, meta.ends).find(|(from, _)| *from == told).map(|(_, end)| end);
            // There was no room to keep the place of what came behind the last one.
            let end = end.unwrap_or(End { count: first.saturating_sub(told), ..End::WRITTEN });
            return of_piece(end.count, end);
        }
        // Of a piece and what is behind it one may be in the log, and the other not.
        let divided = has(flag::FAILED)
            && meta.in_pieces()
            && meta.has_rest()
            && (has(flag::NOTES) || has(flag::MAYBE) != has(flag::MAYBE_REST));
        let behind = divided && told > first;
        let maybe = if behind { has(flag::MAYBE_REST) } else { has(flag::MAYBE) };
        let mut error = meta.error;
        if feature::NOTES && behind && has(flag::NOTES) && rejected(bytes).next().is_some() {
            error = DeliveryError::BatchRejected;
        }
        let written = match () {
            () if has(flag::ACKED) => Fate::Written,
            () if maybe => Fate::MaybeWritten,
            () => Fate::NotWritten,
        };
        let outcome = match written {
            Fate::Written => Outcome::Written,
            written => Outcome::Failed { error, written },
        };
        let number = |at| {
            let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
            field.copied().map(i64::from_be_bytes)
        };
        let count = if divided && !behind { meta.sent_count() } else { all.saturating_sub(told) };
        Self {
            serial: meta.serial,
            topic: Topic(meta.topic),
            partition: meta.partition,
            first: told,
            count,
            rest: all.saturating_sub(told).saturating_sub(count),
            base_offset: if has(flag::HAS_OFFSET) { number(0) } else { None },
            timestamp: if feature::TIMESTAMPS && has(flag::HAS_TIMESTAMP) { number(8) } else { None },
            outcome,
            has_notes: feature::NOTES && has(flag::NOTES) && !behind,
        }
    }

    /// Whether every record was written.
    pub const fn is_ok(&self) -> bool {
        self.outcome.is_written()
    }

    /// What became of the record that `ticket` names; `None` if this is not about it. `bytes` are those of the
    /// batch that came with the delivery.
    pub fn of(&self, ticket: Ticket, bytes: &[u8]) -> Option<RecordDelivery> {
        let place = ticket.index.checked_sub(self.first)?;
        if ticket.serial != self.serial || place >= self.count {
            return None;
        }
        let mut outcome = self.outcome;
        if let Outcome::Failed { error: DeliveryError::Broker(_), written } = outcome
            && self.has_notes
        {
            let mut blamed = rejected(bytes).peekable();
            if blamed.peek().is_some() && !blamed.any(|index| index == place) {
                outcome = Outcome::Failed { error: DeliveryError::BatchRejected, written };
            }
        }
        let place = if defect::on(Defect::OffsetWithoutIndex) { 0 } else { place };
        let offset = self.base_offset.map(|base| base.wrapping_add(i64::from(place)));
        Some(RecordDelivery { offset, timestamp: self.timestamp, outcome })
    }
}

/// A delivery beside the bytes of its batch, which are free at the producer's next call.
#[derive(Debug, Clone, Copy)]
pub struct Told<'b> {
    delivery: Delivery,
    bytes: &'b [u8],
}

impl<'b> Told<'b> {
    pub(crate) const fn new(delivery: Delivery, bytes: &'b [u8]) -> Self {
        Self { delivery, bytes }
    }

    /// What became of the record that `ticket` names; `None` if this is not about it.
    pub fn of(&self, ticket: Ticket) -> Option<RecordDelivery> {
        self.delivery.of(ticket, self.bytes)
    }

    /// What the broker said when it refused the batch, UTF-8 as it came, cut to the room there was; empty if it
    /// said nothing.
    pub fn message(&self) -> &'b [u8] {
        if self.delivery.has_notes { message(self.bytes) } else { &[] }
    }
}

impl core::ops::Deref for Told<'_> {
    type Target = Delivery;
    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

/// Kafka's error code of the same name.
const MESSAGE_TOO_LARGE: i16 = 10;

/// The end of a piece: how many records, where they are, and when the broker took them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) count: u32,
    /// Of the first; -1 if it is not known, below that if it is too large for the broker.
    pub(crate) offset: i64,
    /// -1 if it is not the broker's.
    pub(crate) timestamp: i64,
}

impl End {
    const WRITTEN: Self = Self { count: 0, offset: -1, timestamp: -1 };
    /// A record alone was too large, and is not in the log.
    pub(crate) const TOO_LARGE: i64 = -2;
    /// A record alone was too large, and may be in the log because of an earlier attempt.
    pub(crate) const TOO_LARGE_MAYBE: i64 = -3;
    /// Bytes of one.
    const SIZE: usize = 20;

    fn base_offset(self) -> Option<i64> {
        (self.offset >= 0).then_some(self.offset)
    }

    const fn outcome(self) -> Outcome {
        let written = match self.offset {
            Self::TOO_LARGE => Fate::NotWritten,
            Self::TOO_LARGE_MAYBE => Fate::MaybeWritten,
            _ => return Outcome::Written,
        };
        let error = DeliveryError::Broker(MESSAGE_TOO_LARGE);
        Outcome::Failed { error, written }
    }
}

/// The ends of the earlier pieces of a batch, each with the index of its first record. The first lies last.
fn ends(bytes: &[u8], count: u16) -> impl Iterator<Item = (u32, End)> + '_ {
    let mut from = 0_u32;
    // Arrays, since the length of chunks of a length that is a number is found by a division, which can panic.
    let (_, fields) = bytes.as_rchunks::<{ End::SIZE }>();
    fields.iter().rev().take(usize::from(count)).map(move |field| {
        let number = |at: usize| field.get(at..).and_then(|rest| rest.first_chunk()).copied();
        let end = End {
            count: u32_at(field, 0),
            offset: number(4).map_or(-1, i64::from_be_bytes),
            timestamp: number(12).map_or(-1, i64::from_be_bytes),
        };
        let first = from;
        from = from.saturating_add(end.count);
        (first, end)
    })
}

/// Whether the end of the piece that is on its way can be kept, once it is taken out of the batch.
pub(crate) fn can_keep_end(meta: &Meta, bytes: &[u8]) -> bool {
    let kept = ends(bytes, meta.ends).map(|(_, end)| end.count).fold(0, u32::wrapping_add);
    let left = meta.builder.len.saturating_sub(meta.sent_len()) as usize;
    let room = bytes.len().saturating_sub(left).saturating_sub(layout::HEADER) / End::SIZE;
    kept == meta.first && usize::from(meta.ends) < room && meta.ends < u16::MAX
}

/// Keeps the end of a piece that was taken out of the batch just now. If there is no room for it, or was none before,
/// nothing is kept: then no more is known later than that its records are written.
pub(crate) fn keep_end(meta: &mut Meta, bytes: &mut [u8], mut end: End) {
    let last = ends(bytes, meta.ends).last();
    let kept = last.map_or(0, |(from, last)| from.saturating_add(last.count));
    if kept.saturating_add(end.count) != meta.first {
        return;
    }
    let mut nth = usize::from(meta.ends);
    if let Some((_, last)) = last
        && last.offset >= 0
        && last.offset.wrapping_add(i64::from(last.count)) == end.offset
        && last.timestamp == end.timestamp
    {
        nth = nth.wrapping_sub(1);
        end = End { count: last.count.saturating_add(end.count), ..last };
    }
    // What is left of the batch lies before it.
    let at = bytes.len().checked_sub(nth.saturating_add(1).saturating_mul(End::SIZE));
    let room = at.filter(|at| *at >= meta.builder.len as usize && meta.ends < u16::MAX);
    let Some(field) = room.and_then(|at| bytes.get_mut(at..)) else { return };
    put_u32(field, 0, end.count);
    put_i64(field, 4, end.offset);
    put_i64(field, 12, end.timestamp);
    meta.ends = u16::try_from(nth.saturating_add(1)).unwrap_or(u16::MAX);
}

/// The bytes of a dead batch in which the notes on its refusal may lie.
pub(crate) fn room_for_notes(bytes: &mut [u8], ends: u16) -> &mut [u8] {
    let kept = usize::from(ends).saturating_mul(End::SIZE);
    bytes.get_mut(..bytes.len().saturating_sub(kept)).unwrap_or_default()
}

/// Stores where the batch is in the log.
pub(crate) fn put_place(bytes: &mut [u8], base_offset: i64, timestamp: i64) {
    if let Some(head) = bytes.first_chunk_mut::<16>() {
        *head = ((u128::from(base_offset.cast_unsigned()) << 64) | u128::from(timestamp.cast_unsigned()))
            .to_be_bytes();
    }
}

/// Begins the notes of a refused batch: no record to blame, no message.
pub(crate) fn clear_notes(bytes: &mut [u8]) {
    put_u32(bytes, NOTES, 0);
    put_u32(bytes, NOTES + 4, 0);
}

/// Notes that the record at `index` is to blame; as many as there is room for.
pub(crate) fn blame(bytes: &mut [u8], index: u32) {
    let count = u32_at(bytes, NOTES);
    if message_len(bytes) == 0 && put_u32(bytes, NOTES + 8 + 4 * count as usize, index) {
        put_u32(bytes, NOTES, count.saturating_add(1));
    }
}

/// Adds to the broker's message, as much of it as there is room for.
pub(crate) fn add_message(bytes: &mut [u8], chunk: &[u8]) {
    let used = message_len(bytes) as usize;
    let from = NOTES + 8 + 4 * u32_at(bytes, NOTES) as usize + used;
    let Some(room) = bytes.get_mut(from..) else { return };
    let taken = room.len().min(chunk.len());
    copy(room, chunk);
    put_u32(bytes, NOTES + 4, u32::try_from(used + taken).unwrap_or(u32::MAX));
}

/// Places of the records that a broker named when it refused the batch these bytes are of (KIP-467).
pub fn rejected(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let count = u32_at(bytes, NOTES) as usize;
    let notes = bytes.get(NOTES + 8..).unwrap_or_default();
    // Arrays: see `ends`.
    let (places, _) = notes.as_chunks::<4>();
    places.iter().take(count).map(|place| u32::from_be_bytes(*place))
}

/// What the broker said when it refused the batch these bytes are of; empty if it said nothing.
pub fn message(bytes: &[u8]) -> &[u8] {
    let from = NOTES + 8 + 4 * u32_at(bytes, NOTES) as usize;
    bytes.get(from..).and_then(|rest| rest.get(..message_len(bytes) as usize)).unwrap_or_default()
}

fn message_len(bytes: &[u8]) -> u32 {
    u32_at(bytes, NOTES + 4)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_be_bytes)
}

fn put_i64(bytes: &mut [u8], at: usize, value: i64) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = value.to_be_bytes();
    }
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) -> bool {
    let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else { return false };
    *field = value.to_be_bytes();
    true
}
