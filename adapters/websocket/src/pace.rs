//! How often a connection may ask: a rate, and one second's worth of it at once.
//!
//! Who asks more often is not refused but read later: its batches become larger meanwhile.
use std::time::Duration;
use tokio::time::Instant;

/// The pace of one connection.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Time that each request takes of the rate.
    each: Duration,
    /// When all requests so far would be over, had they come at the rate.
    over: Option<Instant>,
}

/// What may come at once after a silence.
const BURST: Duration = Duration::from_secs(1);

impl Pace {
    /// So many requests a second, 1 or more.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { each: BURST / per_second.max(1), over: None }
    }

    /// Counts a request that is there. Until when it must wait, if it must.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<Instant> {
        let over = self.over.map_or(now, |over| over.max(now)) + self.each;
        self.over = Some(over);
        (over > now + BURST).then(|| over - BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(10);
        assert!((0..10).all(|_| pace.admit(start).is_none()));
        assert_eq!(pace.admit(start), Some(start + Duration::from_millis(100)));
        assert_eq!(pace.admit(start), Some(start + Duration::from_millis(200)));
        let later = start + Duration::from_secs(60);
        assert!((0..10).all(|_| pace.admit(later).is_none()), "a silence is worth one second");
        assert!(pace.admit(later).is_some());
    }
}
