//! What passes between the halves: free buffers and what is known of the cluster up, ready batches down.
//!
//! A server does this under its lock, so nothing here computes a checksum or does I/O. Batches are selected for
//! requests in the course of it (`select`): for each link that can take one, at most one batch of each partition it leads, beginning after
//! the partition at which the last request was full, so that no partition starves.
use super::{Sender, address::Address, slot::END, window::WINDOW};
use crate::accumulator::{Accumulator, Head};
use crate::connection::Lifecycle;
use crate::connection::link::NOBODY;
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Host, Slots};
use crate::record::Topic;
use crate::time::{Instant, Millis};

/// What a partition could do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Can {
    /// Nothing.
    Nothing,
    /// Go along with a request that is made anyway.
    GoAlong,
    /// Go now.
    Go,
}

impl<H: Host> Sender<'_, H> {
    /// Moves free buffers and news of the cluster up to `append`, and ready batches down from it.
    pub fn exchange(&mut self, append: &mut Accumulator<H>, now: Instant) {
        let now = now.millis();
        self.give_back(append);
        self.publish(append);
        if self.tell_fatal
            && let Some(DeliveryError::Fatal(code)) = self.fatal
        {
            append.fail(code);
            self.tell_fatal = false;
        }
        let aborted = self.aborting.then_some(DeliveryError::Aborted);
        if let Some(error) = self.fatal.or(self.refused_identity.take()).or(aborted) {
            self.unmark();
            self.fail_everything(append, error);
            return;
        }
        while let Some(batch) = append.take_expired(now) {
            self.fail_unsent(batch, DeliveryError::TimedOut);
        }
        self.drain(append, now);
        append.drained();
        self.wake_at(append.next_expiry());
    }

    /// Moves free buffers up to `append`.
    pub fn give_back(&mut self, append: &mut Accumulator<H>) {
        while let Some(buffer) = self.freed.pop() {
            if append.give(buffer).is_err() {
                break;
            }
        }
    }

    /// Drops the oldest batch of a topic that waits in `append`. Answers whether there was one.
    pub fn displace(&mut self, append: &mut Accumulator<H>, topic: Topic) -> bool {
        let oldest = append.take_oldest(topic);
        let any = oldest.is_some();
        if let Some(batch) = oldest {
            self.fail_unsent(batch, DeliveryError::Displaced);
        }
        any
    }

    /// Fails everything that is on its way or waits, at once. No more is sent; what a request carries keeps its
    /// buffer until that is over. The append half must have been closed.
    pub fn abort(&mut self, append: &mut Accumulator<H>, error: DeliveryError) {
        self.aborting = true;
        self.fail_everything(append, error);
    }

    fn fail_everything(&mut self, append: &mut Accumulator<H>, error: DeliveryError) {
        self.fail_all(error);
        for slot in 0..append.slots() {
            while let Some(batch) = append.take(slot) {
                self.fail_unsent(batch, error);
            }
        }
    }

    /// Tells the append half what it should know of the cluster, if that has changed.
    pub fn publish(&mut self, append: &mut Accumulator<H>) {
        if !self.changed {
            return;
        }
        self.changed = false;
        for (index, slot) in self.slots.as_slice().iter().enumerate() {
            let place = slot.place;
            if let Ok(index) = u16::try_from(index) {
                append.assign(index, place.topic, place.partition, place.leader >= 0);
                if !feature::ADAPTIVE && !feature::PIECES {
                    continue;
                }
                let leader = self.links.as_slice().iter().find(|link| link.link.node == place.leader);
                append.set_slow(index, leader.is_some_and(|link| link.is_late));
                let known = self.topics.known(Topic(place.topic));
                append.set_limit(index, known.map_or(u32::MAX, |known| known.limit.most()));
            }
        }
        for (topic, known) in self.topics.iter() {
            append.publish_topic(topic, known.partitions, known.base_slot, known.error);
        }
    }

    /// Forgets what the last drain left behind.
    fn unmark(&mut self) {
        for slot in self.links.as_mut_slice() {
            slot.marked = false;
            slot.starved = false;
            slot.full = false;
            slot.selected = 0;
            slot.last_slot = END;
        }
    }

    fn drain(&mut self, append: &mut Accumulator<H>, now: Millis) {
        let max_in_flight = self.in_flight_limit();
        self.unmark();
        let mut any = false;
        for slot in 0..self.slot_count() {
            any |= self.mark(append, slot, now, max_in_flight);
        }
        if !core::mem::take(&mut self.spare_wanted) {
            // What waited for it is gone: another broker's turn, which may wait for it since.
            self.more |= self.spare.node != NOBODY;
            self.spare = Address::nowhere();
        }
        if any {
            self.begin_epoch(append, now);
        }
        // Each link's walk begins where its last one stopped, and goes round once.
        let count = if any { self.slot_count() } else { 0 };
        for behind in [false, true] {
            for slot in 0..count {
                self.select(append, slot, behind, now);
            }
        }
        for place in self.links.as_mut_slice() {
            if place.marked && !place.full {
                place.link.resume_at = 0;
            }
        }
        // After what is ready was sent: else two brokers that share a link could take it from one another for ever.
        if core::mem::take(&mut self.crowded) {
            self.retire_one(now);
        }
    }

    pub(super) fn in_flight_limit(&self) -> u32 {
        u32::from(if defect::on(Defect::InFlightLimitIgnored) { 5 } else { self.config.max_in_flight() })
    }

    /// What the partition of `slot` could do now; and when to look again.
    pub(super) fn can(&mut self, append: &Accumulator<H>, slot: u16, now: Millis) -> Can {
        let limit = self.in_flight_limit() as usize;
        let Some(partition) = self.slots.at(slot) else { return Can::Nothing };
        let window = &partition.window;
        // A window of one takes none while one is in flight anyway, and none of an older epoch is left in it.
        if feature::PIPELINING
            && self.is_idempotent()
            && !partition.sequence.may_pipeline(&self.generation)
            && window.is_in_flight()
            && !defect::on(Defect::PipelinedUnproven)
        {
            return Can::Nothing;
        }
        if window.next_to_resend(now).is_some() {
            return Can::Go;
        }
        let retry_at = window.retry_at.filter(|at| !at.reached(now));
        if retry_at.is_some() && !window.muted {
            self.wake_at(retry_at);
            return Can::Nothing;
        }
        if !window.can_take(now, limit) || !self.may_stamp(slot) {
            return Can::Nothing;
        }
        match append.head(slot, now) {
            Head::Empty => Can::Nothing,
            Head::Ready => Can::Go,
            Head::Lingers(due) => {
                self.wake_at(Some(due));
                Can::GoAlong
            }
        }
    }

    /// Whether a new batch of this partition could be given a sequence: batches of an older epoch come first.
    fn may_stamp(&mut self, slot: u16) -> bool {
        if !feature::PIPELINING || !self.is_idempotent() {
            return true;
        }
        let Some(partition) = self.slots.at(slot) else { return false };
        partition.sequence.is_current(&self.generation) || partition.window.is_empty()
    }

    /// Marks the link that should get a request because of `slot`, and sees to it that there is one. Answers whether
    /// a link was marked.
    #[cfg_attr(target_pointer_width = "32", inline(never))] // fewer spills
    fn mark(&mut self, append: &mut Accumulator<H>, slot: u16, now: Millis, max_in_flight: u32) -> bool {
        if self.can(append, slot, now) != Can::Go {
            return false;
        }
        let Some(place) = self.slots.at(slot).map(|slot| slot.place) else {
            return false;
        };
        // A topic is not idle while something waits for it.
        if let Some(known) = self.topics.known_mut(Topic(place.topic))
            && !defect::on(Defect::WaitingTopicForgotten)
        {
            known.touch(now);
        }
        let leader = place.leader;
        if leader < 0 {
            self.refresh.need();
            return false;
        }
        let known = self.find_link(leader);
        let Some(index) = known.or_else(|| self.wanted_link(leader, now)) else { return false };
        let settled = self.generation.identity.is_settled();
        let patience = self.config.partitioner_availability_timeout_ms();
        let Some(place) = self.link_mut(index) else { return false };
        if !place.link.has_endpoint() {
            // Its address was not kept, or it is new.
            self.refresh.need();
            return false;
        }
        place.wanted = true;
        let speaks = place.link.versions.produce >= 0;
        if settled && speaks && place.link.can_send(now, max_in_flight) {
            place.marked = true;
            return true;
        }
        if place.link.state == Lifecycle::Up && !speaks {
            self.refuse_version(append, slot);
            return false;
        }
        place.starved = true;
        if feature::ADAPTIVE {
            let since = *place.waiting_since.get_or_insert(now);
            let late = patience > 0 && !place.is_late && since.plus(patience).reached(now);
            place.is_late |= late;
            self.changed |= late;
        }
        false
    }

    /// Its leader speaks no version of Produce that we do: what waits fails, and nothing is written. What is on its way to an
    /// earlier leader has its answer first, and what is queued behind it is told after it.
    fn refuse_version(&mut self, append: &mut Accumulator<H>, slot: u16) {
        for at in 0..WINDOW {
            if self.slot_mut(slot).is_some_and(|partition| partition.window.is_unsent(at)) {
                self.fail(slot, at, DeliveryError::UnsupportedVersion);
            }
        }
        self.tidy(slot);
        while self.slot_mut(slot).is_some_and(|partition| partition.window.is_empty())
            && let Some(batch) = append.take(slot)
        {
            self.fail_unsent(batch, DeliveryError::UnsupportedVersion);
        }
    }

    /// Takes the next epoch if the next batch of a marked link's partition needs one. Before any batch is chosen: one
    /// that was to count on in the old epoch, behind others that are in flight, would be stamped under the new one.
    fn begin_epoch(&mut self, append: &Accumulator<H>, now: Millis) {
        if !self.is_idempotent() {
            return;
        }
        for slot in 0..self.slot_count() {
            let Some(partition) = self.slots.at(slot) else { return };
            let (sequence, leader) = (&partition.sequence, partition.place.leader);
            let marked = |index| self.link(index).is_some_and(|place| place.marked);
            if sequence.needs_epoch(&self.generation)
                && self.find_link(leader).is_some_and(marked)
                && self.can(append, slot, now) != Can::Nothing
            {
                return self.generation.bump();
            }
        }
    }
}
