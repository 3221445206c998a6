//! The batches of a request: chosen one by one while it has room, each with its place in the request's list.
use super::exchange::Can;
use super::{Sender, slot::END};
use crate::accumulator::{Accumulator, Head};
use crate::batch::meta::flag;
use crate::connection::Call;
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Buf, Host, Slots};
use crate::record::Topic;
use crate::time::Millis;

/// What a request needs beside the bytes of its batches, for each partition, at most: its topic's name or id, its
/// number, and lengths.
const PARTITION_OVERHEAD: u32 = 32;

impl<H: Host> Sender<'_, H> {
    /// Puts the first batch of `slot` into the request of its link, if that takes one.
    #[cfg_attr(target_pointer_width = "32", inline(never))] // fewer spills
    pub(super) fn select(&mut self, append: &mut Accumulator<H>, slot: u16, behind: bool, now: Millis) {
        let Some(partition) = self.slots.at(slot) else { return };
        let (leader, in_request) = (partition.place.leader, partition.window.next_to_resend(now));
        if leader < 0 {
            return;
        }
        let Some(index) = self.find_link(leader) else { return };
        let Some(place) = self.link(index) else { return };
        if !place.marked || (slot < place.link.resume_at) != behind {
            return;
        }
        if feature::PIPELINING && !self.slots.at(slot).is_some_and(|s| s.window.is_free_for(index)) {
            return;
        }
        // Where nothing goes along, what still lingers would go instead of what should.
        let can = self.can(append, slot, now);
        let goes = if feature::SHARED { can != Can::Nothing } else { can == Can::Go };
        if !goes || !self.generation.identity.is_settled() {
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
        let is_over = !feature::SHARED || total > max;
        if place.full || (place.selected > 0 && is_over && !defect::on(Defect::RequestSizeIgnored)) {
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
            known.touch(meta.created);
            // It was filled before the broker's limit was known.
            if feature::PIECES && meta.builder.count > 1 && meta.builder.len > known.limit.most() {
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
        let Some(place) = self.links.at_mut(index) else { return };
        place.selected = total;
        place.served = true;
        if feature::ADAPTIVE {
            place.waiting_since = None;
            self.changed |= core::mem::take(&mut place.is_late);
        }
        let link = &mut place.link;
        if link.out.is_none() {
            link.begin(Call::Produce, i16::from(link.versions.produce), now, 0, slot);
            self.stats.add(|stats| &mut stats.requests, 1);
        }
        let Some(out) = link.out else { return };
        if let Some(request) = link.in_flight.youngest_mut() {
            request.batches = request.batches.saturating_add(1);
        }
        let last = core::mem::replace(&mut place.last_slot, slot);
        let Some(partition) = self.slots.at_mut(slot) else { return };
        partition.next_in_request = END;
        if let Some(batch) = partition.window.get_mut(at) {
            let meta = batch.meta_mut();
            meta.flags = meta.flags & !flag::DENIED | flag::IN_FLIGHT;
            meta.link = index;
            meta.correlation = out.correlation;
            meta.attempts = meta.attempts.saturating_add(1);
            self.stats.add(|stats| &mut stats.batches, 1);
            self.stats.add(|stats| &mut stats.bytes, meta.sent_len());
            self.stats.add(|stats| &mut stats.records, meta.sent_count());
            if meta.attempts == 1 && !meta.in_pieces() {
                let waited = u32::try_from(now.since(meta.created)).unwrap_or(0);
                self.stats.add(|stats| &mut stats.queued, 1);
                self.stats.add(|stats| &mut stats.queue_ms, waited);
                self.stats.longest(|stats| &mut stats.queue_max_ms, waited);
            }
        }
        if feature::SHARED {
            self.link_in(last, slot, out.first_slot);
        }
    }

    /// Adds `slot` to the list of a request, behind the last one of the same topic: a topic is named once.
    fn link_in(&mut self, last: u16, slot: u16, first: u16) {
        if last == END {
            return;
        }
        let topic_of = |sender: &Self, at: u16| sender.slots.at(at).map(|slot| slot.place.topic);
        let topic = topic_of(self, slot);
        let mut behind = last;
        if topic_of(self, last) != topic {
            let mut at = first;
            while let Some(partition) = self.slots.at(at) {
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
        self.find_link(self.slots.at(slot)?.place.leader)
    }
}
