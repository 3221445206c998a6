//! What became of the records of one batch.
use crate::batch::meta::flag;
use crate::defect::{self, Defect};
use crate::error::{DeliveryError, Fate, Outcome};
use crate::host::Buf;
use crate::record::{Ticket, Topic};

/// The end of a batch: told once for each batch, and so for each record that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The batch's number; [`Ticket::serial`] names it.
    pub serial: u32,
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
    /// Its records.
    pub count: u32,
    /// Offset of its first record in the log, where it is known: not with `acks=0`, and not for a batch whose
    /// acknowledgement was lost and which the broker then called a duplicate.
    pub base_offset: Option<i64>,
    /// The broker's timestamp of all its records, on a topic that stamps on append; Unix ms.
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
        let has = |bit| meta.flags & bit != 0;
        let written = match () {
            () if has(flag::ACKED) => Fate::Written,
            () if has(flag::MAYBE) => Fate::MaybeWritten,
            () => Fate::NotWritten,
        };
        let outcome = match written {
            Fate::Written => Outcome::Written,
            written => Outcome::Failed { error: meta.error, written },
        };
        let number = |at| {
            let field = batch.bytes().get(at..).and_then(|rest| rest.first_chunk());
            field.copied().map(i64::from_be_bytes)
        };
        Self {
            serial: meta.serial,
            topic: Topic(meta.topic),
            partition: meta.partition,
            count: meta.builder.count,
            base_offset: if has(flag::HAS_OFFSET) { number(0) } else { None },
            timestamp: if has(flag::HAS_TIMESTAMP) { number(8) } else { None },
            outcome,
            has_notes: has(flag::NOTES),
        }
    }

    /// Whether every record was written.
    pub const fn is_ok(&self) -> bool {
        self.outcome.is_written()
    }

    /// What became of the record that `ticket` names; `None` if it is not of this batch. `bytes` are those of the
    /// batch that came with the delivery.
    pub fn of(&self, ticket: Ticket, bytes: &[u8]) -> Option<RecordDelivery> {
        if ticket.serial != self.serial || ticket.index >= self.count {
            return None;
        }
        let mut outcome = self.outcome;
        if let Outcome::Failed { error: DeliveryError::Broker(_), written } = outcome
            && self.has_notes
        {
            let mut blamed = rejected(bytes).peekable();
            if blamed.peek().is_some() && !blamed.any(|index| index == ticket.index) {
                outcome = Outcome::Failed { error: DeliveryError::BatchRejected, written };
            }
        }
        let index = if defect::on(Defect::OffsetWithoutIndex) { 0 } else { ticket.index };
        let offset = self.base_offset.map(|base| base.wrapping_add(i64::from(index)));
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

    /// What became of the record that `ticket` names; `None` if it is not of this batch.
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
    for (slot, byte) in room.iter_mut().zip(chunk) {
        *slot = *byte;
    }
    put_u32(bytes, NOTES + 4, u32::try_from(used + taken).unwrap_or(u32::MAX));
}

/// Places of the records that a broker named when it refused the batch these bytes are of (KIP-467).
pub fn rejected(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let count = u32_at(bytes, NOTES) as usize;
    let notes = bytes.get(NOTES + 8..).unwrap_or_default();
    notes.chunks_exact(4).take(count).map(|place| u32_at(place, 0))
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

fn put_u32(bytes: &mut [u8], at: usize, value: u32) -> bool {
    let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else { return false };
    *field = value.to_be_bytes();
    true
}
