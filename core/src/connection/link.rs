//! A link slot: whom it leads to and in which state it is.
use super::frame::Incoming;
use super::in_flight::{Call, InFlight, Request};
use crate::defect::{self, Defect};
use crate::feature;
use crate::host::Text;
use crate::time::Millis;
use crate::transport::Endpoint;

/// The node a slot without a broker belongs to.
pub const NOBODY: i32 = -1;
/// The node of a link to one of the `bootstrap.servers`, whose broker id is not known.
pub const BOOTSTRAP: i32 = -2;
/// To a broker that was left: no news of the cluster makes it that broker's again.
pub const LEFT: i32 = -3;

/// Where a link is in its life. `Down` to `Dialling` to `Greeting` to `Up`, and from each back to `Down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Not open.
    Down,
    /// The transport is opening the stream.
    Dialling,
    /// The stream is open; the broker was asked which versions it speaks.
    Greeting,
    /// Requests may be sent.
    Up,
}

/// The versions to speak on a link; -1 where there is none in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Produce.
    pub produce: i8,
    /// Metadata.
    pub metadata: i8,
    /// InitProducerId.
    pub init_producer_id: i8,
}

impl Versions {
    /// Nothing in common.
    pub const NONE: Self = Self { produce: -1, metadata: -1, init_producer_id: -1 };
}

/// A request that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// What it asks for.
    pub call: Call,
    /// Its number on the link.
    pub correlation: i32,
    /// Its API version.
    pub version: i16,
    /// Bytes in all, the size field included.
    pub len: u32,
    /// Bytes taken by the transport: `0 <= written <= len`.
    pub written: u32,
    /// First partition slot of a produce request; the others follow by a list in the slots.
    pub first_slot: u16,
}

/// One link slot.
#[derive(Debug)]
// Small fields first: a device reaches them with short instructions.
#[repr(C)]
pub struct Link<T> {
    /// Where it is in its life.
    pub state: Lifecycle,
    /// What it speaks, once `Up`.
    pub versions: Versions,
    /// Ask for versions in version 0: the broker broke the link at a newer one.
    pub greet_old: bool,
    /// A better owner waits for the slot: no new requests, and it closes when it is idle.
    pub retiring: bool,
    /// What is being written must not be finished: the link is to be closed.
    pub doomed: bool,
    /// Whether `due` counts while `Down`.
    pub backing_off: bool,
    /// Everything is written but the transport still holds some of it.
    pub flushing: bool,
    /// Nothing else is begun before that: it completes a request that gets no answer.
    pub awaits_flush: bool,
    /// Its port; 0 while not known.
    pub port: u16,
    /// Attempts in a row that did not end in `Up`.
    pub failures: u16,
    /// Where the next walk over its partitions begins.
    pub resume_at: u16,
    /// Broker id, or [`NOBODY`], [`BOOTSTRAP`] or [`LEFT`].
    pub node: i32,
    /// While `Down`: not to be opened before. While `Dialling` or `Greeting`: given up then.
    pub due: Millis,
    /// The broker asked for silence until then (KIP-219).
    pub throttled_until: Option<Millis>,
    /// When it was last dialled or carried something; `None` if never, or too long ago to be compared.
    pub used: Option<Millis>,
    /// The silence that the answer being read asks for, in ms. It begins when all of that answer has come: what is damaged
    /// gives itself no more time.
    pub silence: u32,
    next_correlation: i32,
    /// The request being written.
    pub out: Option<Outgoing>,
    /// Requests without an answer.
    pub in_flight: InFlight,
    /// The frame being read.
    pub incoming: Incoming,
    /// Where the broker is; empty while not known.
    pub host: T,
}

impl<T: Text> Link<T> {
    /// A free slot.
    pub fn new() -> Self {
        Self {
            node: NOBODY,
            host: T::default(),
            port: 0,
            state: Lifecycle::Down,
            versions: Versions::NONE,
            greet_old: false,
            retiring: false,
            doomed: false,
            failures: 0,
            due: Millis(0),
            backing_off: false,
            throttled_until: None,
            silence: 0,
            used: None,
            out: None,
            flushing: false,
            awaits_flush: false,
            in_flight: InFlight::new(),
            incoming: Incoming::new(),
            resume_at: 0,
            next_correlation: 0,
        }
    }

    /// Whether it is known where the broker is.
    pub fn has_endpoint(&self) -> bool {
        self.port != 0
    }

