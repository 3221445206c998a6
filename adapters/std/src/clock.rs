//! The two clocks, read at the price of one: monotonic time for deadlines, and the wall clock for records'
//! timestamps. The distance between them is measured again every now and then, so a step of the wall clock is
//! followed within [`STALE_MICROS`].
use kurier_core::time::{Instant, Timestamp};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a measured distance is used.
const STALE_MICROS: u64 = 100_000;

/// A producer's clock; zero is its start.
#[derive(Debug)]
pub(crate) struct Clock {
    start: std::time::Instant,
    /// Wall clock at `start`, Unix microseconds, as last measured.
    wall_at_start: AtomicI64,
    measured: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = Self {
            start: std::time::Instant::now(),
            wall_at_start: AtomicI64::new(0),
            measured: AtomicU64::new(0),
        };
        clock.measure(0);
        clock
    }

    /// Monotonic time.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_micros(micros(self.start.elapsed()))
    }

    /// Monotonic time, and the wall clock's.
    pub(crate) fn both(&self) -> (Instant, Timestamp) {
        let now = self.now();
        let micros = now.as_micros();
        if micros.wrapping_sub(self.measured.load(Ordering::Relaxed)) > STALE_MICROS {
            self.measure(micros);
        }
        let wall = self.wall_at_start.load(Ordering::Relaxed).saturating_add_unsigned(micros);
        // Before 1970 counts as 1970.
        (now, Timestamp((wall.max(0).cast_unsigned() / 1000).cast_signed()))
    }

    fn measure(&self, now: u64) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros);
        let at_start = i64::try_from(wall).unwrap_or(i64::MAX).saturating_sub_unsigned(now);
        self.wall_at_start.store(at_start, Ordering::Relaxed);
        self.measured.store(now, Ordering::Relaxed);
    }

    /// The system's instant of one of the core's.
    pub(crate) fn system(&self, at: Instant) -> std::time::Instant {
        let since = Duration::from_micros(at.as_micros());
        self.start.checked_add(since).unwrap_or(self.start)
    }
}

/// Whole microseconds, without the 128-bit arithmetic of `as_micros`: this is done for every record.
fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_agree_with_the_systems() {
        let clock = Clock::new();
        for pause in [0, 3, 120] {
            std::thread::sleep(Duration::from_millis(pause));
            let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let (now, wall) = clock.both();
            let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let wall = u128::try_from(wall.0).unwrap();
            assert!((before - 2..=after + 2).contains(&wall), "{before} <= {wall} <= {after}");
            assert!(now.as_micros() >= pause * 1000);
            assert!(clock.system(now) <= std::time::Instant::now());
        }
    }
}
