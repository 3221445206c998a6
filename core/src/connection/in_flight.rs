//! The requests of one link that wait for their answers, oldest first: a broker answers in order.
use crate::time::Millis;

/// Requests of any kind: as many as a link may have without an answer.
pub const CAPACITY: usize = crate::config::MAX_IN_FLIGHT as usize;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Which versions the broker speaks.
    ApiVersions,
    /// Brokers, topics and leaders.
    Metadata,
    /// A producer id.
    InitProducerId,
    /// Batches.
    Produce,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Its number on the link.
    pub correlation: i32,
    /// What it asks for.
    pub call: Call,
    /// The API version it is in; its answer is in the same.
    pub version: i8,
    /// When it was begun.
    pub sent_at: Millis,
    /// Batches in it that have no verdict yet.
    pub batches: u16,
}

/// The requests in flight on one link.
#[derive(Debug, Default)]
pub struct InFlight {
    requests: heapless::Deque<Request, CAPACITY>,
}

impl InFlight {
    /// None in flight.
    pub const fn new() -> Self {
        Self { requests: heapless::Deque::new() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether no further one fits.
    pub fn is_full(&self) -> bool {
        self.requests.is_full()
    }

    /// The one that is answered next.
    pub fn front(&self) -> Option<&Request> {
        self.requests.front()
    }

    /// The one that is answered next, to change it.
    pub fn front_mut(&mut self) -> Option<&mut Request> {
        self.requests.front_mut()
    }

    /// Adds a request. Answers whether there was room.
    pub fn push(&mut self, request: Request) -> bool {
        self.requests.push_back(request).is_ok()
    }

    /// Takes the one that was answered, or was given up.
    pub fn pop(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// Takes the youngest: a request without an answer, when it was written.
    pub fn pop_youngest(&mut self) -> Option<Request> {
        self.requests.pop_back()
    }

    /// The youngest, to change it.
    pub fn youngest_mut(&mut self) -> Option<&mut Request> {
        self.requests.back_mut()
    }

    /// Whether one of this kind is among them.
    pub fn has(&self, call: Call) -> bool {
        self.requests.iter().any(|request| request.call == call)
    }

    /// Moves every request's time on by `millis`: a throttled broker answers later, and that is no fault.
    pub fn postpone(&mut self, millis: u32) {
        for request in &mut self.requests {
            request.sent_at = request.sent_at.plus(millis);
        }
    }
}
