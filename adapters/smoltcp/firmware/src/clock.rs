//! A clock that goes on where a counter of 32 bits begins again.

/// Ticks since some time before the start.
#[derive(Debug, Default)]
pub struct Clock {
    /// The counter when it was read last, and what its rounds come to.
    counter: u32,
    rounds: u64,
}

impl Clock {
    /// A clock that was never read.
    pub const fn new() -> Self {
        Self { counter: 0, rounds: 0 }
    }

    /// The ticks, now that the counter shows this. It must be read at least once in each of its rounds.
    pub fn ticks(&mut self, counter: u32) -> u64 {
        if counter < self.counter {
            self.rounds += 1 << 32;
        }
        self.counter = counter;
        self.rounds + u64::from(counter)
    }
}
