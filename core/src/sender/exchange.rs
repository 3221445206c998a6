//! What passes between the halves: free buffers and what is known of the cluster up, ready batches down.
//!
//! A server does this under its lock, so nothing here computes a checksum or does I/O. Batches are selected for
//! requests here: for each link that can take one, at most one batch of each partition it leads, beginning after
//! the partition at which the last request was full, so that no partition starves.
use super::stats::Count;
use super::{Sender, links::Address, slot::END, window::WINDOW};
use crate::accumulator::{Accumulator, Head};
use crate::batch::meta::flag;
use crate::connection::link::NOBODY;
use crate::connection::{Call, Lifecycle};
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::host::{Buf, Host, Slots};
use crate::record::Topic;
use crate::time::{Instant, Millis};

/// What a request needs beside the bytes of its batches, for each partition, at most: its topic's name or id, its
/// number, and lengths.
const PARTITION_OVERHEAD: u32 = 32;

/// What a partition could do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Can {
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
        while let Some(buffer) = self.freed.pop() {
            if append.give(buffer).is_err() {
                break;
            }
        }
        self.publish(append);
        if self.tell_fatal
            && let Some(DeliveryError::Fatal(code)) = self.fatal
        {
            append.fail(code);
            self.tell_fatal = false;
        }
        if let Some(error) = self.fatal.or(self.refused_identity.take()) {
            self.fail_all(error);
            self.fail_queued(append, error);
            self.unmark();
            return;
        }
        if self.aborting {
            self.unmark();
            self.fail_queued(append, DeliveryError::Aborted);
            return;
        }
        while let Some(batch) = append.take_expired(now) {
            self.fail_unsent(batch, DeliveryError::TimedOut);
        }
        self.drain(append, now);
        append.drained();
        self.wake_at(append.next_expiry());
    }

    /// Fails everything that is on its way or waits, at once. No more is sent; what a request carries keeps its
    /// buffer until that is over. The append half must have been closed.
    pub fn abort(&mut self, append: &mut Accumulator<H>, error: DeliveryError) {
        self.aborting = true;
        self.fail_all(error);
        self.fail_queued(append, error);
    }

    fn fail_queued(&mut self, append: &mut Accumulator<H>, error: DeliveryError) {
        for slot in 0..append.slots() {
            let Ok(slot) = u16::try_from(slot) else { return };
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
        for behind in [false, true].into_iter().filter(|_| any) {
            for slot in 0..self.slot_count() {
                self.select(append, slot, behind, now);
            }
        }
        for place in self.links.as_mut_slice().iter_mut().filter(|place| place.marked && !place.full) {
            place.link.resume_at = 0;
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
    fn can(&mut self, append: &Accumulator<H>, slot: u16, now: Millis) -> Can {
        let limit = self.in_flight_limit() as usize;
        let Some(partition) = self.slots.as_slice().get(usize::from(slot)) else { return Can::Nothing };
        let window = &partition.window;
        if self.is_idempotent()
            && !partition.sequence.may_pipeline(&self.generation)
            && window.in_flight() > 0
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
        if !self.is_idempotent() {
            return true;
        }
        let Some(partition) = self.slots.as_slice().get(usize::from(slot)) else { return false };
        partition.sequence.is_current(&self.generation) || partition.window.is_empty()
    }

    /// Marks the link that should get a request because of `slot`, and sees to it that there is one. Answers whether
    /// a link was marked.
    fn mark(&mut self, append: &mut Accumulator<H>, slot: u16, now: Millis, max_in_flight: u32) -> bool {
        if self.can(append, slot, now) != Can::Go {
            return false;
        }
        let Some(place) = self.slots.as_slice().get(usize::from(slot)).map(|slot| slot.place) else {
            return false;
        };
        // A topic is not idle while something waits for it.
        if let Some(known) = self.topics.known_mut(Topic(place.topic))
            && !defect::on(Defect::WaitingTopicForgotten)
        {
            known.used = now;
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
        let since = *place.waiting_since.get_or_insert(now);
        let late = patience > 0 && !place.is_late && since.plus(patience).reached(now);
        place.is_late |= late;
        self.changed |= late;
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
            let Some(partition) = self.slots.as_slice().get(usize::from(slot)) else { return };
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

    /// Puts the first batch of `slot` into the request of its link, if that takes one.
    fn select(&mut self, append: &mut Accumulator<H>, slot: u16, behind: bool, now: Millis) {
        let Some(partition) = self.slots.as_slice().get(usize::from(slot)) else { return };
        let (leader, in_request) = (partition.place.leader, partition.window.next_to_resend(now));
        if leader < 0 {
            return;
        }
        let Some(index) = self.find_link(leader) else { return };
        let Some(place) = self.link(index) else { return };
        if !place.marked || (slot < place.link.resume_at) != behind {
            return;
        }
        if !self.slots.as_slice().get(usize::from(slot)).is_some_and(|s| s.window.is_free_for(index)) {
            return;
        }
        if self.can(append, slot, now) == Can::Nothing || !self.generation.identity.is_settled() {
            return;
        }
        let len = match in_request {
            Some(at) => self.slot_mut(slot).and_then(|s| s.window.get_mut(at)).map(|b| b.meta().sent_len()),
            None => append.head_len(slot),
        };
        let Some(len) = len else { return };
        let max = self.config.max_request_size();
        let Some(place) = self.link_mut(index) else { return };
        let total = place.selected.saturating_add(len).saturating_add(PARTITION_OVERHEAD);
        if place.full || (place.selected > 0 && total > max && !defect::on(Defect::RequestSizeIgnored)) {
            // One batch always goes. The next request begins here.
            if !place.full {
                place.link.resume_at = slot;
            }
            place.full = true;
            place.starved = true;
            return;
        }
        let at = match in_request {
            Some(at) => at,
            None => match self.take(append, slot) {
                Some(at) => at,
                None => return,
            },
        };
        self.put(index, slot, at, total, now);
        if append.head(slot, now) == Head::Ready
            && let Some(place) = self.link_mut(index)
        {
            place.starved = true;
        }
    }

    /// Moves the first batch of `slot` from the append half into its window.
    fn take(&mut self, append: &mut Accumulator<H>, slot: u16) -> Option<usize> {
        let mut batch = append.take(slot)?;
        let (meta, bytes) = batch.parts();
        if let Some(known) = self.topics.known_mut(Topic(meta.topic)) {
            known.used = meta.created;
            // It was filled before the broker's limit was known.
            if meta.builder.count > 1 && meta.builder.len > known.limit.most() {
                meta.divide(bytes, known.limit.most());
            }
        }
        match self.slot_mut(slot)?.window.push(batch) {
            Ok(at) => Some(at),
            // `can_take` said there is room.
            Err(batch) => {
                self.fail_unsent(batch, DeliveryError::Aborted);
                None
            }
        }
    }

    /// Makes a batch of a window part of the request that `index` gets in this drain, which begins with the first.
    fn put(&mut self, index: u16, slot: u16, at: usize, total: u32, now: Millis) {
        let Some(place) = self.links.as_mut_slice().get_mut(usize::from(index)) else { return };
        place.selected = total;
        place.served = true;
        place.waiting_since = None;
        self.changed |= core::mem::take(&mut place.is_late);
        let link = &mut place.link;
        if link.out.is_none() {
            link.begin(Call::Produce, i16::from(link.versions.produce), now, 0, slot);
            self.stats.requests += 1;
        }
        let Some(out) = link.out else { return };
        if let Some(request) = link.in_flight.youngest_mut() {
            request.batches = request.batches.saturating_add(1);
        }
        let last = core::mem::replace(&mut place.last_slot, slot);
        let Some(partition) = self.slots.as_mut_slice().get_mut(usize::from(slot)) else { return };
        partition.next_in_request = END;
        if let Some(batch) = partition.window.get_mut(at) {
            let meta = batch.meta_mut();
            meta.flags = meta.flags & !flag::DENIED | flag::IN_FLIGHT;
            meta.link = index;
            meta.correlation = out.correlation;
            meta.attempts = meta.attempts.saturating_add(1);
            self.stats.batches += 1;
            self.stats.bytes += Count::from(meta.sent_len());
            self.stats.records += Count::from(meta.sent_count());
            if meta.attempts == 1 && !meta.in_pieces() {
                let waited = u32::try_from(now.since(meta.created)).unwrap_or(0);
                self.stats.queued += 1;
                self.stats.queue_ms += Count::from(waited);
                self.stats.queue_max_ms = self.stats.queue_max_ms.max(waited);
            }
        }
        self.link_in(last, slot, out.first_slot);
    }

    /// Adds `slot` to the list of a request, behind the last one of the same topic: a topic is named once.
    fn link_in(&mut self, last: u16, slot: u16, first: u16) {
        if last == END {
            return;
        }
        let topic_of = |sender: &Self, at: u16| {
            sender.slots.as_slice().get(usize::from(at)).map(|slot| slot.place.topic)
        };
        let topic = topic_of(self, slot);
        let mut behind = last;
        if topic_of(self, last) != topic {
            let mut at = first;
            while let Some(partition) = self.slots.as_slice().get(usize::from(at)) {
                if Some(partition.place.topic) == topic {
                    behind = at;
                }
                at = partition.next_in_request;
            }
        }
        let Some(before) = self.slot_mut(behind) else { return };
        let next = core::mem::replace(&mut before.next_in_request, slot);
        if let Some(partition) = self.slot_mut(slot) {
            partition.next_in_request = next;
        }
        // `last` is the end of the list, wherever the slot went in.
        if behind != last
            && let Some(link) = self.slot_link(slot)
            && let Some(place) = self.link_mut(link)
        {
            place.last_slot = last;
        }
    }

    fn slot_link(&self, slot: u16) -> Option<u16> {
        self.find_link(self.slots.as_slice().get(usize::from(slot))?.place.leader)
    }
}
