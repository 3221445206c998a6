//! The verdict on one batch, carried out: it is written, goes again, goes in pieces, or fails.
use super::Sender;
use super::links::retry_wait;
use crate::batch::Meta;
use crate::batch::meta::flag;
use crate::defect::{self, Defect};
use crate::delivery::{self, End};
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Buf, Host, Slots};
use crate::idempotence::{Action, Verdict};
use crate::record::Topic;
use crate::time::Millis;
use crate::wire::ErrorCode;

impl<H: Host> Sender<'_, H> {
    /// Carries out the verdict on one batch, whose request is answered.
    #[cfg_attr(target_pointer_width = "32", inline(never))] // fewer spills
    pub(super) fn judge(
        &mut self,
        slot: u16,
        at: usize,
        error: ErrorCode,
        place: (i64, i64),
        has_start: bool,
        now: Millis,
    ) {
        let verdict = Verdict::on(error);
        if matches!(verdict.action, Action::Written | Action::Duplicate) {
            self.progressed();
        }
        let idempotent = self.is_idempotent();
        let Some(partition) = self.slots.at_mut(slot) else { return };
        let gap = partition.window.gap;
        // In a window of one it is, and there is nothing before or behind it.
        let oldest = !feature::PIPELINING || partition.window.first_with(0, flag::ACKED, 0) == Some(at);
        let between = partition.window.in_doubt_before(at);
        let in_turn = !partition.window.is_acked_behind(at);
        let Some(batch) = partition.window.get_mut(at) else { return };
        let (meta, bytes) = batch.parts();
        let (topic, len, count, link) = (Topic(meta.topic), meta.sent_len(), meta.sent_count(), meta.link);
        meta.flags &= !flag::IN_FLIGHT;
        if verdict.maybe_written && !defect::on(Defect::MaybeErrorIsRefusal) {
            meta.flags |= flag::MAYBE;
        }
        if verdict.action == Action::Fail && !verdict.maybe_written && defect::on(Defect::RefusalCancelsMaybe)
        {
            meta.flags &= !flag::MAYBE;
        }
        let over = meta.flags & flag::FAILED != 0;
        let whole = !meta.has_rest() || defect::on(Defect::FirstPieceIsAll);
        match verdict.action {
            Action::Written if defect::on(Defect::AckDropped) => {}
            Action::Duplicate if defect::on(Defect::DuplicateIsFailure) => {
                self.fail(slot, at, DeliveryError::Broker(error.0));
            }
            Action::OutOfOrder if defect::on(Defect::OutOfOrderIsSuccess) && !over => {
                meta.flags |= flag::ACKED;
            }
            Action::Written | Action::Duplicate => {
                let proven = partition.sequence.has_measured();
                let known = verdict.action == Action::Written && place.0 >= 0;
                // Of a batch that it has already a broker tells the newest time in it, as if it had stamped it
                // (`UnifiedLog`, duplicates of a producer): no record of it need have that time.
                let echo = !feature::TIMESTAMPS
                    || meta.attempts > 1
                        && place.1 == meta.sent(bytes).max_timestamp
                        && !defect::on(Defect::EchoTold);
                let timed = place.1 >= 0 || feature::TIMESTAMPS && meta.sent(bytes).max_timestamp >= 0;
                let place = if known { (place.0, if echo { -1 } else { place.1 }) } else { (-1, -1) };
                // An offset tells of what is in a window of one nothing that its answer does not.
                let ordered = feature::PIPELINING && in_turn && known;
                let anew = ordered && proven && partition.sequence.is_in_another_log(place.0, between);
                partition.sequence.prove(ordered.then(|| place.0.saturating_add(i64::from(count))), now);
                if feature::PIPELINING && !timed && !defect::on(Defect::TimelessProven) {
                    partition.sequence.disprove();
                }
                if !over && whole {
                    meta.flags |= flag::ACKED;
                    delivery::put_place(bytes, place.0, place.1);
                    meta.flags |= if known { flag::HAS_OFFSET } else { 0 };
                    meta.flags |= if place.1 >= 0 && !defect::on(Defect::AppendTimeIgnored) {
                        flag::HAS_TIMESTAMP
                    } else {
                        0
                    };
                } else if !over && feature::PIECES {
                    // A broker that had the whole batch would not have taken a part of its range.
                    if known && idempotent {
                        meta.flags &= !flag::MAYBE_REST;
                    }
                    next_piece(meta, bytes, place);
                }
                if let Some(known) = self.topics.known_mut(topic) {
                    known.limit.took(len);
                }
                partition.window.hurried = false;
                // It follows on, so what failed before it is in the log, whatever we were told.
                let failed_later = feature::PIPELINING
                    && partition.window.first_with(at + 1, flag::FAILED, flag::FAILED).is_some();
                if gap && !failed_later && (whole || !over) {
                    partition.window.gap = false;
                }
                if feature::PIPELINING && idempotent {
                    if proven && known && !anew {
                        partition.window.settle_before(at);
                    }
                    self.fail_before(slot, at);
                }
            }
            _ if over => {}
            Action::Retry => self.retry(slot, at, DeliveryError::Broker(error.0), now),
            Action::RetryElsewhere => {
                if !defect::on(Defect::LeaderNotLookedFor) {
                    self.refresh.need();
                }
                match error {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => self.doubt_topic(slot),
                    ErrorCode::NOT_LEADER_OR_FOLLOWER => self.deny_leader(slot, link),
                    _ => {}
                }
                self.retry(slot, at, DeliveryError::Broker(error.0), now);
            }
            // Neither is retriable, and without idempotence there is no sequence to mend (`Sender.canRetry`).
            Action::OutOfOrder | Action::UnknownProducer if !idempotent => {
                self.fail(slot, at, DeliveryError::Broker(error.0));
            }
            Action::OutOfOrder => self.out_of_order(slot, at, oldest, error, now),
            // A broker that does not tell where the log begins has lost the partition meanwhile, and knows nothing of who
            // wrote to it (`TransactionManager.canRetry`).
            Action::UnknownProducer if oldest && has_start => self.out_of_order(slot, at, true, error, now),
            Action::UnknownProducer => self.retry(slot, at, DeliveryError::Broker(error.0), now),
            Action::Split if feature::PIECES => self.split(slot, at, error),
            Action::Split | Action::Fail | Action::FailRecords => {
                self.fail(slot, at, DeliveryError::Broker(error.0))
            }
            Action::FailProducer => {
                self.fail(slot, at, DeliveryError::Broker(error.0));
                if idempotent {
                    self.end(error);
                }
            }
        }
    }

    /// The batch at `at` is in the log, and nothing proves that what is ahead of it is: that could only be written behind it
    /// now. It fails, as what may be written or as what was not.
    fn fail_before(&mut self, slot: u16, at: usize) {
        for ahead in 0..at {
            let window = self.slots.at(slot).map(|partition| &partition.window);
            if window.is_some_and(|window| window.is_unsent(ahead)) {
                self.fail(slot, ahead, DeliveryError::Broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0));
            }
        }
    }

    /// A batch was too large. It goes on in pieces at once, with what it was given: its creation time, its part of the
    /// sequence, all its attempts. Each refusal makes the next piece smaller, down to a single record; that one fails
    /// alone, and leaves a gap in the sequence like any batch that fails.
    fn split(&mut self, slot: u16, at: usize, error: ErrorCode) {
        let idempotent = self.config.idempotence();
        let Some(partition) = self.slots.at_mut(slot) else { return };
        let window = &mut partition.window;
        let Some(batch) = window.get_mut(at) else { return };
        let (meta, bytes) = batch.parts();
        let (topic, len, count) = (Topic(meta.topic), meta.sent_len(), meta.sent_count());
        if count > 1 {
            // An attempt of which nothing is known had all of this.
            if meta.flags & flag::MAYBE != 0 {
                meta.flags |= flag::MAYBE_REST;
            }
            meta.attempts = 0;
            meta.divide(bytes, len / 2);
            window.muted = true;
            if let Some(known) = self.topics.known_mut(topic) {
                known.limit.refused(len);
            }
            self.changed = true;
            self.stats.add(|stats| &mut stats.splits, 1);
        } else if meta.has_rest() && delivery::can_keep_end(meta, bytes) {
            let maybe = meta.flags & flag::MAYBE != 0;
            let end = if maybe { End::TOO_LARGE_MAYBE } else { End::TOO_LARGE };
            let stamped = idempotent && meta.flags & flag::SEALED != 0;
            next_piece(meta, bytes, (end, -1));
            window.gap |= stamped;
            window.muted = true;
            self.stats.add(|stats| &mut stats.record_errors, 1);
        } else {
            self.fail(slot, at, DeliveryError::Broker(error.0));
        }
    }

    /// The sequence of a batch does not follow on. If an earlier one is unresolved that is no wonder. For the oldest it
    /// means a gap, which is closed once nothing is in flight: what may have been written is asked about, see
    /// [`Window`](super::window::Window), and what was not is stamped anew.
    ///
    /// Nothing is asked of a broker that never counted this producer's batches, or has forgotten them; nor about a piece whose
    /// whole batch may have been written before. Such a batch fails as one that may be written.
    fn out_of_order(&mut self, slot: u16, at: usize, oldest: bool, error: ErrorCode, now: Millis) {
        let Some(partition) = self.slots.at_mut(slot) else { return };
        let tells = partition.sequence.is_proven() && error == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
        let gap = partition.window.gap;
        let Some(batch) = partition.window.get_mut(at) else { return };
        let meta = batch.meta_mut();
        let spent = is_spent(meta, self.config.retries());
        let (maybe, rest) =
            (meta.flags & flag::MAYBE != 0, feature::PIECES && meta.flags & flag::MAYBE_REST != 0);
        let hopeless = maybe && (!tells || rest);
        if maybe && !hopeless {
            meta.flags |= flag::DENIED;
        }
        // Behind a gap it goes again as soon as that is closed, without a backoff: that is a try like any other.
        if (hopeless && (gap || oldest)) || (gap && spent) {
            return self.fail(slot, at, DeliveryError::Broker(error.0));
        }
        if gap {
            return;
        }
        if oldest {
            partition.window.gap = true;
        }
        self.retry(slot, at, DeliveryError::Broker(error.0), now);
    }

    /// Sends a batch again after a backoff, if attempts are left; time is the business of expiry.
    pub(super) fn retry(&mut self, slot: u16, at: usize, error: DeliveryError, now: Millis) {
        let retries = self.config.retries();
        let Some(partition) = self.slots.at_mut(slot) else { return };
        let Some(batch) = partition.window.get_mut(at) else { return };
        let (attempts, count) = (batch.meta().attempts, batch.meta().builder.count);
        if is_spent(batch.meta(), retries) {
            return self.fail(slot, at, error);
        }
        let wait = retry_wait(self.config, attempts.saturating_sub(1), &mut self.random);
        let wait = if defect::on(Defect::RetryWithoutBackoff) { 0 } else { wait };
        if defect::on(Defect::CursorNotRewound) {
            batch.meta_mut().flags |= flag::IN_FLIGHT;
        }
        if defect::on(Defect::RestampedAtRetry) {
            batch.meta_mut().flags &= !flag::SEALED;
        }
        partition.window.muted = true;
        partition.window.retry_at = Some(now.plus(wait));
        self.stats.add(|stats| &mut stats.retries, 1);
        self.stats.add(|stats| &mut stats.record_retries, count);
    }
}

/// Whether a batch was tried as often as `retries` allows.
fn is_spent(meta: &Meta, retries: u32) -> bool {
    u32::from(meta.attempts) > retries && !defect::on(Defect::RetriesIgnored)
}

/// A piece is over, at this offset and time: turns to the next one.
fn next_piece(meta: &mut Meta, bytes: &mut [u8], place: (i64, i64)) {
    let count = meta.sent_count();
    meta.advance(bytes);
    delivery::keep_end(meta, bytes, End { count, offset: place.0, timestamp: place.1 });
}
