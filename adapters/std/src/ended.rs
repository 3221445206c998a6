//! How a batch ended, for each of its records: the bookkeeping of one batch that all who wait for it share.
//!
//! Invariant: `first` is above that of every piece in `before`, and those ascend.
use crate::record::{Facts, RecordError, RecordMetadata};
use kurier_core::error::{DeliveryError, Fate, Outcome};
use kurier_core::time::Timestamp;
use std::sync::Arc;

/// How a batch ended, or the last of its records: a batch that was too large ends piece by piece.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Index of the first record that this is about.
    pub(crate) first: u32,
    /// How those before it ended, each without any before it, in order of their `first`.
    pub(crate) before: Vec<Ended>,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) base_offset: Option<i64>,
    /// The broker's timestamp, with `LogAppendTime`.
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) outcome: Outcome,
    /// The outcome of each record, where the broker judged them one by one (KIP-467).
    pub(crate) verdicts: Option<Box<[Outcome]>>,
    /// What else is known of a failure.
    pub(crate) detail: Option<Arc<str>>,
}

impl Ended {
    /// How the record at `index` ended.
    pub(crate) fn of(&self, index: u32, facts: Facts) -> Result<RecordMetadata, RecordError> {
        let part = match index < self.first {
            true => {
                let behind = self.before.partition_point(|part| part.first <= index);
                behind.checked_sub(1).and_then(|at| self.before.get(at)).unwrap_or(self)
            }
            false => self,
        };
        part.of_place(index.saturating_sub(part.first), facts)
    }

    fn of_place(&self, index: u32, facts: Facts) -> Result<RecordMetadata, RecordError> {
        let place = usize::try_from(index).ok();
        let verdict = self.verdicts.as_ref().zip(place).and_then(|(all, place)| all.get(place));
        let size = |size: i32| u32::try_from(size).ok();
        match *verdict.unwrap_or(&self.outcome) {
            Outcome::Written => Ok(RecordMetadata {
                topic: Arc::clone(&self.topic),
                partition: self.partition,
                offset: self.base_offset.map(|base| base.saturating_add(i64::from(index))),
                timestamp: self.timestamp.unwrap_or(facts.timestamp),
                key_size: size(facts.key_size),
                value_size: size(facts.value_size),
            }),
            Outcome::Failed { error, written } => {
                Err(RecordError::delivery(Arc::clone(&self.topic), self.partition, error, written)
                    .with_detail(self.detail.clone()))
            }
        }
    }

    /// What a batch came to that vanished with its producer's I/O thread.
    pub(crate) fn lost() -> Self {
        let outcome = Outcome::Failed { error: DeliveryError::Aborted, written: Fate::MaybeWritten };
        Self {
            first: 0,
            before: Vec::new(),
            topic: "".into(),
            partition: -1,
            base_offset: None,
            timestamp: None,
            outcome,
            verdicts: None,
            detail: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const FACTS: Facts = Facts { timestamp: Timestamp(7), key_size: -1, value_size: 3 };

    pub(crate) fn written() -> Ended {
        Ended {
            first: 0,
            before: Vec::new(),
            topic: "t".into(),
            partition: 2,
            base_offset: Some(100),
            timestamp: None,
            outcome: Outcome::Written,
            verdicts: None,
            detail: None,
        }
    }

    #[test]
    fn a_batch_that_ended_in_pieces_tells_each_record_of_its_own_piece() {
        let failed = Outcome::Failed { error: DeliveryError::Broker(10), written: Fate::NotWritten };
        let before = vec![written(), Ended { first: 3, outcome: failed, ..written() }];
        let last = Ended { first: 4, before, base_offset: Some(200), ..written() };
        let offset = |index| last.of(index, FACTS).map(|metadata| metadata.offset);
        assert_eq!([0, 2, 4, 5].map(|index| offset(index).unwrap()), [100, 102, 200, 201].map(Some));
        assert_eq!(offset(3).unwrap_err().code(), Some(10));
    }

    #[test]
    fn a_rejected_batch_tells_each_record_its_own_verdict() {
        let failed = |error| Outcome::Failed { error, written: Fate::NotWritten };
        let verdicts = [failed(DeliveryError::Broker(87)), failed(DeliveryError::BatchRejected)];
        let ended = Ended { outcome: verdicts[1], verdicts: Some(verdicts.into()), ..written() };
        assert_eq!(ended.of(0, FACTS).unwrap_err().code(), Some(87));
        assert_eq!(ended.of(1, FACTS).unwrap_err().name(), "BATCH_REJECTED");
        assert_eq!(ended.of(1, FACTS).unwrap_err().partition(), Some(2));
        assert_eq!(Ended::lost().of(0, FACTS).unwrap_err().partition(), None);
        // More records than verdicts: the batch's own.
        assert_eq!(ended.of(2, FACTS).unwrap_err().name(), "BATCH_REJECTED");
    }
}
