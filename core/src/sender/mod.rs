//! The send half of a producer, its only orchestrator: it drives the links, learns the cluster, drains batches
//! into requests and gives each its verdict.
//!
//! One pass is three calls: [`Sender::poll_receive`] reads what has arrived and settles what is over;
//! [`Sender::exchange`] moves free buffers up to the append half and ready batches down from it, and is all that
//! a server does under its lock; [`Sender::poll_send`] seals and writes. Deliveries may be taken after each.
//!
//! Invariants: a batch is in a window, or finished, or its buffer is free; a partition's batches in flight are
//! all on one link; a link's requests in flight name their batches by correlation id.
mod address;
mod answer;
mod deliver;
mod exchange;
mod expire;
mod judge;
mod learn;
mod links;
mod produced;
mod receive;
mod select;
mod sleep;
mod slot;
mod stats;
mod transmit;
mod window;
// Of a window of five.
#[cfg(all(test, feature = "pipelining"))]
mod window_tests;

use crate::batch::Crc32c;
use crate::cluster::{Known, Refresh, Topics};
use crate::config::Checked;
use crate::connection::{Lifecycle, Link};
use crate::defect::{self, Defect};
use crate::error::{DeliveryError, TopicError};
use crate::host::{Host, Ring, Slots};
use crate::idempotence::sequence::Generation;
use crate::identity::Identity;
use crate::random::Random;
use crate::record::Topic;
use crate::time::{Instant, Millis};
use crate::transport::Endpoint;
pub use answer::Context;
pub use deliver::Finished;
pub use sleep::SleepError;
pub use slot::Slot;
pub use stats::{Count, Stats};

/// When to poll again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// At once: there is more to do.
    Now,
    /// Then, or when a link can make progress, whichever is first.
    At(Instant),
    /// When a link can make progress, or something is appended.
    OnIo,
}

/// What was wrong with a link that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// It could not be opened, or not in time.
    Unreachable,
    /// It was closed by the other side, or broke.
    Closed,
    /// A request was not answered in time.
    NoAnswer,
    /// What came is no answer of a Kafka broker.
    NotKafka,
    /// The broker speaks no version of the protocol that this producer does: it is older than Kafka 0.11.
    TooOld,
}

/// A server of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// One of the `bootstrap.servers`, from 0.
    Bootstrap(u16),
    /// A broker, by its id.
    Broker(i32),
}

/// Why a link was given up: for people who wonder why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// What was wrong.
    pub kind: TroubleKind,
    /// Where it led.
    pub server: Server,
    /// The broker had not said yet which versions it speaks: perhaps it is none.
    pub greeting: bool,
}

/// A link and what its answer has told so far.
// Small fields first: within 31 bytes of the start a device reaches them with short instructions.
#[repr(C)]
pub struct LinkSlot<H: Host> {
    /// Something is ready for it.
    wanted: bool,
    /// It was part of the last metadata answer.
    listed: bool,
    /// Data for it was left behind at the last drain.
    starved: bool,
    /// It has sent batches since it was opened.
    served: bool,
    /// That is longer than `partitioner.availability.timeout.ms`.
    is_late: bool,
    /// It takes a request in the drain under way.
    marked: bool,
    /// The request that the drain makes up is full.
    full: bool,
    /// The last slot in that request.
    last_slot: u16,
    /// Bytes of batches in the request that the drain makes up.
    selected: u32,
    /// Since when something ready for it could not be sent.
    waiting_since: Option<Millis>,
    pub(crate) link: Link<H::Text>,
    context: Context,
}

impl<H: Host> LinkSlot<H> {
    pub(crate) fn new() -> Self {
        Self {
            link: Link::new(),
            context: Context::None,
            wanted: false,
            listed: false,
            starved: false,
            served: false,
            waiting_since: None,
            is_late: false,
            marked: false,
            selected: 0,
            full: false,
            last_slot: slot::END,
        }
    }
}

impl<H: Host> LinkSlot<H> {
    /// The slot is nobody's again. A backoff it is in holds for whoever gets it next: else a few slots that pass from
    /// hand to hand among many brokers that cannot be reached would be dialled without a pause.
    fn vacate(&mut self) {
        let Link { backing_off, due, failures, .. } = self.link;
        *self = Self::new();
        if backing_off {
            self.link.backing_off = true;
            self.link.due = due;
            self.link.failures = failures;
        }
    }

