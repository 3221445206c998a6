//! The first call of a pass: open what is being opened, read what has arrived, then give up what is over: lost
//! links, requests without an answer, batches without an outcome. In this order, so that a process that was paused
//! does not give up what it can read as acknowledged.
use super::{Sender, answer::Loss};
use crate::connection::{Call, Lifecycle};
use crate::defect::{self, Defect};
use crate::feature;
use crate::host::{Host, Slots};
use crate::time::{Instant, Millis};
use crate::transport::{Endpoint, LinkId, Transport};
use core::task::Poll;
use embedded_io::{Error, ErrorKind};

/// Reads of one link in a pass: the others wait.
const READS: usize = 16;

/// A transport whose errors are kinds: one compiled copy of the logic serves all.
pub(super) trait Net {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>>;
    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>>;
    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>>;
    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>>;
    fn close(&mut self, link: LinkId);
}

/// Any transport as a [`Net`].
pub(super) struct Shim<'t, T: ?Sized>(pub(super) &'t mut T);

impl<T: Transport + ?Sized> Net for Shim<'_, T> {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        self.0.connect(link, to).map_err(|error| error.kind())
    }
    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        self.0.send(link, bufs).map_err(|error| error.kind())
    }
    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        self.0.flush(link).map_err(|error| error.kind())
    }
    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        self.0.recv(link, buf).map_err(|error| error.kind())
    }
    fn close(&mut self, link: LinkId) {
        self.0.close(link);
    }
}

impl<H: Host> Sender<'_, H> {
    /// Reads what has arrived into `window`, which is 64 bytes or more and may be as large as reading is to be
    /// fast, and settles what is over. Nothing of `window` is needed after the call.
    pub fn poll_receive<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T, window: &mut [u8]) {
        self.receive(now.millis(), &mut Shim(net), window);
    }

    fn receive(&mut self, now: Millis, net: &mut dyn Net, window: &mut [u8]) {
        self.more = false;
        self.next = None;
        self.forget_passed(now);
        for slot in self.links.as_mut_slice() {
            slot.wanted = false;
        }
        for index in 0..self.link_count() {
            let is = |sender: &Self, state| sender.link(index).is_some_and(|slot| slot.link.state == state);
            let mut result = Ok(());
            if is(self, Lifecycle::Dialling) {
                result = self.dial(index, net);
            }
            // Also what was just opened: without a read nobody would wake us for the answer.
            if result.is_ok() && (is(self, Lifecycle::Greeting) || is(self, Lifecycle::Up)) {
                result = self.read_link(index, now, net, window);
            }
            if let Err(loss) = result {
                self.give_up(index, loss, now, net);
            }
        }
        let unneeded = |sender: &Self| Some((sender.next_unneeded(now)?, Loss::Unneeded));
        while let Some((index, loss)) = self.next_timed_out(now).or_else(|| unneeded(self)) {
            self.give_up(index, loss, now, net);
        }
        self.expire(now);
        self.ask(now);
    }

    pub(super) fn give_up(&mut self, index: u16, loss: Loss, now: Millis, net: &mut dyn Net) {
        net.close(LinkId(index));
        self.lost(index, loss, now);
    }

    /// Goes on opening a link.
    pub(super) fn dial(&mut self, index: u16, net: &mut dyn Net) -> Result<(), Loss> {
        let Some(slot) = self.link_mut(index) else { return Ok(()) };
        match net.connect(LinkId(index), slot.link.endpoint()) {
            Poll::Pending => Ok(()),
            Poll::Ready(Err(_)) => Err(Loss::Setup),
            Poll::Ready(Ok(())) => {
                slot.link.state = Lifecycle::Greeting;
                self.reached(index);
                Ok(())
            }
        }
    }

    fn read_link(
        &mut self,
        index: u16,
        now: Millis,
        net: &mut dyn Net,
        window: &mut [u8],
    ) -> Result<(), Loss> {
        for _ in 0..READS {
            let Some(slot) = self.link_mut(index) else { return Ok(()) };
            let carried = slot.link.incoming.restore(window);
            let Some(room) = window.get_mut(carried..) else { return Err(Loss::Nonsense) };
            let read = match net.recv(LinkId(index), room) {
                Poll::Ready(Ok(read)) => read,
                other => {
                    // Nothing new: what was carried is carried on.
                    let kept = window.get(..carried).unwrap_or_default();
                    if let Some(slot) = self.link_mut(index) {
                        slot.link.incoming.carry(kept);
                    }
                    return if other.is_pending() { Ok(()) } else { Err(Loss::Stream) };
                }
            };
            if read == 0 {
                return Err(Loss::Stream);
            }
            let input = window.get(..carried.saturating_add(read)).unwrap_or_default();
            self.take_bytes(index, input, now)?;
        }
        self.more |= !defect::on(Defect::ReadsLeftBehind);
        Ok(())
    }

    /// Begins the requests that are not about batches. They go before the batches that the exchange selects, and
    /// are looked at again after it. Metadata goes first. Answers whether there was any to begin.
    pub(super) fn ask(&mut self, now: Millis) -> bool {
        let mut begun = false;
        for index in 0..self.link_count() {
            let Some(slot) = self.link_mut(index) else { continue };
            let link = &mut slot.link;
            if link.state == Lifecycle::Greeting && link.in_flight.is_empty() {
                let version = if feature::OLD_BROKERS && link.greet_old {
                    0
                } else {
                    crate::wire::api_versions::API.newest
                };
                link.begin(Call::ApiVersions, version, now, 0, super::slot::END);
                begun = true;
            }
        }
        let metadata = self.ask_metadata(now);
        let identity = self.ask_identity(now);
        begun || metadata.is_some() || identity.is_some()
    }

    fn ask_metadata(&mut self, now: Millis) -> Option<()> {
        let max_age = self.config.metadata_max_age_ms();
        let due = self.refresh.due(now, max_age);
        if !due.is_some_and(|due| due.reached(now)) {
            return None;
        }
        let trigger = self.config.metadata_rebootstrap_trigger_ms();
        if self.refresh.is_in_vain(now, trigger) {
            self.rebootstrap();
        }
        let index = self.least_loaded(now)?;
        let slot = self.link_mut(index)?;
        let version = slot.link.versions.metadata;
        if version < 0 {
            // Too old to be of use; another may be newer.
            slot.link.doomed = true;
            return None;
        }
        slot.link.begin(Call::Metadata, i16::from(version), now, 0, super::slot::END);
        let max_idle = self.config.metadata_max_idle_ms();
        for known in self.topics.iter_mut() {
            let idle = feature::IDLE && known.used.plus(max_idle).reached(now);
            known.asking = !idle;
            if idle {
                // No further back than it matters, so that it never seems to lie ahead.
                known.used = now.minus(max_idle);
            }
        }
        self.refresh.asked();
        Some(())
    }

    fn ask_identity(&mut self, now: Millis) -> Option<()> {
        let wait = self.identify_at.is_some_and(|at| !at.reached(now));
        if self.generation.identity.is_settled() || self.identifying || wait || self.fatal.is_some() {
            return None;
        }
        // Any link that is open will do; opening one is metadata's business.
        let Some(index) = self.idlest(now, |slot| slot.link.versions.init_producer_id >= 0) else {
            if !self.links_up() {
                self.refresh.need();
            }
            return None;
        };
        let slot = self.link_mut(index)?;
        let version = i16::from(slot.link.versions.init_producer_id);
        slot.link.begin(Call::InitProducerId, version, now, 0, super::slot::END);
        self.identifying = true;
        Some(())
    }
}
