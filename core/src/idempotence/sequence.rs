//! The sequence of one partition.
//!
//! A batch's sequence counts from where the one before ended, under one producer id and epoch. When a batch is
//! lost for good the numbers after it can never follow on; then the partition is *stale*: its next batch is the
//! first of a new epoch.
//!
//! A broker that knows nothing of a producer takes any sequence for its first. So as long as no batch is
//! acknowledged, they go one at a time: else a second one, sent before the first was refused, could be let in ahead of it.
//! The same holds when a topic was made anew, and after a pause: brokers forget producers that write nothing
//! (`producer.id.expiration.ms`). They reckon that by the newest record's timestamp (`ProducerStateManager.isProducerExpired`):
//! who sends records without one, to a topic that does not stamp them, may be forgotten between two batches.
use crate::defect::{self, Defect};
use crate::identity::Identity;
use crate::long::Long;
use crate::time::Millis;

/// How long an acknowledgement proves that the broker knows the producer, in ms. Brokers remember for a day unless
/// told otherwise, and look for what they may forget every ten minutes; to be careful costs one round trip a pause.
const PROOF_MS: u32 = 60_000;

/// The sequence of one partition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sequence {
    /// What the next batch begins with.
    next: i32,
    /// The generation of the identity under which it counts; 0 before the first batch.
    generation: u32,
    /// It cannot go on in that generation.
    stale: bool,
    /// A batch of that generation was acknowledged: from then on the broker holds others to their order.
    proven: bool,
    /// Where the newest acknowledged batch ends in the log, capped; 0: nobody knows.
    end: u32,
    /// When the last one was.
    proven_at: Millis,
    /// What is in flight was sent before the partition was made anew, and proves nothing.
    doubted: bool,
}

/// The producer's identity, and how often it has changed.
#[derive(Debug, Clone, Copy)]
pub struct Generation {
    /// Producer id and epoch.
    pub identity: Identity,
    /// Changes so far, from 1.
    pub number: u32,
}

impl Generation {
    /// A producer that is not known yet, or that needs no identity.
    pub const fn new(identity: Identity) -> Self {
        Self { identity, number: 1 }
    }

    /// Takes the next epoch, or gives the identity up when there is none left.
    pub fn bump(&mut self) {
        if !defect::on(Defect::EpochTakenBack) {
            self.identity.bump();
        }
        self.number = self.number.wrapping_add(1);
    }

    /// Takes an identity that the cluster gave.
    pub fn settle(&mut self, id: i64, epoch: i16) {
        self.identity = Identity::Known { id: Long::new(id), epoch };
        self.number = self.number.wrapping_add(1);
    }
}

impl Sequence {
    /// Of a partition that was never written to under this identity.
    pub const fn new() -> Self {
        Self {
            next: 0,
            generation: 0,
            stale: false,
            proven: false,
            proven_at: Millis(0),
            doubted: false,
            end: 0,
        }
    }

    /// Of a partition that may have been written to under the present identity, nobody knows how far.
    pub const fn forgotten(generation: u32) -> Self {
        Self { generation, stale: true, ..Self::new() }
    }

    /// Whether batches were counted in this generation: forgetting the sequence then means a new epoch before the
    /// partition is used again.
    pub const fn is_used(&self, generation: u32) -> bool {
        self.generation == generation
    }

    /// A batch was lost for good: the next one begins a new epoch.
    pub fn break_off(&mut self) {
        self.stale = true;
    }

    /// A batch was acknowledged, which ends at this offset, if it is known.
    pub fn prove(&mut self, end: Option<i64>, now: Millis) {
        if self.doubted {
            return;
        }
        self.proven = true;
        self.proven_at = now;
        if let Some(end) = end {
            self.end = capped(end);
        }
    }

    /// A batch was acknowledged whose records have no time: its broker may have forgotten by the next one who wrote it.
    pub fn disprove(&mut self) {
        self.proven = false;
    }

    /// The partition was made anew: its broker may know nothing of what was acknowledged. If
    /// batches are `in_flight`, their answers may still come from the old one.
    pub fn doubt(&mut self, in_flight: bool) {
        self.proven = false;
        self.end = 0;
        self.doubted = in_flight;
    }

    /// The partition may have been made anew, or may not: an offset tells.
    pub fn suspect(&mut self, in_flight: bool) {
        let end = self.end;
        self.doubt(in_flight);
        self.end = end;
    }

