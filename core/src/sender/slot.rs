//! What the send half keeps of one partition, and how a partition gets a slot.
use super::Sender;
use super::window::Window;
use crate::cluster::Place;
use crate::cluster::place::NO_LEADER;
use crate::defect::{self, Defect};
use crate::host::{Buf, Host, Slots};
use crate::idempotence::Sequence;
use crate::record::Topic;
use crate::time::Instant;

/// The end of a request's list of slots.
pub(super) const END: u16 = u16::MAX;

/// One partition of the send half.
#[derive(Debug)]
pub struct Slot<B> {
    pub(super) place: Place,
    pub(super) sequence: Sequence,
    pub(super) window: Window<B>,
    /// The slot after this one in the request that is being written to its leader.
    pub(super) next_in_request: u16,
    /// A newer leader that the answer under way has named (KIP-951), or none; its address comes at the
    /// answer's end.
    pub(super) hint: (i32, i32),
}

impl<B: Buf> Slot<B> {
    pub(super) const fn new(place: Place) -> Self {
        Self {
            place,
            sequence: Sequence::new(),
            window: Window::new(),
            next_in_request: END,
            hint: (NO_LEADER, -1),
        }
    }
}

/// One of 32 marks for a partition: two partitions may share one.
pub(super) fn mark(topic: Topic, partition: i32) -> u32 {
    let mixed = (u32::from(topic.0) << 16 ^ partition.cast_unsigned()).wrapping_mul(0x9e37_79b9);
    1 << (mixed >> 27)
}

impl<H: Host> Sender<'_, H> {
    /// A slot for a partition that has none: a new one, or that of a partition with nothing on its way that
    /// `is_idle` on the append side too. Its sequence is forgotten, and remembered as such.
    pub fn claim(
        &mut self,
        topic: Topic,
        partition: i32,
        now: Instant,
        is_idle: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        if let Some(found) = self.find_slot(topic, partition) {
            return Some(found);
        }
        // What is asked now is about this topic, however long it was idle.
        if let Some(known) = self.topics.known_mut(topic) {
            known.touch(now.millis());
        }
        let fresh = self.fresh_slot(topic, partition);
        self.changed = true;
        self.refresh.need();
        let fresh = match self.slots.push(fresh) {
            Ok(()) => return Some(self.slot_count().saturating_sub(1)),
            Err(fresh) => fresh,
        };
        let idle = |index: &u16| {
            let slot = self.slots.at(*index);
            slot.is_some_and(|slot| slot.window.is_empty()) && is_idle(*index)
        };
        // Round and round, so that no partition is shut out; one that was never written to costs nothing.
        let count = u32::from(self.slot_count()).max(1);
        let start = self.random.next_u32() % count;
        let round = (0..count).map(|nth| (start + nth) % count);
        let index = round.filter_map(|index| u16::try_from(index).ok()).find(idle)?;
        let generation = self.generation.number;
        let old = self.slot_mut(index)?;
        let (place, used) = (old.place, old.sequence.is_used(generation));
        *old = fresh;
        if used {
            if self.forgotten_in != generation {
                self.forgotten = 0;
                self.forgotten_in = generation;
            }
            if !defect::on(Defect::ForgottenNotRemembered) {
                self.forgotten |= mark(Topic(place.topic), place.partition);
            }
        }
        Some(index)
    }

    /// The slot of a partition that was told of: its own, or a new one.
    pub(super) fn slot_for(&mut self, topic: Topic, partition: i32) -> Option<u16> {
        let slot = match self.find_slot(topic, partition) {
            Some(slot) => slot,
            None => {
                let fresh = self.fresh_slot(topic, partition);
                if self.slot_count() == u16::MAX - 1 || self.slots.push(fresh).is_err() {
                    return None;
                }
                self.slot_count().saturating_sub(1)
            }
        };
        if <H::Slots<Slot<H::Buf>>>::GROWS
            && partition == 0
            && let Some(known) = self.topics.known_mut(topic)
        {
            known.base_slot = slot;
        }
        Some(slot)
    }

    /// A slot for a partition that has none. If its sequence may have been forgotten in this generation, it begins a
    /// new epoch: a broker could take its first batch for one it remembers.
    pub(super) fn fresh_slot(&self, topic: Topic, partition: i32) -> Slot<H::Buf> {
        let mut fresh = Slot::new(Place::new(topic.0, partition));
        let generation = self.generation.number;
        if self.forgotten_in == generation && self.forgotten & mark(topic, partition) != 0 {
            fresh.sequence = crate::idempotence::Sequence::forgotten(generation);
        }
        fresh
    }
}