    /// Whether its own progress decides when it can be asked about the cluster.
    fn is_pending(&self, now: Millis) -> bool {
        matches!(self.link.state, Lifecycle::Dialling | Lifecycle::Greeting)
            || (self.link.state == Lifecycle::Up && !self.link.retiring && !self.link.is_throttled(now))
    }
}

/// The `bootstrap.servers`, tried in turn.
struct Bootstrap {
    /// The one that is next.
    next: u16,
    /// Attempts in a row that failed.
    failures: u16,
    /// Not to be tried before.
    not_before: Option<Millis>,
}

/// The memory a send half lives in; all lists empty, but for `links` and `finished` where they do not [grow](Slots::GROWS):
/// those have all their places, and nothing in them.
pub struct Memory<H: Host> {
    /// One for each link.
    pub links: H::Slots<LinkSlot<H>>,
    /// One for each partition slot.
    pub slots: H::Slots<Slot<H::Buf>>,
    /// One for each topic.
    pub topics: H::Slots<Known>,
    /// The topics' names.
    pub names: H::Slots<u8>,
    /// One for each buffer.
    pub finished: H::Slots<Option<Finished<H::Buf>>>,
    /// One for each buffer.
    pub freed: H::Slots<H::Buf>,
}

/// The send half. See the module's text.
pub struct Sender<'a, H: Host> {
    config: Checked<'a>,
    crc: Crc32c,
    links: H::Slots<LinkSlot<H>>,
    slots: H::Slots<Slot<H::Buf>>,
    topics: Topics<H>,
    refresh: Refresh,
    generation: Generation,
    /// An InitProducerId request is in flight; after a failure, not before.
    identifying: bool,
    identify_at: Option<Millis>,
    identify_failures: u16,
    finished: Ring<H::Slots<Option<Finished<H::Buf>>>>,
    /// The delivery that was told last; its buffer is free at the next call.
    freed: H::Slots<H::Buf>,
    /// The address of a broker that waits for a link slot.
    spare: address::Address<H::Text>,
    /// Something is ready for that broker still.
    spare_wanted: bool,
    bootstrap: Bootstrap,
    /// A broker with something to send waits for a link slot.
    crowded: bool,
    /// An identity was refused for want of rights: everything incomplete fails with this.
    refused_identity: Option<DeliveryError>,
    random: Random,
    /// What the append half sees of the cluster is out of date.
    changed: bool,
    /// Partitions whose sequence was forgotten with their slot, as a set that may say yes wrongly; and in which
    /// generation.
    forgotten: u32,
    forgotten_in: u32,
    /// Why a link was given up last.
    trouble: Option<Trouble>,
    /// The failure that ended the producer.
    fatal: Option<DeliveryError>,
    /// The failure the append half is still to be told of.
    tell_fatal: bool,
    /// No further record comes; what is left is aborted.
    aborting: bool,
    /// The earliest linger, retry or dial that `exchange` met.
    next: Option<Millis>,
    more: bool,
    stats: stats::Counters,
}

impl<'a, H: Host> Sender<'a, H> {
    /// A send half over `memory`.
    pub fn new(config: Checked<'a>, crc: Crc32c, memory: Memory<H>) -> Self {
        let identity = if config.idempotence() { Identity::Missing } else { Identity::Unneeded };
        Self {
            config,
            crc,
            links: memory.links,
            slots: memory.slots,
            topics: Topics::new(memory.topics, memory.names),
            refresh: Refresh::new(),
            generation: Generation::new(identity),
            identifying: false,
            identify_at: None,
            identify_failures: 0,
            finished: Ring::new(memory.finished),
            freed: memory.freed,
            spare: address::Address::nowhere(),
            spare_wanted: false,
            bootstrap: Bootstrap { next: 0, failures: 0, not_before: None },
            crowded: false,
            refused_identity: None,
            random: Random::new(config.seed() ^ 0x5eed),
            changed: false,
            forgotten: 0,
            forgotten_in: 0,
            trouble: None,
            fatal: None,
            tell_fatal: false,
            aborting: false,
            next: None,
            more: false,
            stats: stats::Counters::new(),
        }
    }

