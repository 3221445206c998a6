//! What a partition remembers of its idempotent producers, and what it says to the next batch of one.
//!
//! Not transactions. Invariant: an entry keeps at most five batches, all of its epoch, the newest last.
//! Source: `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry` of Kafka 4.3. A batch older than the five
//! is OUT_OF_ORDER_SEQUENCE_NUMBER there; DUPLICATE_SEQUENCE_NUMBER is what brokers before 1.1 said.
use std::collections::BTreeMap;

use crate::batch::Header;
use kurier_core::wire::ErrorCode;

/// Batches remembered per producer.
const BATCHES: usize = 5;

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Appended {
    first_sequence: i32,
    last_sequence: i32,
    pub(crate) base_offset: i64,
    /// The batch's greatest timestamp; a duplicate is answered with it.
    pub(crate) timestamp: i64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    epoch: i16,
    last_timestamp: i64,
    /// The oldest first; `0 < len <= BATCHES`.
    batches: [Appended; BATCHES],
    len: usize,
}

impl Entry {
    fn batches(&self) -> &[Appended] {
        self.batches.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, batch: Appended) {
        if self.len == BATCHES {
            self.batches.rotate_left(1);
            self.len -= 1;
        }
        if let Some(place) = self.batches.get_mut(self.len) {
            *place = batch;
            self.len += 1;
        }
    }
}

/// The producers of one partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Producers {
    entries: BTreeMap<i64, Entry>,
}

/// What to do with a batch of an idempotent producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Append,
    /// It was appended before; answer with that.
    Duplicate(Appended),
    /// It is refused.
    Refuse(ErrorCode),
}

impl Producers {
    /// Judges a batch without taking it.
    pub(crate) fn check(&self, header: &Header) -> Verdict {
        let Some(entry) = self.entries.get(&header.producer_id) else {
            // Nothing is known, perhaps because it was forgotten: any sequence will do.
            return Verdict::Append;
        };
        let (first, last) = (header.base_sequence, header.last_sequence());
        if header.producer_epoch == entry.epoch {
            let seen = entry
                .batches()
                .iter()
                .find(|batch| (batch.first_sequence, batch.last_sequence) == (first, last));
            if let Some(&batch) = seen {
                return Verdict::Duplicate(batch);
            }
        }
        if header.producer_epoch < entry.epoch {
            return Verdict::Refuse(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let follows = if header.producer_epoch > entry.epoch {
            first == 0 || entry.epoch == -1
        } else {
            let newest = entry.batches().last().map_or(-1, |batch| batch.last_sequence);
            entry.epoch == -1
                || i64::from(first) == i64::from(newest) + 1
                || (first == 0 && newest == i32::MAX)
        };
        if follows { Verdict::Append } else { Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) }
    }

    /// Remembers a batch that was appended at `base_offset`.
    pub(crate) fn appended(&mut self, header: &Header, base_offset: i64, max_timestamp: i64) {
        let batch = Appended {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset,
            timestamp: max_timestamp,
        };
        let new = Entry {
            epoch: header.producer_epoch,
            last_timestamp: 0,
            batches: [Appended::default(); BATCHES],
            len: 0,
        };
        let entry = self.entries.entry(header.producer_id).or_insert(new);
        if entry.epoch != header.producer_epoch {
            *entry = new;
        }
        entry.push(batch);
        entry.last_timestamp = max_timestamp;
    }

    /// Forgets the producers whose newest batch is `expiration_ms` old.
    pub(crate) fn expire(&mut self, now: i64, expiration_ms: i64) {
        self.entries.retain(|_, entry| now.saturating_sub(entry.last_timestamp) < expiration_ms);
    }

    /// Keeps of each producer only the newest batch, as `ProducerStateManager.writeSnapshot` does.
    pub(crate) fn keep_newest(&mut self) {
        for entry in self.entries.values_mut() {
            entry.batches.rotate_left(entry.len.saturating_sub(1));
            entry.len = entry.len.min(1);
        }
    }

    /// Forgets everything, as after a loss of the log.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Producer ids with their epochs and last sequences.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i16, i32)> + '_ {
        let last = |entry: &Entry| entry.batches().last().map_or(-1, |batch| batch.last_sequence);
        self.entries.iter().map(move |(&id, entry)| (id, entry.epoch, last(entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::split_first;
    use crate::testing::BatchBuilder;

    const OUT_OF_ORDER: Verdict = Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);

    fn header(epoch: i16, sequence: i32, count: i32) -> Header {
        let mut batch = BatchBuilder::new().producer(1, epoch, sequence);
        for _ in 0..count {
            batch = batch.value(b"v");
        }
        split_first(&batch.build()).unwrap().unwrap().0.header().unwrap()
    }

    fn after(batches: &[(i16, i32, i32)]) -> Producers {
        let mut producers = Producers::default();
        let mut offset = 100;
        for &(epoch, sequence, count) in batches {
            producers.appended(&header(epoch, sequence, count), offset, 1000);
            offset += i64::from(count);
        }
        producers
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere() {
        assert_eq!(after(&[]).check(&header(3, 17, 2)), Verdict::Append);
    }

    #[test]
    fn the_next_batch_begins_where_the_last_ended() {
        let producers = after(&[(0, 0, 3)]);
        assert_eq!(producers.check(&header(0, 3, 1)), Verdict::Append);
        assert_eq!(producers.check(&header(0, 4, 1)), OUT_OF_ORDER);
        assert_eq!(producers.check(&header(0, 2, 1)), OUT_OF_ORDER);
    }

    #[test]
    fn five_batches_are_remembered_as_duplicates_by_their_exact_range() {
        let producers = after(&[(0, 0, 1), (0, 1, 2), (0, 3, 1), (0, 4, 1), (0, 5, 1), (0, 6, 1)]);
        let Verdict::Duplicate(found) = producers.check(&header(0, 1, 2)) else { panic!("not found") };
        assert_eq!(found.base_offset, 101);
        assert_eq!(producers.check(&header(0, 1, 1)), OUT_OF_ORDER, "another range");
        assert_eq!(producers.check(&header(0, 0, 1)), OUT_OF_ORDER, "the sixth is forgotten");
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_ends_the_old_one() {
        let mut producers = after(&[(0, 0, 3)]);
        assert_eq!(producers.check(&header(1, 3, 1)), OUT_OF_ORDER);
        assert_eq!(producers.check(&header(1, 0, 1)), Verdict::Append);
        producers.appended(&header(1, 0, 1), 200, 1000);
        assert_eq!(producers.check(&header(0, 0, 3)), Verdict::Refuse(ErrorCode::INVALID_PRODUCER_EPOCH));
        assert!(matches!(producers.check(&header(1, 0, 1)), Verdict::Duplicate(_)));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let producers = after(&[(0, i32::MAX - 1, 2)]);
        assert_eq!(producers.check(&header(0, 0, 1)), Verdict::Append);
        let across = after(&[(0, i32::MAX, 3)]);
        assert_eq!(across.check(&header(0, 2, 1)), Verdict::Append);
        assert!(matches!(across.check(&header(0, i32::MAX, 3)), Verdict::Duplicate(_)));
    }

    #[test]
    fn a_producer_expires_by_the_time_of_its_last_batch() {
        let mut producers = after(&[(0, 0, 1)]);
        producers.expire(1999, 1000);
        assert_eq!(producers.check(&header(0, 9, 1)), OUT_OF_ORDER);
        producers.expire(2000, 1000);
        assert_eq!(producers.check(&header(0, 9, 1)), Verdict::Append);
    }
}