    /// Where the broker is.
    pub fn endpoint(&self) -> Endpoint<'_> {
        Endpoint { host: self.host.as_str(), port: self.port }
    }

    /// Whether the slot may be given to another broker at once.
    pub fn is_idle(&self) -> bool {
        self.out.is_none() && !self.awaits_flush && self.in_flight.is_empty()
    }

    /// Whether it retires, and nothing is on its way any more.
    pub fn is_to_close(&self) -> bool {
        let gone = self.state == Lifecycle::Down && self.node != NOBODY;
        self.retiring && (gone || (self.state == Lifecycle::Up && self.is_idle()))
    }

    /// Whether a request may be begun: up, not throttled, the last one written out completely, and fewer than
    /// `max_in_flight` unanswered.
    pub fn can_send(&self, now: Millis, max_in_flight: u32) -> bool {
        self.state == Lifecycle::Up
            && !self.retiring
            && self.out.is_none()
            && !self.awaits_flush
            && !self.is_throttled(now)
            && !self.in_flight.is_full()
            && (!feature::PIPELINING || u32::from(self.in_flight.count()) < max_in_flight)
    }

    /// Whether the broker asked for silence that is not over.
    pub fn is_throttled(&self, now: Millis) -> bool {
        self.throttled_until.is_some_and(|until| !until.reached(now)) && !defect::on(Defect::ThrottleIgnored)
    }

    /// Takes note of a throttle time. The deadline never moves back, and requests under way get that much more
    /// time.
    pub fn throttle(&mut self, now: Millis, millis: u32) {
        let until = now.plus(millis);
        let before = self.throttled_until.filter(|before| !before.reached(now));
        let more = match before {
            Some(before) => u32::try_from(until.since(before)).unwrap_or(0),
            None => millis,
        };
        if more > 0 {
            self.throttled_until = Some(until);
            self.in_flight.postpone(more);
        }
    }

    /// Milliseconds since it was used; the most there are if it never was.
    pub fn unused_for(&self, now: Millis) -> u32 {
        self.used.map_or(u32::MAX, |used| u32::try_from(now.since(used)).unwrap_or(0))
    }

    /// Whether a dial may begin.
    pub fn may_dial(&self, now: Millis) -> bool {
        self.state == Lifecycle::Down
            && !self.retiring
            && self.has_endpoint()
            && (!self.backing_off || self.due.reached(now))
    }

    /// Begins a request: it is in flight from here on.
    pub fn begin(&mut self, call: Call, version: i16, now: Millis, batches: u16, first_slot: u16) -> i32 {
        let correlation = self.next_correlation;
        self.next_correlation = correlation.wrapping_add(1) & i32::MAX;
        self.out = Some(Outgoing { call, correlation, version, len: 0, written: 0, first_slot });
        // Kafka's versions are far below 128.
        let version = i8::try_from(version).unwrap_or(i8::MAX);
        self.in_flight.push(Request { correlation, call, version, sent_at: now, batches });
        self.used = Some(now);
        correlation
    }

    /// Forgets everything of the stream that was, the requests in flight excepted. A broker that asked for silence gets it on
    /// the next stream, too (`ClusterConnectionStates`).
    pub fn reset(&mut self) {
        self.state = Lifecycle::Down;
        self.versions = Versions::NONE;
        self.out = None;
        self.flushing = false;
        self.awaits_flush = false;
        self.incoming = Incoming::new();
        self.silence = 0;
    }
}

impl<T: Text> Default for Link<T> {
    fn default() -> Self {
        Self::new()
    }
}

// Links with several requests in flight.
#[cfg(all(test, feature = "pipelining"))]
mod tests {
    use super::*;

    fn up() -> Link<heapless::String<8>> {
        let mut link = Link::new();
        link.state = Lifecycle::Up;
        link
    }

    #[test]
    fn one_request_is_written_at_a_time_and_so_many_are_in_flight() {
        let mut link = up();
        let now = Millis(5);
        assert!(link.can_send(now, 2));
        link.begin(Call::Produce, 9, now, 1, 0);
        assert!(!link.can_send(now, 2));
        link.out = None;
        assert!(link.can_send(now, 2));
        link.begin(Call::Produce, 9, now, 1, 0);
        link.out = None;
        assert!(!link.can_send(now, 2));
        link.in_flight.pop();
        assert!(link.can_send(now, 2));
    }

    #[test]
    fn a_throttle_never_ends_earlier_and_gives_requests_more_time() {
        let mut link = up();
        link.begin(Call::Produce, 9, Millis(0), 1, 0);
        link.out = None;
        link.throttle(Millis(10), 100);
        link.throttle(Millis(20), 10);
        assert!(link.is_throttled(Millis(109)));
        assert!(!link.is_throttled(Millis(110)));
        assert_eq!(link.in_flight.front().map(|request| request.sent_at), Some(Millis(100)));
        link.throttle(Millis(110), 0);
        assert!(link.can_send(Millis(110), 5));
    }
}
