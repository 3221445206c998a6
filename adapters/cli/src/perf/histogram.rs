//! Latencies in bounded memory: a count for each of 7424 buckets, exact below 256 µs and within 0.8 % above.
//! Any number of threads may record; a reader takes a [`Snapshot`], and two of them subtract.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets for each power of two.
const PRECISION: u32 = 7;
const LINE: usize = 1 << PRECISION;
/// 256 exact ones, and 128 for each of the 56 higher powers of two.
const BUCKETS: usize = LINE * 2 + LINE * (64 - 8);

/// Counts of latencies, in µs.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, sum: AtomicU64::new(0), max: AtomicU64::new(0) }
    }
}

fn bucket(micros: u64) -> usize {
    let power = (63 - micros.max(1).leading_zeros()).saturating_sub(PRECISION);
    // The top eight bits, of which the first is always set where power > 0.
    let top = (micros >> power) as usize;
    power as usize * LINE + top
}

/// The greatest latency in the bucket, µs.
fn upper(bucket: usize) -> u64 {
    if bucket < LINE * 2 {
        return bucket as u64;
    }
    let power = bucket / LINE - 1;
    let top = (bucket % LINE + LINE) as u64;
    (top << power) + ((1 << power) - 1)
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(micros)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
        self.max.fetch_max(micros, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let (sum, max) = (self.sum.load(Ordering::Relaxed), self.max.load(Ordering::Relaxed));
        Snapshot { counts, sum, max }
    }
}

/// Counts at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    counts: Vec<u64>,
    sum: u64,
    max: u64,
}

impl Snapshot {
    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted after `earlier` was taken. The maximum stays that of all.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect();
        Self { counts, sum: self.sum.saturating_sub(earlier.sum), max: self.max }
    }

    /// The average, ms; 0 of nothing.
    pub(crate) fn average_ms(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum as f64 / count as f64 / 1000.0,
        }
    }

    /// The greatest, ms.
    pub(crate) fn max_ms(&self) -> f64 {
        self.max as f64 / 1000.0
    }

    /// The latency that the share `quantile` (0 to 1) did not exceed, ms; 0 of nothing.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let rank = (quantile * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return upper(bucket).min(self.max) as f64 / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_falls_into_the_bucket_that_says_so() {
        let powers =
            (0..64).flat_map(|power| [1u64 << power, (1 << power) + 1, (1u64 << power).wrapping_sub(1)]);
        for micros in (0..5000).chain(powers).chain([u64::MAX]) {
            let at = bucket(micros);
            assert!(at < BUCKETS, "{micros}");
            assert!(upper(at) >= micros, "{micros}");
            assert!(at == 0 || upper(at - 1) < micros, "{micros}");
            assert!(upper(at) - micros <= micros / 128, "{micros}");
        }
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        let all = histogram.snapshot();
        assert_eq!((all.count(), all.max_ms()), (1000, 1000.0));
        assert!((all.average_ms() - 500.5).abs() < 1e-9);
        for (quantile, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = all.quantile_ms(quantile);
            assert!(found >= exact && found <= exact * 1.008, "{quantile}: {found}");
        }
        assert_eq!(Snapshot::default().quantile_ms(0.5), 0.0);
    }

    #[test]
    fn snapshots_subtract() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(100));
        let before = histogram.snapshot();
        histogram.record(Duration::from_micros(200));
        let between = histogram.snapshot().since(&before);
        assert_eq!((between.count(), between.quantile_ms(0.5)), (1, 0.2));
        assert_eq!(histogram.snapshot().since(&Snapshot::default()).count(), 2);
    }
}
