//! From when each record was handed over to when its batch ended, at a cost per batch and not per record.
//!
//! The sending thread writes down times beside the batch's serial number and shares them when the batch changes;
//! the producer's thread says when a batch ended. Whichever comes second counts the latencies. Invariant: a
//! batch is in `batches` until all its records were counted.
use crate::perf::histogram::Histogram;
use kurier_core::record::Ticket;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What is known of a batch that is not done with.
#[derive(Debug, Default)]
struct Batch {
    /// When records of it were handed over, those not counted yet.
    sent: Vec<Instant>,
    /// When it ended, and how many of its records are still to be counted.
    ended: Option<(Instant, usize)>,
}

/// The end of a producer's records, shared by its two threads.
#[derive(Default)]
pub(crate) struct Stopwatch {
    batches: Mutex<HashMap<u32, Batch>>,
    latencies: Arc<Histogram>,
    errors: AtomicU64,
}

impl Stopwatch {
    /// Counts into `latencies`.
    pub(crate) fn new(latencies: Arc<Histogram>) -> Self {
        Self { latencies, ..Self::default() }
    }

    /// Records that were not written.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// A record was refused at once.
    pub(crate) fn refused(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch of `count` records ended now.
    pub(crate) fn ended(&self, serial: u32, count: u32, written: bool) {
        let now = Instant::now();
        if !written {
            self.errors.fetch_add(count.into(), Ordering::Relaxed);
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.with(serial, |batch| batch.ended = Some((now, count)));
    }

    fn sent(&self, serial: u32, times: &mut Vec<Instant>) {
        self.with(serial, |batch| batch.sent.append(times));
    }

    fn with(&self, serial: u32, change: impl FnOnce(&mut Batch)) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = batches.entry(serial).or_default();
        change(batch);
        let Some((end, left)) = &mut batch.ended else { return };
        *left = left.saturating_sub(batch.sent.len());
        let (end, done) = (*end, *left == 0);
        let sent = std::mem::take(&mut batch.sent);
        if done {
            batches.remove(&serial);
        }
        drop(batches);
        sent.iter().for_each(|sent| self.latencies.record(end.saturating_duration_since(*sent)));
    }

    /// Batches that are not done with.
    #[cfg(test)]
    fn open(&self) -> usize {
        self.batches.lock().unwrap().len()
    }
}

/// The sending thread's side.
pub(crate) struct Lap<'a> {
    watch: &'a Stopwatch,
    serial: u32,
    times: Vec<Instant>,
}

impl<'a> Lap<'a> {
    /// Nothing sent yet.
    pub(crate) fn new(watch: &'a Stopwatch) -> Self {
        Self { watch, serial: 0, times: Vec::new() }
    }

    /// A record handed over at `at` lies in the batch that `ticket` names.
    pub(crate) fn sent(&mut self, ticket: Ticket, at: Instant) {
        if ticket.serial != self.serial {
            self.share();
            self.serial = ticket.serial;
        }
        self.times.push(at);
    }

    /// Shares what is known so far, before a pause or at the end.
    pub(crate) fn share(&mut self) {
        if !self.times.is_empty() {
            self.watch.sent(self.serial, &mut self.times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ticket(serial: u32, index: u32) -> Ticket {
        Ticket { serial, index }
    }

    #[test]
    fn latencies_are_counted_whichever_thread_is_first() {
        let histogram = Arc::new(Histogram::default());
        let watch = Stopwatch::new(Arc::clone(&histogram));
        let mut lap = Lap::new(&watch);
        let before = Instant::now() - Duration::from_secs(1);
        lap.sent(ticket(5, 0), before);
        // The batch ends while one record of it is not written down yet.
        watch.ended(5, 2, true);
        lap.sent(ticket(5, 1), before);
        assert_eq!((histogram.snapshot().count(), watch.open()), (0, 1));
        lap.sent(ticket(6, 0), before);
        assert_eq!((histogram.snapshot().count(), watch.open()), (2, 0));
        lap.share();
        assert_eq!((histogram.snapshot().count(), watch.open()), (2, 1));
        watch.ended(6, 1, false);
        assert_eq!((histogram.snapshot().count(), watch.open()), (3, 0));
        assert!(histogram.snapshot().quantile_ms(0.0) >= 1000.0);
        watch.refused();
        assert_eq!(watch.errors(), 2);
    }

    #[test]
    fn a_batch_shared_in_parts_is_counted_once_and_whole() {
        let histogram = Arc::new(Histogram::default());
        let watch = Stopwatch::new(Arc::clone(&histogram));
        let mut lap = Lap::new(&watch);
        let now = Instant::now();
        lap.sent(ticket(1, 0), now);
        lap.share();
        watch.ended(1, 3, true);
        assert_eq!((histogram.snapshot().count(), watch.open()), (1, 1));
        lap.sent(ticket(1, 1), now);
        lap.share();
        lap.share();
        lap.sent(ticket(1, 2), now);
        lap.sent(ticket(2, 0), now);
        assert_eq!((histogram.snapshot().count(), watch.open()), (3, 0));
    }
}
