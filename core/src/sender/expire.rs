//! Deadlines: requests without an answer, batches without an outcome, links without use.
use super::{Sender, answer::Loss};
use crate::batch::meta::flag;
use crate::config::Acks;
use crate::connection::Lifecycle;
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Buf, Host, Slots};
use crate::time::Millis;

impl<H: Host> Sender<'_, H> {
    /// The link whose oldest request has waited for too long, or whose setup takes too long.
    pub(super) fn next_timed_out(&self, now: Millis) -> Option<(u16, Loss)> {
        (0..self.link_count()).find_map(|index| {
            let slot = self.link(index)?;
            let link = &slot.link;
            if link.doomed {
                let too_old = link.state == Lifecycle::Up && link.versions.metadata < 0;
                return Some((index, if too_old { Loss::TooOld } else { Loss::Nonsense }));
            }
            if link.state == Lifecycle::Dialling && link.due.reached(now) {
                return Some((index, Loss::Setup));
            }
            let request = link.in_flight.front()?;
            let over = request.sent_at.plus(self.config.request_timeout_ms()).reached(now)
                && !defect::on(Defect::RequestNeverTimesOut);
            over.then_some((index, Loss::Timeout))
        })
    }

    /// When the next request, setup, link or batch runs out of time.
    pub(super) fn next_expiry(&self) -> Option<Millis> {
        let mut next: Option<Millis> = None;
        let mut note = |at: Millis| next = Some(next.map_or(at, |next| next.min(at)));
        let idle = self.config.connections_max_idle_ms().filter(|_| feature::IDLE);
        for slot in self.links.as_slice() {
            let link = &slot.link;
            match link.state {
                Lifecycle::Down => {}
                Lifecycle::Dialling => note(link.due),
                Lifecycle::Greeting | Lifecycle::Up => {
                    if let Some(request) = link.in_flight.front() {
                        note(request.sent_at.plus(self.config.request_timeout_ms()));
                    } else if let (Some(idle), Some(used)) = (idle, link.used)
                        && !defect::on(Defect::IdleLinksStay)
                    {
                        note(used.plus(idle));
                    }
                }
            }
        }
        let timeout = defect::deadline(self.config.delivery_timeout_ms());
        for slot in self.slots.as_slice() {
            let mut open = slot.window.iter().filter(|b| b.meta().flags & (flag::ACKED | flag::FAILED) == 0);
            if let Some(batch) = open.next() {
                note(batch.meta().created.plus(timeout));
            }
        }
        next
    }

    /// Fails the batches on their way whose `delivery.timeout.ms` has passed.
    pub(super) fn expire(&mut self, now: Millis) {
        let timeout = defect::deadline(self.config.delivery_timeout_ms());
        for slot in 0..self.slot_count() {
            let mut at = 0;
            let mut any = false;
            while let Some(batch) = self.slot_mut(slot).and_then(|partition| partition.window.get_mut(at)) {
                let meta = batch.meta_mut();
                let open =
                    meta.flags & (flag::ACKED | flag::FAILED) == 0 && !defect::on(Defect::DeadlineIgnored);
                if open && meta.created.plus(timeout).reached(now) {
                    // What is being sent, or waits for its answer, may get there.
                    if meta.flags & flag::IN_FLIGHT != 0 && !defect::on(Defect::ExpiryForgetsMaybe) {
                        meta.flags |= flag::MAYBE;
                    }
                    self.fail(slot, at, DeliveryError::TimedOut);
                    any = true;
                }
                at += 1;
            }
            if any {
                self.tidy(slot);
            }
        }
    }

    /// Whether answers to produce requests are expected.
    pub(super) fn expects_answers(&self) -> bool {
        !feature::ACKS_ZERO || self.acks() != Acks::Zero
    }
}
