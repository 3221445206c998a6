//! What the producer did, under the names of Kafka's `producer-metrics`. The I/O thread counts for itself and
//! publishes a copy at the end of a pass, so that counting costs nobody anything.
//!
//! Averages and maxima are of all time since the start, not of Kafka's sliding window.
use crate::shared::Shared;
use kurier_core::sender::Stats;
use kurier_core::time::Instant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the I/O thread publishes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) stats: Stats,
    /// Requests that wait for their answer now.
    pub(crate) requests_in_flight: u64,
    /// When the last metadata came.
    pub(crate) metadata_at: Option<Instant>,
    /// Batches that have ended, and their records.
    pub(crate) batches_ended: u64,
    pub(crate) records_ended: u64,
    /// Bytes of the largest batch.
    pub(crate) batch_size_max: u64,
}

/// The counters of one producer.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    published: Mutex<Published>,
    trouble: Mutex<Option<Arc<str>>>,
    memory_waits_ns: AtomicU64,
    memory_exhausted: AtomicU64,
}

impl Counters {
    pub(crate) fn publish(&self, new: &Published) {
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = *new;
    }

    /// What is wrong with the way to the cluster, if anything is.
    pub(crate) fn trouble(&self) -> Option<Arc<str>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Arc<str>>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(crate) fn waited_for_memory(&self, time: Duration, in_vain: bool) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.memory_waits_ns.fetch_add(nanos, Ordering::Relaxed);
        self.memory_exhausted.fetch_add(u64::from(in_vain), Ordering::Relaxed);
    }
}

/// One metric: Kafka's name and its value. Times are in ms unless the name says otherwise, sizes in bytes; an average
/// of nothing is NaN, as in Kafka. `compression-rate-avg`, compressed size over size, is 1 while compression is not built.
pub type Metric = (&'static str, f64);

#[allow(clippy::cast_precision_loss)] // Kafka's metrics are doubles as well
const fn number(count: u64) -> f64 {
    count as f64
}

fn average(sum: u64, of: u64) -> f64 {
    number(sum) / number(of)
}

/// Everything there is to tell now.
pub(crate) fn snapshot(shared: &Shared) -> Vec<Metric> {
    let published = *shared.counters.published.lock().unwrap_or_else(PoisonError::into_inner);
    let stats = published.stats;
    let (total, available, waiting) = {
        let append = shared.append.lock();
        let waiting = append.memory.waiters() + append.asks.curious.len();
        (append.memory.total(), append.memory.available(), waiting)
    };
    let age = published
        .metadata_at
        .map_or(f64::NAN, |at| number(shared.clock.now().as_micros().saturating_sub(at.as_micros())) / 1e6);
    let nanos = shared.counters.memory_waits_ns.load(Ordering::Relaxed);
    vec![
        ("record-send-total", number(stats.records)),
        ("byte-total", number(stats.bytes)),
        ("record-retry-total", number(stats.record_retries)),
        ("record-error-total", number(stats.record_errors)),
        ("batch-split-total", number(stats.splits)),
        ("batch-size-avg", average(stats.bytes, stats.batches)),
        // Compressed size over size: 1 while nothing is compressed.
        ("compression-rate-avg", average(stats.bytes, stats.bytes)),
        ("batch-size-max", number(published.batch_size_max)),
        ("records-per-request-avg", average(stats.records, stats.requests)),
        ("request-total", number(stats.requests)),
        ("response-total", number(stats.answers)),
        ("requests-in-flight", number(published.requests_in_flight)),
        ("request-latency-avg", average(stats.latency_ms, stats.answers)),
        ("request-latency-max", f64::from(stats.latency_max_ms)),
        ("record-queue-time-avg", average(stats.queue_ms, stats.queued)),
        ("record-queue-time-max", f64::from(stats.queue_max_ms)),
        ("produce-throttle-time-avg", average(stats.throttle_ms, stats.answers)),
        ("produce-throttle-time-max", f64::from(stats.throttle_max_ms)),
        ("buffer-total-bytes", number(total as u64)),
        ("buffer-available-bytes", number(available as u64)),
        ("bufferpool-wait-time-ns-total", number(nanos)),
        ("buffer-exhausted-total", number(shared.counters.memory_exhausted.load(Ordering::Relaxed))),
        ("waiting-threads", number(waiting as u64)),
        ("metadata-age", age),
        ("connection-count", number(stats.connections_opened.saturating_sub(stats.connections_closed))),
        ("connection-creation-total", number(stats.connections_opened)),
        ("connection-close-total", number(stats.connections_closed)),
        ("batches-ended-total", number(published.batches_ended)),
        ("records-ended-total", number(published.records_ended)),
    ]
}