    /// Nothing is in flight any more: the next answer is to what is sent from here on.
    pub fn settle(&mut self) {
        self.doubted = false;
    }

    /// Time passes: a proof does not hold for ever.
    pub fn age(&mut self, now: Millis) {
        if defect::on(Defect::ProofNeverAges) {
            return;
        }
        self.proven &= now.minus(self.proven_at.0).0 < PROOF_MS;
    }

    /// Whether a batch at `offset` lies too far ahead for a log that holds what was acknowledged and then `between`
    /// further records: that log is gone, and the batch was taken for the first of a producer nobody knows.
    pub fn is_in_another_log(&self, offset: i64, between: u32) -> bool {
        capped(offset) < self.end.saturating_add(between)
    }

    /// Whether a batch was acknowledged since the epoch began: what the broker says of later ones then follows from
    /// what it has.
    pub const fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether acknowledgements of this epoch tell how long its log was, even if it may be another one by now.
    pub const fn has_measured(&self) -> bool {
        self.proven || self.doubted
    }

    /// Whether a batch may be sent before the one ahead of it is acknowledged.
    pub const fn may_pipeline(&self, generation: &Generation) -> bool {
        self.proven && self.generation == generation.number
    }

    /// Whether the next batch counts on in the present generation: otherwise the batches of the old one must be
    /// resolved first.
    pub const fn is_current(&self, generation: &Generation) -> bool {
        self.generation == generation.number && !self.stale
    }

    /// Whether the next batch begins a new epoch, and nobody has taken it yet.
    pub const fn needs_epoch(&self, generation: &Generation) -> bool {
        self.stale && self.generation == generation.number
    }

    /// Producer id and epoch for a batch of `count` records, and its base sequence. `None` while there is no identity.
    /// If this partition [`needs_epoch`](Self::needs_epoch), that was begun before the batch was chosen.
    pub fn stamp(&mut self, generation: &Generation, count: u32) -> Option<(i64, i16, i32)> {
        debug_assert!(!self.needs_epoch(generation), "counts on behind a gap");
        let Identity::Known { id, epoch } = generation.identity else { return None };
        if self.generation != generation.number {
            *self = Self { generation: generation.number, ..Self::new() };
        }
        let base = self.next;
        if !defect::on(Defect::SequenceReused) {
            self.next = crate::batch::sequence::add(base, count);
        }
        Some((id.get(), epoch, base))
    }
}