    /// The handle of a topic; handles are given in order from 0. Asks the cluster about a new one.
    ///
    /// # Errors
    /// Kafka would not take the name, or there is no room for it.
    pub fn register_topic(&mut self, name: &str, now: Instant) -> Result<Topic, TopicError> {
        let (topic, new) = self.topics.register(name, now.millis())?;
        if new {
            self.changed = true;
            self.refresh.need_at_once();
        }
        Ok(topic)
    }

    /// Asks the cluster about a topic that is waited for: an unknown one, or one that may have grown.
    pub fn want_topic(&mut self, topic: Topic, now: Instant) {
        if let Some(known) = self.topics.known_mut(topic) {
            known.touch(now.millis());
            known.error = 0;
            self.refresh.need();
        }
    }

    /// The name of a topic.
    pub fn topic_name(&self, topic: Topic) -> &str {
        self.topics.name(topic)
    }

    /// Counters of what was done so far.
    pub const fn stats(&self) -> &Stats {
        self.stats.read()
    }

    /// Requests of every kind that were begun and not answered yet, over all links.
    pub fn requests_in_flight(&self) -> u32 {
        let all = self.links.as_slice().iter().map(|slot| slot.link.in_flight.len()).sum::<usize>();
        u32::try_from(all).unwrap_or(u32::MAX)
    }

    /// The failure that ended the producer, if one has.
    pub const fn fatal(&self) -> Option<DeliveryError> {
        self.fatal
    }

    /// Whether a batch older than `serial` is on its way, or its delivery not taken.
    pub fn holds_before(&self, serial: u32) -> bool {
        let older = |batch: &H::Buf| {
            use crate::host::Buf;
            batch.meta().serial.wrapping_sub(serial) > u32::MAX / 2
                && batch.meta().flags & crate::batch::meta::flag::TOLD == 0
        };
        let on_its_way = || self.slots.as_slice().iter().any(|slot| slot.window.iter().any(older));
        (!defect::on(Defect::FlushEndsEarly) && on_its_way())
            || self.finished.iter().any(|entry| match entry {
                Finished::Owned(batch) => older(batch),
                Finished::InFlight { .. } => false,
            })
    }

    fn link(&self, index: u16) -> Option<&LinkSlot<H>> {
        self.links.at(index)
    }

    fn link_mut(&mut self, index: u16) -> Option<&mut LinkSlot<H>> {
        self.links.at_mut(index)
    }

    fn slot_mut(&mut self, index: u16) -> Option<&mut Slot<H::Buf>> {
        self.slots.at_mut(index)
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn link_count(&self) -> u16 {
        u16::try_from(self.links.as_slice().len()).unwrap_or(u16::MAX)
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn slot_count(&self) -> u16 {
        u16::try_from(self.slots.as_slice().len()).unwrap_or(u16::MAX)
    }

    /// The slot that stands for a partition.
    fn find_slot(&self, topic: Topic, partition: i32) -> Option<u16> {
        let is = |slot: &Slot<H::Buf>| slot.place.topic == topic.0 && slot.place.partition == partition;
        if <H::Slots<Slot<H::Buf>>>::GROWS
            && let base = self.topics.known(topic)?.base_slot
            && let Some(guess) = u16::try_from(partition).ok().and_then(|p| base.checked_add(p))
            && self.slots.at(guess).is_some_and(is)
        {
            return Some(guess);
        }
        u16::try_from(self.slots.as_slice().iter().position(is)?).ok()
    }

    /// The link that leads to a broker.
    fn find_link(&self, node: i32) -> Option<u16> {
        let found = self.links.as_slice().iter().position(|slot| slot.link.node == node)?;
        u16::try_from(found).ok()
    }

    /// Why a link was given up last, and where it led; `None` once that broker is reached, or a bootstrap server if it was one,
    /// and always without the feature `trouble`.
    pub fn trouble(&self) -> Option<(Trouble, Endpoint<'_>)> {
        let trouble = self.trouble?;
        let nowhere = Endpoint { host: "", port: 0 };
        let endpoint = match trouble.server {
            Server::Bootstrap(nth) => self.config.bootstrap().get(usize::from(nth)).copied(),
            Server::Broker(node) => {
                let link = self.find_link(node).and_then(|index| self.link(index)).map(|slot| &slot.link);
                // While an answer names it anew, what there is of its address is no address.
                link.filter(|link| link.has_endpoint()).map(|link| link.endpoint())
            }
        };
        Some((trouble, endpoint.unwrap_or(nowhere)))
    }
}
