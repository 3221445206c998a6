//! The last call of a pass: stamp and seal what was selected, write, and say when to poll again.
use super::{
    LinkSlot, Sender, Wake,
    answer::Loss,
    receive::{Net, Shim},
    slot::END,
};
use crate::batch::meta::flag;
use crate::batch::{Stamp, seal, stamp_of};
use crate::connection::gather::SCRATCH;
use crate::connection::{Call, Gather, Lifecycle, Outgoing, backoff};
use crate::defect::{self, Defect};
use crate::feature;
use crate::host::{Buf, Host, Slots};
use crate::record::Topic;
use crate::time::{Instant, Millis};
use crate::transport::{LinkId, Transport};
use crate::wire::{Sink, api_versions, header, init_producer_id, metadata, produce};
use core::task::Poll;

/// How this client calls itself to brokers (KIP-511).
const SOFTWARE: (&str, &str) = ("kurier", env!("CARGO_PKG_VERSION"));
/// Writes on one link in a pass: the others wait.
const WRITES: usize = 16;

impl<H: Host> Sender<'_, H> {
    /// Opens links, writes requests, and says when to poll again.
    pub fn poll_send<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Wake {
        let next = self.transmit(now.millis(), &mut Shim(net));
        if self.more {
            return Wake::Now;
        }
        match next {
            Some(next) if next.reached(now.millis()) => Wake::Now,
            Some(next) => Wake::At(now.resolve(next)),
            None => Wake::OnIo,
        }
    }

    fn transmit(&mut self, now: Millis, net: &mut dyn Net) -> Option<Millis> {
        // The exchange may have found that something is not known.
        self.ask(now);
        for index in 0..self.link_count() {
            if let Err(loss) = self.drive(index, now, net) {
                self.give_up(index, loss, now, net);
                self.more = true;
            }
        }
        // What was written has made room for the next request: it does not wait for an answer to the first.
        self.more |= self.ask(now);
        self.next_wake(now)
    }

    fn drive(&mut self, index: u16, now: Millis, net: &mut dyn Net) -> Result<(), Loss> {
        let Some(slot) = self.link_mut(index) else { return Ok(()) };
        if slot.wanted && slot.link.may_dial(now) {
            self.begin_dial(index, now);
            self.dial(index, net)?;
            // A stream that opens at once is greeted at once.
            self.more |= self.link(index).is_some_and(|slot| slot.link.state == Lifecycle::Greeting);
        }
        self.prepare(index);
        for _ in 0..WRITES {
            let Some(link) = self.link(index).map(|slot| &slot.link) else { return Ok(()) };
            match link.out {
                Some(out) => {
                    if !self.write(index, &out, net)? {
                        return Ok(());
                    }
                }
                None if link.flushing => {
                    match net.flush(LinkId(index)) {
                        Poll::Pending => return Ok(()),
                        Poll::Ready(Err(_)) => return Err(Loss::Stream),
                        Poll::Ready(Ok(())) => {}
                    }
                    self.written(index);
                }
                None => return Ok(()),
            }
        }
        self.more |= !defect::on(Defect::WritesLeftBehind);
        Ok(())
    }

    fn begin_dial(&mut self, index: u16, now: Millis) {
        let base = self.config.socket_connection_setup_timeout_ms();
        let max = self.config.socket_connection_setup_timeout_max_ms();
        let failures = self.link(index).map_or(0, |slot| slot.link.failures);
        let timeout = backoff::exponential(base, max, failures, &mut self.random);
        if let Some(LinkSlot { link, served, .. }) = self.link_mut(index) {
            link.state = Lifecycle::Dialling;
            link.backing_off = false;
            link.due = now.plus(timeout);
            link.used = Some(now);
            *served = false;
        }
    }

    /// Stamps and seals the batches of a request that is about to be written, and counts its bytes.
    fn prepare(&mut self, index: u16) {
        let Some(out) = self.link(index).and_then(|slot| slot.link.out).filter(|out| out.len == 0) else {
            return;
        };
        let mut at = out.first_slot;
        while let Some(partition) = self.slots.at_mut(at) {
            if let Some(batch) = partition.window.find(index, out.correlation)
                && let Some(batch) = partition.window.get_mut(batch)
                && batch.meta().flags & (flag::SEALED | flag::RESEAL) != flag::SEALED
            {
                let (meta, bytes) = batch.parts();
                // A piece has its part of the range that its batch was given.
                let stamp = if feature::PIECES && meta.flags & flag::RESEAL != 0 {
                    stamp_of(bytes)
                } else {
                    partition.sequence.stamp(&self.generation, meta.builder.count).map(
                        |(producer_id, epoch, base_sequence)| Stamp { producer_id, epoch, base_sequence },
                    )
                };
                let part = meta.sent(bytes);
                let crc = if meta.attempts > 1 && defect::on(Defect::ChecksumOfOldStamp) {
                    |_, _: &[u8]| 0
                } else {
                    self.crc
                };
                seal(bytes, &part, stamp, false, crc);
                meta.flags = meta.flags & !flag::RESEAL | flag::SEALED;
            }
            if !feature::SHARED {
                break;
            }
            at = partition.next_in_request;
        }
        let mut gather = Gather::new(usize::MAX, &mut []);
        self.emit(&out, index, &mut gather);
        let len = u32::try_from(gather.skipped_of(usize::MAX)).unwrap_or(u32::MAX).saturating_add(4);
        if let Some(out) = self.link_mut(index).and_then(|slot| slot.link.out.as_mut()) {
            out.len = len;
        }
    }

    /// Header and body of a request, without its size.
    fn emit<'s>(&'s self, out: &Outgoing, index: u16, sink: &mut Gather<'s>) {
        let api = match out.call {
            Call::ApiVersions => &api_versions::API,
            Call::Metadata => &metadata::API,
            Call::InitProducerId => &init_producer_id::API,
            Call::Produce => &produce::API,
        };
        let client_id = Some(self.config.client_id());
        header::emit_request(sink, api, out.version, out.correlation, client_id);
        match out.call {
            Call::ApiVersions => api_versions::emit(sink, out.version, SOFTWARE.0, SOFTWARE.1),
            Call::InitProducerId => init_producer_id::emit(sink, out.version, None, i32::MAX, -1, -1),
            Call::Metadata => self.emit_metadata(out.version, sink),
            Call::Produce => self.emit_produce(out, index, sink),
        }
    }

    fn emit_metadata<'s>(&'s self, version: i16, sink: &mut Gather<'s>) {
        let asked = || self.topics.iter().filter(|(_, known)| known.asking);
        metadata::emit_begin(sink, version, Some(u32::try_from(asked().count()).unwrap_or(0)));
        for (topic, _) in asked() {
            metadata::emit_topic(sink, version, self.topics.name_bytes(topic));
        }
        metadata::emit_end(sink, version, self.config.allow_auto_create());
    }

    /// The list of a request's slots, from `first` on.
    fn listed(&self, first: u16) -> impl Iterator<Item = &super::Slot<H::Buf>> {
        let slot = |at: u16| self.slots.at(at);
        core::iter::successors(slot(first), move |partition| slot(partition.next_in_request))
    }

    fn emit_produce<'s>(&'s self, out: &Outgoing, index: u16, sink: &mut Gather<'s>) {
        let version = out.version;
        let timeout = i32::try_from(self.config.request_timeout_ms()).unwrap_or(i32::MAX);
        if !feature::SHARED {
            produce::emit_begin(sink, version, None, self.acks().code(), timeout, 1);
            if let Some(partition) = self.slots.at(out.first_slot) {
                self.emit_topic(partition, version, sink);
                self.emit_batch(partition, out, index, sink);
            }
            produce::emit_topic_end(sink, version);
            return produce::emit_end(sink, version);
        }
        let mut topics = 0;
        let mut before = END;
        for partition in self.listed(out.first_slot) {
            topics += u32::from(partition.place.topic != before);
            before = partition.place.topic;
        }
        produce::emit_begin(sink, version, None, self.acks().code(), timeout, topics);
        before = END;
        for partition in self.listed(out.first_slot) {
            let topic = partition.place.topic;
            if topic != before {
                if before != END {
                    produce::emit_topic_end(sink, version);
                }
                before = topic;
                self.emit_topic(partition, version, sink);
            }
            self.emit_batch(partition, out, index, sink);
        }
        if before != END {
            produce::emit_topic_end(sink, version);
        }
        produce::emit_end(sink, version);
    }

    fn emit_batch<'s>(
        &'s self,
        partition: &'s super::Slot<H::Buf>,
        out: &Outgoing,
        index: u16,
        sink: &mut Gather<'s>,
    ) {
        let batch = partition.window.find(index, out.correlation);
        let batch = batch.and_then(|at| partition.window.get(at));
        let bytes = batch.and_then(|b| b.bytes().get(..b.meta().sent_len() as usize));
        produce::emit_partition(sink, out.version, partition.place.partition, bytes.unwrap_or_default());
    }

    fn emit_topic<'s>(&'s self, first: &'s super::Slot<H::Buf>, version: i16, sink: &mut Gather<'s>) {
        const UNKNOWN: &[u8; 16] = &[0; 16];
        let topic = first.place.topic;
        let in_list =
            core::iter::successors(Some(first), |partition| self.slots.at(partition.next_in_request));
        let partitions = if feature::SHARED {
            in_list.take_while(|partition| partition.place.topic == topic).count()
        } else {
            1
        };
        let partitions = u32::try_from(partitions).unwrap_or(0);
        let known = self.topics.known(Topic(topic)).filter(|_| feature::TOPIC_IDS);
        let id = known.map_or(UNKNOWN, |known| &known.id);
        produce::emit_topic(sink, version, self.topics.name_bytes(Topic(topic)), id, partitions);
    }

    /// Writes some more of a request. Answers whether the transport took anything.
    fn write(&mut self, index: u16, out: &Outgoing, net: &mut dyn Net) -> Result<bool, Loss> {
        let skip = u32::from(out.written > 0 && defect::on(Defect::ResumedOneByteLate));
        let mut scratch = [0; SCRATCH];
        let mut gather = Gather::new((out.written + skip) as usize, &mut scratch);
        let size = out.len.saturating_sub(4).to_be_bytes();
        gather.small(&size);
        self.emit(out, index, &mut gather);
        let taken = match net.send(LinkId(index), gather.slices()) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(Loss::Stream),
            Poll::Ready(Ok(taken)) => u32::try_from(taken).unwrap_or(0),
        };
        let answers = self.expects_answers();
        let Some(slot) = self.link_mut(index) else { return Ok(false) };
        let Some(out) = slot.link.out.as_mut() else { return Ok(false) };
        out.written = out.written.saturating_add(taken).min(out.len);
        if out.written == out.len {
            slot.link.out = None;
            slot.link.flushing = true;
            slot.link.awaits_flush = !answers;
        }
        Ok(taken > 0)
    }

    /// A request has left this side.
    fn written(&mut self, index: u16) {
        let answers = self.expects_answers();
        let Some(slot) = self.link_mut(index) else { return };
        slot.link.flushing = false;
        slot.link.awaits_flush = false;
        if answers {
            return;
        }
        let youngest = slot.link.in_flight.youngest_mut().map(|request| request.call);
        if youngest == Some(Call::Produce)
            && let Some(request) = slot.link.in_flight.pop_youngest()
        {
            self.unanswered(index, &request);
        }
    }

    fn next_wake(&mut self, now: Millis) -> Option<Millis> {
        let max = u32::from(self.config.max_in_flight());
        let settled = self.generation().identity.is_settled();
        let at_once = self.links.as_slice().iter().any(|slot| {
            (slot.starved && settled && slot.link.can_send(now, max))
                || (slot.wanted && slot.link.may_dial(now))
                || slot.link.doomed
                || slot.link.is_to_close()
        });
        if at_once {
            return Some(now);
        }
        self.wake_at(self.next_expiry());
        // What is due already was asked for at the beginning, or waits for a link.
        let ahead = |at: &Millis| !at.reached(now);
        self.wake_at(self.refresh.due(now, self.config.metadata_max_age_ms()).filter(ahead));
        if !self.generation.identity.is_settled() && !self.identifying {
            self.wake_at(self.identify_at.filter(ahead));
        }
        for index in 0..self.link_count() {
            let Some(slot) = self.link(index) else { continue };
            let link = &slot.link;
            let dial = (slot.wanted && link.state == Lifecycle::Down && link.backing_off).then_some(link.due);
            let throttled = link.throttled_until.filter(|until| !until.reached(now));
            self.wake_at(dial.filter(|_| !defect::on(Defect::WakeLost)));
            self.wake_at(throttled.filter(|_| !defect::on(Defect::SilenceNeverEnds)));
        }
        self.next
    }
}
