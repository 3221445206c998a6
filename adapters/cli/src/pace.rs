//! A steady rate: the n-th turn comes n/rate seconds after the start. Whoever falls behind by more than a
//! second (the cluster was slow) goes on from there and does not make up for it in a burst.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Behind by more than this, the schedule starts anew.
const SLACK: Duration = Duration::from_secs(1);
/// The longest nap, so that a stop is noticed.
const NAP: Duration = Duration::from_millis(50);

/// A schedule of turns.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: f64,
    start: Instant,
    turns: u64,
}

impl Pace {
    /// `rate` turns in a second, from `start` on.
    pub(crate) fn new(rate: f64, start: Instant) -> Self {
        Self { rate, start, turns: 0 }
    }

    /// How long to wait at `now` for the next turn, which is then taken.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        // At most 1e9 turns in a second, at least one in 24 days.
        let due = Duration::try_from_secs_f64(self.turns as f64 / self.rate).unwrap_or(Duration::MAX);
        let due = self.start.checked_add(due).unwrap_or(now + SLACK);
        self.turns += 1;
        if now.saturating_duration_since(due) > SLACK {
            self.start = now;
            self.turns = 1;
        }
        due.saturating_duration_since(now)
    }

    /// Waits for the next turn, or until `stop`.
    pub(crate) fn wait(&mut self, stop: &AtomicBool) {
        let begin = Instant::now();
        let wait = self.next(begin);
        while !stop.load(Ordering::Relaxed) {
            let left = wait.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spaced_and_early_ones_wait() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, start);
        assert_eq!(pace.next(start), Duration::ZERO);
        assert_eq!(pace.next(start), Duration::from_millis(100));
        // A little late: the schedule stands.
        assert_eq!(pace.next(start + Duration::from_millis(900)), Duration::ZERO);
        assert_eq!(pace.next(start + Duration::from_millis(200)), Duration::from_millis(100));
    }

    #[test]
    fn after_a_long_stall_there_is_no_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(100.0, start);
        let late = start + Duration::from_secs(60);
        assert_eq!(pace.next(late), Duration::ZERO);
        assert_eq!(pace.next(late), Duration::from_millis(10));
        assert_eq!(pace.next(late), Duration::from_millis(20));
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let mut pace = Pace::new(0.001, Instant::now());
        pace.wait(&AtomicBool::new(false));
        let stop = AtomicBool::new(true);
        pace.wait(&stop);
        assert!(pace.start.elapsed() < Duration::from_secs(5));
    }
}
