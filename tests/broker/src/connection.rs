//! One connection: requests cut out of a stream, answered one after the other.
//!
//! A broker serves one request of a connection at a time: while an answer is held back or the connection is throttled,
//! what comes in stays unread. Invariant: `input` is empty or begins with a frame that is not complete, or nothing is
//! being read.
use crate::cluster::ConnectionId;
use crate::error::Close;
use crate::replication::{Delayed, Progress};
use crate::request::Injector;
use crate::serve::{Attempt, Context, Next, answer_delayed, serve};
use crate::state::State;

/// Bytes of a frame's size.
const SIZE: usize = 4;

#[derive(Debug)]
enum Phase {
    Reading,
    /// An answer that is sent later; nothing is read until then.
    Holding {
        until: i64,
        answer: Vec<u8>,
    },
    /// Batches with `acks=all` that are not on every replica in sync.
    Replicating {
        until: i64,
        request: Box<Delayed>,
    },
    Muted {
        until: i64,
    },
    /// A fetch waits for appends.
    Waiting {
        until: i64,
        frame: Vec<u8>,
    },
    Hanging,
}

/// A connection's buffers and phase.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) broker: i32,
    pub(crate) output: Vec<u8>,
    pub(crate) closed: Option<Close>,
    input: Vec<u8>,
    phase: Phase,
}

/// What lies around a connection while it works.
pub(crate) struct Around<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) injector: &'a mut Option<Injector>,
    pub(crate) requests: &'a mut u64,
    pub(crate) id: ConnectionId,
    pub(crate) now: i64,
}

impl Connection {
    pub(crate) fn new(broker: i32) -> Self {
        Self { broker, output: Vec::new(), closed: None, input: Vec::new(), phase: Phase::Reading }
    }

    /// When it goes on without new bytes.
    pub(crate) fn deadline(&self) -> Option<i64> {
        match self.phase {
            Phase::Holding { until, .. }
            | Phase::Muted { until }
            | Phase::Waiting { until, .. }
            | Phase::Replicating { until, .. }
                if self.closed.is_none() =>
            {
                Some(until)
            }
            _ => None,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    pub(crate) fn is_replicating(&self) -> bool {
        matches!(self.phase, Phase::Replicating { .. })
    }

    /// Goes on: what is due, then what was kept, then the new bytes.
    pub(crate) fn take(&mut self, bytes: &[u8], paused: bool, around: &mut Around<'_>) {
        if self.closed.is_some() {
            return;
        }
        if paused {
            self.input.extend_from_slice(bytes);
            return;
        }
        self.resume(around);
        // A frame kept from before is completed first; the rest is read where it lies.
        let mut rest = bytes;
        while self.is_reading() && !self.input.is_empty() {
            let kept = std::mem::take(&mut self.input);
            let used = self.frames(&kept, around);
            self.input = kept;
            self.input.drain(..used);
            if !self.is_reading() || self.input.is_empty() {
                break;
            }
            let missing = missing(&self.input);
            let Some((now, later)) = rest.split_at_checked(missing) else { break };
            self.input.extend_from_slice(now);
            rest = later;
        }
        if self.is_reading() && self.input.is_empty() {
            let used = self.frames(rest, around);
            rest = rest.get(used..).unwrap_or_default();
        }
        if self.closed.is_none() {
            self.input.extend_from_slice(rest);
        }
    }

    /// Whether new bytes would be looked at.
    pub(crate) fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Reading) && self.closed.is_none()
    }

    fn resume(&mut self, around: &mut Around<'_>) {
        let now = around.now;
        match std::mem::replace(&mut self.phase, Phase::Reading) {
            Phase::Holding { until, mut answer } if until <= now => self.output.append(&mut answer),
            Phase::Muted { until } if until <= now => {}
            Phase::Waiting { until, frame } => {
                let deadline = until;
                let attempt = if until <= now { Attempt::Last } else { Attempt::Again };
                self.request(&frame, attempt, around);
                // It waits on until its own deadline, not for as long again.
                if let Phase::Waiting { until, .. } = &mut self.phase {
                    *until = deadline;
                }
            }
            Phase::Replicating { request, .. } => match request.check(around.state, now) {
                Progress::Later(until, request) => {
                    self.phase = Phase::Replicating { until, request: Box::new(request) };
                }
                Progress::Done(request) => {
                    let before = self.output.len();
                    let next = answer_delayed(around.state, &request, now, &mut self.output);
                    self.go_on(next, before, &[], now);
                }
            },
            phase => self.phase = phase,
        }
    }

    /// Serves the complete frames at the front; answers how many bytes they were.
    fn frames(&mut self, bytes: &[u8], around: &mut Around<'_>) -> usize {
        let mut used = 0;
        while self.is_reading() {
            let Some((size, rest)) = bytes.get(used..).and_then(|rest| rest.split_first_chunk::<SIZE>())
            else {
                break;
            };
            let size = i32::from_be_bytes(*size);
            let Some(len) =
                usize::try_from(size).ok().filter(|_| size <= around.state.settings.socket_request_max_bytes)
            else {
                self.closed = Some(Close::InvalidSize(size));
                break;
            };
            let Some(frame) = rest.get(..len) else { break };
            used += SIZE + len;
            *around.requests += 1;
            self.request(frame, Attempt::First, around);
        }
        used
    }

    fn request(&mut self, frame: &[u8], attempt: Attempt, around: &mut Around<'_>) {
        let before = self.output.len();
        let context = Context {
            state: around.state,
            injector: around.injector.as_mut(),
            index: around.requests.saturating_sub(1),
            broker: self.broker,
            connection: around.id,
            now: around.now,
            attempt,
        };
        let next = serve(context, frame, &mut self.output);
        self.go_on(next, before, frame, around.now);
    }

    /// What comes after a request, whose answer begins at `before`.
    fn go_on(&mut self, next: Next, before: usize, frame: &[u8], now: i64) {
        match next {
            Next::Read => {}
            Next::Hold(until) => self.phase = Phase::Holding { until, answer: self.output.split_off(before) },
            Next::Mute(until) => self.phase = Phase::Muted { until },
            Next::Replicate(request) => self.phase = Phase::Replicating { until: now, request },
            Next::Wait(until) => self.phase = Phase::Waiting { until, frame: frame.to_vec() },
            Next::Hang => {
                self.output.truncate(before);
                self.phase = Phase::Hanging;
            }
            Next::Close(close) => {
                self.output.truncate(before);
                self.closed = Some(close);
            }
        }
    }
}

/// How many bytes `input` lacks to its first frame's end, or to the end of its size.
fn missing(input: &[u8]) -> usize {
    let Some((size, rest)) = input.split_first_chunk::<SIZE>() else { return SIZE - input.len() };
    usize::try_from(i32::from_be_bytes(*size)).unwrap_or(0).saturating_sub(rest.len())
}
