//! When a batch may go: a pure query of one slot. Who leads it, whether it is muted and whether the leader
//! can take a request is the send half's to know.
use super::{Accumulator, due};
use crate::defect::{self, Defect};
use crate::host::{Buf, Host};
use crate::time::Millis;

/// What waits at the head of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// No batch.
    Empty,
    /// A batch that lingers until then, unless its broker is sent to anyway.
    Lingers(Millis),
    /// A batch that should go now.
    Ready,
}

impl<H: Host> Accumulator<H> {
    /// What waits at the head of `slot` at `now`: ready if it is full, or another batch waits behind it, or it
    /// has lingered, or memory is exhausted, or a flush or close is under way.
    pub fn head(&self, slot: u16, now: Millis) -> Head {
        let Some(queue) = self.queue(slot) else { return Head::Empty };
        if queue.sealed > 0 {
            return Head::Ready;
        }
        let Some(open) = &queue.open else { return Head::Empty };
        let due = due(open.meta().created, self.settings.linger_ms);
        let ready = self.exhausted || self.closed || due.reached(now) || defect::on(Defect::LingerIgnored);
        if ready { Head::Ready } else { Head::Lingers(due) }
    }

    /// Makes everything appended so far sendable.
    pub fn flush(&mut self) {
        for slot in 0..self.slots() {
            self.seal(slot);
        }
    }

    /// A drain has taken what it could: what is open lingers again.
    pub fn drained(&mut self) {
        self.exhausted = false;
    }

    /// Size in bytes of the batch at the head of `slot`.
    pub fn head_len(&self, slot: u16) -> Option<u32> {
        Some(self.first(slot)?.meta().builder.len)
    }

    /// Takes a batch whose `delivery.timeout.ms` has passed. It was never part of a request.
    pub fn take_expired(&mut self, now: Millis) -> Option<H::Buf> {
        let timeout = defect::deadline(self.settings.delivery_timeout_ms);
        let slot = (0..self.slots())
            .find(|slot| self.first(*slot).is_some_and(|b| b.meta().created.plus(timeout).reached(now)))?;
        self.take(slot)
    }

    /// When the oldest batch here expires.
    pub fn next_expiry(&self) -> Option<Millis> {
        let timeout = defect::deadline(self.settings.delivery_timeout_ms);
        (0..self.slots())
            .filter_map(|slot| Some(self.first(slot)?.meta().created.plus(timeout)))
            .reduce(Millis::min)
    }
}