/// Offsets that need more are not told apart: a log is made anew from 0 on.
fn capped(offset: i64) -> u32 {
    u32::try_from(offset.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Generation {
        let mut generation = Generation::new(Identity::Missing);
        generation.settle(7, 0);
        generation
    }

    /// The stamp of the next batch, in a new epoch if it needs one.
    fn next(sequence: &mut Sequence, generation: &mut Generation, count: u32) -> Option<(i64, i16, i32)> {
        if sequence.needs_epoch(generation) {
            generation.bump();
        }
        sequence.stamp(generation, count)
    }

    #[test]
    fn sequences_follow_on_and_wrap() {
        let mut generation = known();
        let mut sequence = Sequence::new();
        assert_eq!(next(&mut sequence, &mut generation, 10), Some((7, 0, 0)));
        assert_eq!(next(&mut sequence, &mut generation, 5), Some((7, 0, 10)));
        sequence.next = i32::MAX;
        assert_eq!(next(&mut sequence, &mut generation, 2), Some((7, 0, i32::MAX)));
        assert_eq!(next(&mut sequence, &mut generation, 1), Some((7, 0, 1)));
    }

    #[test]
    fn a_broken_sequence_begins_a_new_epoch_and_one_bump_serves_all() {
        let mut generation = known();
        let mut one = Sequence::new();
        let mut two = Sequence::new();
        let mut three = Sequence::new();
        for sequence in [&mut one, &mut two, &mut three] {
            assert!(next(sequence, &mut generation, 3).is_some());
        }
        one.break_off();
        two.break_off();
        assert_eq!(next(&mut one, &mut generation, 3), Some((7, 1, 0)));
        assert_eq!(next(&mut two, &mut generation, 3), Some((7, 1, 0)));
        assert!(!three.is_current(&generation));
        assert_eq!(next(&mut three, &mut generation, 3), Some((7, 1, 0)));
        assert_eq!(next(&mut one, &mut generation, 3), Some((7, 1, 3)));
    }

    #[test]
    fn batches_go_one_at_a_time_until_the_broker_counts_along() {
        let mut generation = known();
        let mut sequence = Sequence::new();
        assert!(next(&mut sequence, &mut generation, 3).is_some());
        assert!(!sequence.may_pipeline(&generation));
        sequence.prove(None, Millis(5));
        assert!(sequence.may_pipeline(&generation));
        sequence.doubt(false);
        assert!(!sequence.may_pipeline(&generation));
        sequence.prove(None, Millis(5));
        sequence.break_off();
        assert!(next(&mut sequence, &mut generation, 3).is_some());
        assert!(!sequence.may_pipeline(&generation), "a new epoch is proven anew");
    }

    #[test]
    fn an_offset_tells_whether_the_log_is_still_the_same() {
        let mut sequence = Sequence::new();
        assert!(!sequence.is_in_another_log(0, 0));
        sequence.prove(Some(10), Millis(1));
        sequence.prove(None, Millis(1));
        assert!(!sequence.is_in_another_log(10, 0));
        assert!(!sequence.is_in_another_log(13, 3));
        assert!(sequence.is_in_another_log(12, 3));
        assert!(sequence.is_in_another_log(9, 0));
        sequence.prove(Some(1 << 40), Millis(1));
        assert!(!sequence.is_in_another_log((1 << 40) + 1, 5));
        assert!(sequence.is_in_another_log(1000, 0));
        sequence.doubt(false);
        assert!(!sequence.is_in_another_log(0, 0));
    }

    #[test]
    fn an_answer_to_what_was_sent_to_the_old_partition_proves_nothing_of_the_new_one() {
        let mut generation = known();
        let mut sequence = Sequence::new();
        assert!(next(&mut sequence, &mut generation, 3).is_some());
        sequence.doubt(true);
        sequence.prove(None, Millis(5));
        assert!(!sequence.may_pipeline(&generation));
        sequence.settle();
        sequence.prove(None, Millis(6));
        assert!(sequence.may_pipeline(&generation));
    }

    #[test]
    fn a_partition_that_was_never_written_to_is_forgotten_without_a_new_epoch() {
        let mut generation = known();
        let mut sequence = Sequence::new();
        assert!(!sequence.is_used(generation.number));
        assert!(next(&mut sequence, &mut generation, 3).is_some());
        assert!(sequence.is_used(generation.number));
        generation.bump();
        assert!(!sequence.is_used(generation.number), "the new epoch has seen nothing of it");
    }

    #[test]
    fn a_partition_under_suspicion_proves_nothing_but_its_log_is_still_measured() {
        let mut sequence = Sequence::new();
        assert!(!sequence.is_proven() && !sequence.has_measured());
        sequence.prove(Some(10), Millis(1));
        assert!(sequence.is_proven() && sequence.has_measured());
        sequence.suspect(false);
        assert!(!sequence.is_proven() && !sequence.has_measured());
        assert!(sequence.is_in_another_log(9, 0) && !sequence.is_in_another_log(10, 0));
        sequence.suspect(true);
        assert!(!sequence.is_proven() && sequence.has_measured(), "answers may come from the old log");
    }

    #[test]
    fn a_proof_holds_for_a_minute_and_never_again() {
        for at in [0, u32::MAX - 30_000, 1 << 31] {
            let mut generation = known();
            let mut sequence = Sequence::new();
            assert!(next(&mut sequence, &mut generation, 3).is_some());
            let at = Millis(at);
            sequence.prove(None, at);
            sequence.age(at.plus(PROOF_MS - 1));
            assert!(sequence.may_pipeline(&generation));
            for later in [PROOF_MS, 1 << 31, u32::MAX] {
                let mut sequence = sequence;
                sequence.age(at.plus(later));
                assert!(!sequence.may_pipeline(&generation), "{later} ms later");
            }
        }
    }

    #[test]
    fn without_an_epoch_left_nothing_is_stamped_until_there_is_a_new_identity() {
        let mut generation = known();
        let mut sequence = Sequence::new();
        generation.settle(7, i16::MAX - 1);
        assert_eq!(next(&mut sequence, &mut generation, 1), Some((7, i16::MAX - 1, 0)));
        sequence.break_off();
        assert_eq!(next(&mut sequence, &mut generation, 1), None);
        assert_eq!(next(&mut sequence, &mut generation, 1), None);
        generation.settle(8, 0);
        assert_eq!(next(&mut sequence, &mut generation, 1), Some((8, 0, 0)));
    }
}
