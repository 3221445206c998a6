//! The end of batches: failing them, telling their deliveries, freeing their buffers.
use super::{Sender, window::GapStep};
use crate::batch::meta::flag;
use crate::defect::{self, Defect};
use crate::delivery::Delivery;
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Buf, Host, Slots};

/// A batch whose delivery is to be told.
#[derive(Debug)]
pub enum Finished<B> {
    /// Nothing needs its bytes any more.
    Owned(B),
    /// It is over, and stays in its window while a request carries it.
    InFlight {
        /// The partition's slot.
        slot: u16,
        /// The batch's number.
        serial: u32,
    },
}

/// The next delivery of a batch that is over.
fn tell<B: Buf>(batch: &mut B) -> Delivery {
    let delivery = Delivery::of_batch(batch);
    let meta = batch.meta_mut();
    if feature::PIECES {
        meta.told = meta.told.saturating_add(delivery.count);
    }
    if delivery.rest == 0 {
        meta.flags |= flag::TOLD;
    }
    delivery
}

impl<H: Host> Sender<'_, H> {
    /// The next delivery, with the batch's buffer: it is free after the call that follows. Deliveries of one
    /// partition come in the order of appending.
    pub fn next_delivery(&mut self) -> Option<(Delivery, &mut H::Buf)> {
        loop {
            // Told with the last call.
            let told = match self.finished.front() {
                None => return None,
                Some(Finished::Owned(batch)) => batch.meta().flags & flag::TOLD != 0,
                Some(Finished::InFlight { slot, serial }) => {
                    let (slot, serial) = (*slot, *serial);
                    let window = self.slots.at(slot).map(|slot| &slot.window);
                    let untold = |b: &H::Buf| b.meta().serial == serial && b.meta().flags & flag::TOLD == 0;
                    !window.is_some_and(|window| window.iter().any(untold))
                }
            };
            if !told {
                break;
            }
            if let Some(Finished::Owned(batch)) = self.finished.pop() {
                self.free(batch);
            }
        }
        match self.finished.front()? {
            Finished::Owned(batch) => Some((tell(batch), batch)),
            Finished::InFlight { slot, serial } => {
                let (slot, serial) = (*slot, *serial);
                let window = &mut self.slots.at_mut(slot)?.window;
                let batch = window.iter_mut().find(|batch| batch.meta().serial == serial)?;
                Some((tell(batch), batch))
            }
        }
    }

    /// Takes a buffer that is free again. Those that are not taken go back to the append half at the next
    /// exchange.
    pub fn take_free(&mut self) -> Option<H::Buf> {
        self.freed.pop()
    }

    pub(super) fn free(&mut self, batch: H::Buf) {
        // There is a place for every buffer.
        let pushed = self.freed.push(batch);
        debug_assert!(pushed.is_ok(), "a buffer without a place");
    }

    /// A batch is over: its delivery is to be told, unless it was.
    pub(super) fn finish(&mut self, slot: u16, mut batch: H::Buf) {
        if defect::on(Defect::ToldTwice) {
            batch.meta_mut().flags &= !flag::TOLD;
        }
        let meta = batch.meta();
        if meta.flags & flag::TOLD != 0 {
            return self.free(batch);
        }
        let number = meta.serial;
        let place = (meta.flags & flag::QUEUED != 0)
            .then(|| {
                self.finished.iter_mut().find(|entry| {
                    matches!(entry, Finished::InFlight { slot: s, serial } if *s == slot && *serial == number)
                })
            })
            .flatten();
        match place {
            Some(entry) => *entry = Finished::Owned(batch),
            None => {
                // There is a place for every buffer.
                let pushed = self.finished.push(Finished::Owned(batch));
                debug_assert!(pushed.is_ok(), "a delivery without a place");
            }
        }
    }

    /// Puts what is over at the front of a window among the deliveries to be told, though requests carry it still:
    /// never before what is ahead of it.
    fn announce(&mut self, slot: u16) {
        let Some(place) = self.slots.at_mut(slot) else { return };
        for batch in place.window.iter_mut() {
            let meta = batch.meta_mut();
            if meta.flags & (flag::ACKED | flag::FAILED) == 0 {
                if defect::on(Defect::ToldOutOfTurn) {
                    continue;
                }
                return;
            }
            if meta.flags & flag::QUEUED == 0 {
                meta.flags |= flag::QUEUED;
                let pushed = self.finished.push(Finished::InFlight { slot, serial: meta.serial });
                debug_assert!(pushed.is_ok(), "a delivery without a place");
            }
        }
    }

    /// A batch that was never part of a request fails.
    pub(super) fn fail_unsent(&mut self, mut batch: H::Buf, error: DeliveryError) {
        let meta = batch.meta_mut();
        meta.flags |= flag::FAILED;
        meta.error = error;
        let slot = meta.slot;
        if defect::on(Defect::UnsentNeverTold) {
            return self.free(batch);
        }
        self.stats.add(|stats| &mut stats.record_errors, batch.meta().builder.count);
        self.finish(slot, batch);
    }

    /// A batch of a window fails for good. It stays in the window while a request carries it.
    pub(super) fn fail(&mut self, slot: u16, index: usize, error: DeliveryError) {
        let idempotent = self.config.idempotence();
        let Some(place) = self.slots.at_mut(slot) else { return };
        let window = &mut place.window;
        let Some(batch) = window.get_mut(index) else { return };
        let meta = batch.meta_mut();
        if meta.flags & (flag::ACKED | flag::FAILED) != 0 {
            return;
        }
        meta.flags |= flag::FAILED;
        meta.error = error;
        let count = meta.builder.count;
        let sealed = meta.flags & flag::SEALED != 0;
        if idempotent && sealed {
            window.gap = true;
        }
        self.stats.add(|stats| &mut stats.record_errors, count);
    }

    /// Takes what is resolved out of a window, ends its mute when nothing is in flight, and closes a gap.
    pub(super) fn tidy(&mut self, slot: u16) {
        loop {
            let Some(place) = self.slot_mut(slot) else { return };
            let Some(batch) = place.window.pop_resolved() else { break };
            self.finish(slot, batch);
        }
        self.announce(slot);
        let Some(place) = self.slot_mut(slot) else { return };
        let window = &mut place.window;
        if window.is_in_flight() {
            return;
        }
        window.muted = false;
        // Nobody is left who waits for that.
        if window.first_unsent().is_none() {
            window.retry_at = None;
        }
        place.sequence.settle();
        if window.close_gap() == GapStep::Restamp {
            window.unstamp();
            window.gap = false;
            place.sequence.break_off();
        }
    }

    /// Everything on its way fails. What a request carries keeps its bytes until that is over.
    pub(super) fn fail_all(&mut self, error: DeliveryError) {
        for slot in 0..self.slot_count() {
            let Some(place) = self.slot_mut(slot) else { return };
            for batch in place.window.iter_mut() {
                let meta = batch.meta_mut();
                // It is being sent, or waits for its answer: it may get there.
                if meta.flags & flag::IN_FLIGHT != 0 && !defect::on(Defect::AbortForgetsMaybe) {
                    meta.flags |= flag::MAYBE;
                }
            }
            let mut index = 0;
            while self.slot_mut(slot).is_some_and(|place| index < place.window.len()) {
                self.fail(slot, index, error);
                index += 1;
            }
            self.tidy(slot);
        }
    }
}
