//! What the callers' threads and the I/O thread share: the append half behind its lock, and what crosses it.
//! Down go topics, wishes and the marks of flush and close; up come memory, answers to those who wait, and the
//! end.
use crate::bell::Bell;
use crate::clock::Clock;
use crate::heap::Heap;
use crate::lock::AppendLock;
use crate::memory::{Chores, Memory};
use crate::metrics::Counters;
use crate::topics::Topics;
use kurier_core::accumulator::Accumulator;
use kurier_core::error::DeliveryError;
use kurier_core::record::Topic;
use kurier_core::time::Instant;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{Thread, ThreadId};
use std::time::Duration;

/// One producer.
pub(crate) struct Shared {
    pub(crate) append: AppendLock<Append>,
    pub(crate) bell: Bell,
    pub(crate) clock: Clock,
    pub(crate) max_block: Duration,
    pub(crate) counters: Counters,
    end: Mutex<Option<End>>,
    ended: Condvar,
    io_thread: OnceLock<ThreadId>,
    /// The process it runs in: a fork of it has no I/O thread.
    process: u32,
}

/// What lies under the append lock.
pub(crate) struct Append {
    pub(crate) accumulator: Accumulator<Heap>,
    pub(crate) topics: Topics,
    pub(crate) memory: Memory,
    pub(crate) asks: Asks,
}

/// What callers want of the I/O thread.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// Topics somebody needs to know more of.
    pub(crate) wanted: Vec<Topic>,
    /// Threads that wait for metadata.
    pub(crate) curious: Vec<(u64, Thread)>,
    pub(crate) flushes: Vec<Flush>,
    pub(crate) closing: Option<Closing>,
    /// The producer failed for good: no record will be taken.
    pub(crate) failed: bool,
    /// The I/O thread has ended: nothing is on its way, and nobody will answer.
    pub(crate) over: bool,
    next_id: u64,
}

/// Somebody waits until every batch before `before` has ended.
#[derive(Debug)]
pub(crate) struct Flush {
    pub(crate) id: u64,
    pub(crate) before: u32,
    pub(crate) thread: Thread,
}

/// The producer takes no more records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    /// What is left then fails.
    pub(crate) deadline: Instant,
    /// How it fails.
    pub(crate) error: DeliveryError,
}

/// How the I/O thread ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// Records that close or abort ended before the cluster did.
    pub(crate) cut_off: u64,
}

impl Asks {
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Wishes to know more of `topic`, and to be woken when there is news.
    pub(crate) fn wait_for(&mut self, topic: Topic) -> u64 {
        self.want(topic);
        let id = self.id();
        self.curious.push((id, std::thread::current()));
        id
    }

    pub(crate) fn want(&mut self, topic: Topic) {
        if !self.wanted.contains(&topic) {
            self.wanted.push(topic);
        }
    }

    /// `id` waits no longer.
    pub(crate) fn leave(&mut self, id: u64) {
        self.curious.retain(|(waiting, _)| *waiting != id);
    }
}

impl Append {
    /// Everyone who waits for memory or metadata is to look again.
    pub(crate) fn wake_all(&mut self, chores: &mut Chores) {
        chores.wake.extend(self.asks.curious.drain(..).map(|(_, thread)| thread));
        self.memory.wake_all(chores);
    }
}

impl Shared {
    pub(crate) fn new(append: Append, bell: Bell, max_block: Duration) -> Self {
        Self {
            append: AppendLock::new(append),
            bell,
            clock: Clock::new(),
            max_block,
            counters: Counters::default(),
            end: Mutex::new(None),
            ended: Condvar::new(),
            io_thread: OnceLock::new(),
            process: std::process::id(),
        }
    }

    /// Called by the I/O thread when it begins.
    pub(crate) fn enter(&self) {
        // Only one thread does.
        let _ = self.io_thread.set(std::thread::current().id());
    }

    /// Whether this is the I/O thread, in a callback: it must not wait for itself.
    pub(crate) fn is_io_thread(&self) -> bool {
        self.io_thread.get() == Some(&std::thread::current().id())
    }

    /// Whether this is a fork of the producer's process, in which nobody does the I/O.
    pub(crate) fn is_fork(&self) -> bool {
        self.process != std::process::id()
    }

    /// Bars further records, sends what is left, and has it fail with `error` after `timeout`. Of several calls the
    /// earliest end counts; answers when that is.
    pub(crate) fn close(&self, timeout: Duration, error: DeliveryError) -> Instant {
        let micros = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
        let deadline = Instant(self.clock.now().as_micros().saturating_add(micros));
        let mut chores = Chores::default();
        let closing = {
            let mut append = self.append.lock();
            append.accumulator.close();
            append.wake_all(&mut chores);
            let own = Closing { deadline, error };
            let earlier = append.asks.closing.filter(|closing| closing.deadline <= deadline);
            *append.asks.closing.insert(earlier.unwrap_or(own))
        };
        chores.run();
        self.bell.ring();
        closing.deadline
    }

    /// The I/O thread's last word.
    pub(crate) fn finish(&self, end: End) {
        let mut chores = Chores::default();
        {
            let mut append = self.append.lock();
            append.accumulator.close();
            append.asks.over = true;
            append.wake_all(&mut chores);
            chores.wake.extend(append.asks.flushes.drain(..).map(|flush| flush.thread));
        }
        chores.run();
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        self.ended.notify_all();
    }

    /// Waits for the I/O thread's last word, at most so long.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> Option<End> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(end, timeout, |end| end.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
