//! One direction of a stream: segments on their way, in order.
use super::net::NEVER;
use std::collections::VecDeque;

/// Segments with the time at which they arrive, never decreasing.
#[derive(Default)]
pub(super) struct Pipe {
    segments: VecDeque<(u64, Vec<u8>)>,
    len: usize,
    last: u64,
    stalled: u64,
}

impl Pipe {
    /// Bytes on their way.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// When everything has arrived.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Nothing arrives before.
    pub(super) fn stalled(&self) -> u64 {
        self.stalled
    }

    /// When the next segment arrives.
    pub(super) fn next(&self) -> u64 {
        self.segments.front().map_or(NEVER, |(at, _)| *at)
    }

    pub(super) fn push(&mut self, bytes: Vec<u8>, at: u64) {
        let at = at.max(self.last).max(self.stalled);
        self.last = at;
        self.len += bytes.len();
        self.segments.push_back((at, bytes));
    }

    /// The next segment, if it has arrived.
    pub(super) fn arrive(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.next() > now {
            return None;
        }
        let (_, bytes) = self.segments.pop_front()?;
        self.len -= bytes.len();
        Some(bytes)
    }

    /// Nothing arrives before `until`.
    pub(super) fn stall(&mut self, until: u64) {
        self.stalled = self.stalled.max(until);
        for (at, _) in &mut self.segments {
            *at = (*at).max(until);
        }
        if !self.segments.is_empty() {
            self.last = self.last.max(until);
        }
    }

    /// Everything arrives at once.
    pub(super) fn resume(&mut self, now: u64) {
        if self.stalled > now {
            for (at, _) in &mut self.segments {
                *at = (*at).min(now);
            }
            self.last = self.last.min(now);
        }
        self.stalled = 0;
    }
}
