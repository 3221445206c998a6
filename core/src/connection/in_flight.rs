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

/// The requests in flight on one link. An array whose first is the oldest: to move four small requests up is less than
/// a ring's two ends, in code and in bytes.
#[derive(Debug)]
pub struct InFlight {
    requests: [Request; CAPACITY],
    len: u8,
}

impl InFlight {
    /// None in flight.
    pub const fn new() -> Self {
        let none =
            Request { correlation: 0, call: Call::ApiVersions, version: 0, sent_at: Millis(0), batches: 0 };
        Self { requests: [none; CAPACITY], len: 0 }
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// How many, in a small number.
    pub const fn count(&self) -> u8 {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no further one fits.
    pub const fn is_full(&self) -> bool {
        self.len() >= CAPACITY
    }

    /// The one that is answered next.
    pub fn front(&self) -> Option<&Request> {
        if self.is_empty() { None } else { self.requests.first() }
    }

    /// The one that is answered next, to change it.
    pub fn front_mut(&mut self) -> Option<&mut Request> {
        if self.is_empty() { None } else { self.requests.first_mut() }
    }

    /// Adds a request. Answers whether there was room.
    pub fn push(&mut self, request: Request) -> bool {
        let Some(room) = self.requests.get_mut(usize::from(self.len)) else { return false };
        *room = request;
        self.len = self.len.saturating_add(1);
        true
    }

    /// Takes the one that was answered, or was given up.
    pub fn pop(&mut self) -> Option<Request> {
        let front = *self.front()?;
        self.requests.copy_within(1.., 0);
        self.len = self.len.saturating_sub(1);
        Some(front)
    }

    /// Takes the youngest: a request without an answer, when it was written.
    pub fn pop_youngest(&mut self) -> Option<Request> {
        let youngest = *self.youngest_mut()?;
        self.len = self.len.saturating_sub(1);
        Some(youngest)
    }

    /// The youngest, to change it.
    pub fn youngest_mut(&mut self) -> Option<&mut Request> {
        self.requests.get_mut(usize::from(self.len).checked_sub(1)?)
    }

    /// Moves every request's time on by `millis`: a throttled broker answers later, and that is no fault.
    pub fn postpone(&mut self, millis: u32) {
        // Those that are none do no harm.
        for request in &mut self.requests {
            request.sent_at = request.sent_at.plus(millis);
        }
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new()
    }
}
