//! How slow is too slow: what has begun to move must go on at a least rate, however long all of it takes.
//!
//! A fixed end for a request would shut out slow links for good: their producers would send the same batch again and
//! again. Looked at once in each window of time, so that a stall ends within two of them.
use crate::metrics::Count;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes that went through a client's connection, counted where they leave and enter it.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) received: Count,
    pub(crate) sent: Count,
}

/// A stretch of time in which bytes must move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    begin: Instant,
    /// What had moved when it began.
    from: u64,
    length: Duration,
    /// Bytes in a second.
    rate: u32,
}

impl Window {
    /// Begins now, when so many bytes have moved.
    pub(crate) fn new(length: Duration, rate: u32, moved: u64) -> Self {
        Self { begin: Instant::now(), from: moved, length, rate }
    }

    /// When it is to be looked at.
    pub(crate) fn end(&self) -> Instant {
        self.begin + self.length
    }

    /// Whether enough has moved in it, one byte at least; then the next one begins.
    pub(crate) fn goes_on(&mut self, moved: u64) -> bool {
        let least = u128::from(self.rate) * self.length.as_millis() / 1_000;
        let is_enough = u128::from(moved.saturating_sub(self.from)) >= least.max(1);
        *self = Self::new(self.length, self.rate, moved);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_asks_for_its_own_bytes() {
        let mut window = Window::new(Duration::from_secs(10), 100, 5_000);
        assert!(window.goes_on(6_000), "1000 in 10 s");
        assert!(!window.goes_on(6_999), "one less");
        assert!(window.goes_on(9_000));
        assert!(!window.goes_on(9_000), "what came before does not count");
    }

    #[test]
    fn who_moves_nothing_never_goes_on() {
        let mut window = Window::new(Duration::from_millis(1), 1, 7);
        assert!(!window.goes_on(7));
        assert!(!window.goes_on(3), "nor by counting backwards");
        assert!(window.goes_on(8));
    }
}
