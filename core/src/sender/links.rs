//! Which links there are, which are opened and which are given up.
use super::{LinkSlot, Sender, Server, Slot, Trouble, TroubleKind, answer::Loss};
use crate::batch::meta::flag;
use crate::config::{Checked, MAX_MS};
use crate::connection::link::{BOOTSTRAP, LEFT};
use crate::connection::{Call, Lifecycle, Link, backoff};
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Buf, Host, Slots, Text};
use crate::random::Random;
use crate::time::Millis;

/// How long to wait before a request is sent again, in ms.
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn retry_wait(config: Checked<'_>, failures: u16, random: &mut Random) -> u32 {
    backoff::exponential(config.retry_backoff_ms(), config.retry_backoff_max_ms(), failures, random)
}

/// Links a producer ever has, wherever slots may grow.
pub(super) const MOST_LINKS: u16 = 4096;

impl<H: Host> Sender<'_, H> {
    /// Every slot is taken and a broker needs one: the least recently used link takes no new requests, and closes
    /// when it is idle. One that no batch went by, perhaps only questions about the cluster, goes before those that
    /// data goes by; one that has data waiting and has not sent any yet has its turn first.
    pub(super) fn retire_one(&mut self, now: Millis) {
        if defect::on(Defect::NoLinkMakesRoom) || self.links.as_slice().iter().any(|slot| slot.link.retiring)
        {
            return;
        }
        let had_its_turn = |slot: &LinkSlot<H>| match slot.link.state {
            Lifecycle::Dialling | Lifecycle::Greeting => false,
            Lifecycle::Up => slot.served || !(slot.marked || slot.starved),
            Lifecycle::Down => slot.link.backing_off || !slot.starved,
        };
        // In steps of two milliseconds, so that the first bit is free.
        let rank = |slot: &LinkSlot<H>| {
            let unserved = u32::from(!slot.served) << 31;
            had_its_turn(slot).then(|| unserved | slot.link.unused_for(now) >> 1)
        };
        let oldest = self.highest(0, &rank);
        if let Some(slot) = oldest.and_then(|index| self.link_mut(index)) {
            slot.link.retiring = true;
            // If it is idle it closes at once.
            self.more = true;
        }
    }

    /// Closes links that retire or were idle for long, once nothing is on its way; answers which.
    pub(super) fn next_unneeded(&self, now: Millis) -> Option<u16> {
        let max_idle = self.config.connections_max_idle_ms().filter(|_| feature::IDLE);
        (0..self.link_count()).find(|index| {
            self.link(*index).is_some_and(|slot| {
                let link = &slot.link;
                let idle = max_idle.is_some_and(|idle| link.unused_for(now) >= idle);
                let open = link.state == Lifecycle::Up && link.is_idle();
                link.is_to_close() || (open && idle)
            })
        })
    }

    /// A stream is gone, for whatever reason: what it carried is retried or fails, and the slot waits before it is
    /// opened again.
    pub(super) fn lost(&mut self, index: u16, loss: Loss, now: Millis) {
        let (base, max) = (self.config.reconnect_backoff_ms(), self.config.reconnect_backoff_max_ms());
        let error = match loss {
            Loss::Timeout => DeliveryError::RequestTimedOut,
            Loss::Nonsense => DeliveryError::MalformedAnswer,
            Loss::TooOld => DeliveryError::UnsupportedVersion,
            _ => DeliveryError::Disconnected,
        };
        // What was written completely may have been done; a request that was cut off was not.
        while let Some(request) = self.link_mut(index).and_then(|slot| slot.link.in_flight.pop()) {
            if defect::on(Defect::LostLinkKeepsRequests) {
                continue;
            }
            let out = self.link(index).and_then(|slot| slot.link.out);
            let whole =
                out.is_none_or(|out| out.correlation != request.correlation || out.written == out.len);
            match request.call {
                Call::Produce => {
                    self.give_up_request(index, request.correlation, whole, error, now);
                }
                Call::Metadata => {
                    for known in self.topics.iter_mut() {
                        known.asking = false;
                    }
                    let wait = retry_wait(self.config, self.refresh.failures(), &mut self.random);
                    self.refresh.failed(now, wait);
                }
                Call::InitProducerId => self.identify_later(now),
                Call::ApiVersions => {}
            }
        }
        let failures = self.link(index).map_or(0, |slot| slot.link.failures);
        let wait = backoff::exponential(base, max, failures, &mut self.random);
        self.note_trouble(index, loss);
        let Some(slot) = self.link_mut(index) else { return };
        slot.context = super::Context::None;
        let link = &mut slot.link;
        let (was, node, retiring) = (link.state, link.node, link.retiring);
        // A broker that broke the link at the newest ApiVersions may know only the oldest.
        if feature::OLD_BROKERS && was == Lifecycle::Greeting {
            link.greet_old = !link.greet_old;
        }
        link.reset();
        link.doomed = false;
        if was == Lifecycle::Up {
            self.stats.add(|stats| &mut stats.connections_closed, 1);
        }
        let Some(slot) = self.link_mut(index) else { return };
        if loss != Loss::Unneeded && node != BOOTSTRAP {
            slot.link.backing_off = !defect::on(Defect::DialWithoutBackoff);
            slot.link.due = now.plus(wait);
            slot.link.failures = failures.saturating_add(1);
        }
        if node == BOOTSTRAP || retiring {
            slot.vacate();
        }
        if node == BOOTSTRAP && loss != Loss::Unneeded {
            // Each server is tried at once; then the list waits before it is tried again.
            let round = self.bootstrap.next == 0;
            self.bootstrap.failures = self.bootstrap.failures.saturating_add(u16::from(round));
            self.bootstrap.not_before = round.then(|| now.plus(wait));
        }
        if loss != Loss::Unneeded {
            self.refresh.need();
        }
    }

    fn note_trouble(&mut self, index: u16, loss: Loss) {
        if !feature::TROUBLE {
            return;
        }
        let kind = match loss {
            Loss::Unneeded => return,
            Loss::Setup => TroubleKind::Unreachable,
            Loss::Stream => TroubleKind::Closed,
            Loss::Timeout => TroubleKind::NoAnswer,
            Loss::Nonsense => TroubleKind::NotKafka,
            Loss::TooOld => TroubleKind::TooOld,
        };
        let Some(LinkSlot { link, .. }) = self.link(index) else { return };
        let server = match link.node {
            BOOTSTRAP => {
                // The one before the next.
                let last = u16::try_from(self.config.bootstrap().len()).unwrap_or(u16::MAX);
                Server::Bootstrap(self.bootstrap.next.checked_sub(1).unwrap_or(last.saturating_sub(1)))
            }
            LEFT => return,
            node => Server::Broker(node),
        };
        let greeting = link.state != Lifecycle::Up;
        self.trouble = Some(Trouble { kind, server, greeting });
    }

    /// A stream is open, or has greeted. That says nothing of another broker: who reaches the bootstrap servers alone, again
    /// and again, is in trouble with the leader that they name.
    pub(super) fn reached(&mut self, index: u16) {
        if !feature::TROUBLE {
            return;
        }
        let Some(Trouble { kind, server, .. }) = self.trouble else { return };
        let Some(LinkSlot { link, .. }) = self.link(index) else { return };
        let with = match server {
            Server::Bootstrap(_) => BOOTSTRAP,
            Server::Broker(node) => node,
        };
        let greeted = link.state == Lifecycle::Up;
        let (its, any) = (link.node == with, with == BOOTSTRAP && greeted);
        if any || its && (greeted || kind == TroubleKind::Unreachable) {
            self.trouble = None;
        }
    }

    /// Something was written. A broker that no link leads to any more is nobody's trouble then.
    pub(super) fn progressed(&mut self) {
        self.refresh.progressed();
        if let Some(Trouble { server: Server::Broker(node), .. }) = self.trouble
            && feature::TROUBLE
            && self.find_link(node).is_none()
        {
            self.trouble = None;
        }
    }

    /// The batches of a request that gets no answer: retried, or failed if no retry is left.
    pub(super) fn give_up_request(
        &mut self,
        link: u16,
        correlation: i32,
        maybe: bool,
        error: DeliveryError,
        now: Millis,
    ) {
        for slot in 0..self.slot_count() {
            let Some(partition) = self.slot_mut(slot) else { continue };
            let Some(at) = partition.window.find(link, correlation) else { continue };
            if let Some(batch) = partition.window.get_mut(at) {
                let meta = batch.meta_mut();
                meta.flags &= !flag::IN_FLIGHT;
                if maybe && !defect::on(Defect::LostLinkForgetsMaybe) {
                    meta.flags |= flag::MAYBE;
                }
                let (failed, refused) = (meta.flags & flag::FAILED != 0, meta.error);
                if !failed && meta.flags & flag::NOTES != 0 && !defect::on(Defect::NotesSentAgain) {
                    // The answer broke off behind the refusal, and what the broker said of it, as far as it came, lies over
                    // the batch's bytes.
                    meta.flags &= !flag::NOTES;
                    self.fail(slot, at, refused);
                } else if !failed {
                    self.retry(slot, at, error, now);
                }
            }
            self.tidy(slot);
        }
    }

    /// Any link.
    fn any_link(&mut self) -> u16 {
        let count = u32::from(self.link_count());
        u16::try_from(self.random.below(count)).unwrap_or(0)
    }

    /// The link that ranks highest, from `start` on; of equals the first.
    pub(super) fn highest(&self, start: u16, rank: &dyn Fn(&LinkSlot<H>) -> Option<u32>) -> Option<u16> {
        let (mut highest, mut at) = (None, None);
        let count = self.link_count();
        for nth in 0..count {
            let index = start.wrapping_add(nth);
            let index = if index < count { index } else { index.wrapping_sub(count) };
            let rank = self.link(index).and_then(rank);
            // Nothing ranks below everything.
            if rank > highest {
                (highest, at) = (rank, Some(index));
            }
        }
        at
    }

    /// Of the open links that `fit` the one with the fewest requests in flight.
    pub(super) fn idlest(&mut self, now: Millis, fits: fn(&LinkSlot<H>) -> bool) -> Option<u16> {
        let max = u32::from(self.config.max_in_flight());
        let start = self.any_link();
        self.highest(start, &|slot| {
            let fits = slot.link.can_send(now, max) && fits(slot);
            fits.then(|| u32::MAX - u32::from(slot.link.in_flight.count()))
        })
    }

    /// A link to ask the cluster by: the idlest that is open. If there is none, one is chosen to be opened.
    pub(super) fn least_loaded(&mut self, now: Millis) -> Option<u16> {
        let open = self.idlest(now, |_| true);
        if open.is_some() {
            return open;
        }
        if self.links.as_slice().iter().any(|slot| slot.is_pending(now)) {
            return None;
        }
        let start = self.any_link();
        let known = self.highest(start, &|slot| slot.link.may_dial(now).then(|| slot.link.unused_for(now)));
        // A broker that waits for a slot can tell as much as a bootstrap server.
        match known.or_else(|| self.place_spare(now)).or_else(|| self.bootstrap_link(now)) {
            Some(index) => {
                if let Some(slot) = self.link_mut(index) {
                    slot.wanted = true;
                }
            }
            // What is due already waits for a slot.
            None => self.wake_at_next_dial(now),
        }
        None
    }

    /// A link to the next of the bootstrap servers, if it is time to try one.
    fn bootstrap_link(&mut self, now: Millis) -> Option<u16> {
        if let Some(chosen) = self.find_link(BOOTSTRAP) {
            return Some(chosen);
        }
        // One whose address never came, because the answer broke off, is as good as none.
        let known = self.links.as_slice().iter().any(|slot| slot.link.node >= 0 && slot.link.has_endpoint());
        let never = self.config.metadata_recovery() == crate::config::MetadataRecovery::None;
        if (known && never) || self.bootstrap.not_before.is_some_and(|at| !at.reached(now)) {
            return None;
        }
        let servers = self.config.bootstrap();
        let server = *servers.get(usize::from(self.bootstrap.next))?;
        let index = match self.free_link(BOOTSTRAP) {
            Some(index) => index,
            // Every slot is a broker's, and none can be reached: the one that waits no longer than others makes
            // room, and the server waits in its place.
            None => {
                let sooner = |link: &Link<H::Text>| now.plus(MAX_MS).0.wrapping_sub(link.due.0);
                let down = |slot: &LinkSlot<H>| slot.link.state == Lifecycle::Down;
                let index = self.highest(0, &|slot| down(slot).then(|| sooner(&slot.link)))?;
                self.link_mut(index)?.vacate();
                self.link_mut(index)?.link.node = BOOTSTRAP;
                index
            }
        };
        let next = self.bootstrap.next.wrapping_add(1);
        self.bootstrap.next = if usize::from(next) < servers.len() { next } else { 0 };
        let failures = self.bootstrap.failures;
        let slot = self.link_mut(index)?;
        slot.link.host.assign(server.host);
        slot.link.port = server.port;
        slot.link.failures = failures;
        // Its slot is another one each time, so the rounds tell which version of the greeting it is to have.
        slot.link.greet_old = feature::OLD_BROKERS && failures % 2 == 1;
        Some(index)
    }

    /// Forgets the brokers and begins again with the bootstrap servers (KIP-1102).
    pub(super) fn rebootstrap(&mut self) {
        if self.config.metadata_recovery() == crate::config::MetadataRecovery::None {
            return;
        }
        for LinkSlot { link, .. } in self.links.as_mut_slice() {
            // The bootstrap server whose turn it is keeps it, unless it is the one that sends us away.
            if link.node >= 0 || (link.node == BOOTSTRAP && link.state == Lifecycle::Up) {
                link.node = LEFT;
                link.retiring = true;
            }
        }
        self.bootstrap.not_before = None;
        for place in self.slots.as_mut_slice().iter_mut().map(|slot: &mut Slot<H::Buf>| &mut slot.place) {
            place.leader = crate::cluster::place::NO_LEADER;
        }
        self.changed = true;
    }

    /// Forgets deadlines that have passed: instants compare by difference, so one that is kept for weeks would lie
    /// ahead again.
    pub(super) fn forget_passed(&mut self, now: Millis) {
        for LinkSlot { link, .. } in self.links.as_mut_slice() {
            link.throttled_until = link.throttled_until.filter(|until| !until.reached(now));
            if link.state == Lifecycle::Down && link.due.reached(now) {
                link.backing_off = false;
            }
            // Longer ago than anything is compared with.
            link.used = link.used.filter(|_| link.unused_for(now) <= MAX_MS);
        }
        for slot in self.slots.as_mut_slice() {
            slot.sequence.age(now);
            if slot.window.retry_at.is_some_and(|at| at.reached(now)) {
                slot.window.retry_at = None;
                slot.window.hurried = false;
            }
        }
        self.bootstrap.not_before = self.bootstrap.not_before.filter(|at| !at.reached(now));
        self.identify_at = self.identify_at.filter(|at| !at.reached(now));
        self.refresh.forget_passed(now, self.config.metadata_max_age_ms());
    }

    /// The pass ends no later than a link may be dialled again, if it may not yet.
    fn wake_at_next_dial(&mut self, now: Millis) {
        let ahead = |at: &Millis| !at.reached(now);
        self.wake_at(self.bootstrap.not_before.filter(ahead));
        for index in 0..self.link_count() {
            let Some(LinkSlot { link, .. }) = self.link(index) else { continue };
            let waits = link.state == Lifecycle::Down && link.has_endpoint() && link.backing_off;
            self.wake_at(waits.then_some(link.due).filter(ahead));
        }
    }

    /// The pass ends no later than that.
    pub(super) fn wake_at(&mut self, at: Option<Millis>) {
        self.next = match (self.next, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}
