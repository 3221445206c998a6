//! A producer's process ends without a word, and another begins.
use super::memory::SIZES;
use super::oracle::{Finding, Wrong};
use super::wire::Wire;
use super::world::World;
use kurier_core::config::Acks;

/// Producers of one history, at most.
const MOST: u32 = 4;

impl World {
    /// The order on the wire is judged unless nothing is answered, or answers are damaged: how much of one a producer
    /// has taken before it gave up the link cannot be seen from outside.
    pub(super) fn wire(acks: Acks, in_flight: u32, damaged: bool) -> Option<Wire> {
        let judged = !matches!(acks, Acks::Zero) && !damaged;
        judged.then(|| Wire::new(in_flight as usize))
    }

    /// The producer's process is killed and starts anew: as it was, or under another name and with other choices.
    pub(super) fn crash(&mut self) -> Result<(), Finding> {
        if self.oracle.producer + 1 >= MOST || self.user.closed {
            return Ok(());
        }
        self.take(usize::MAX)?;
        let same = self.dice.chance(500);
        self.timeline.note(|| {
            format!(
                "user    is killed, and another begins {}",
                if same { "just so" } else { "with another seed" }
            )
        });
        self.net.crash();
        self.oracle.crash();
        let config = if same {
            self.scenario.config
        } else {
            self.scenario.config.client_id("another").seed(self.dice.next())
        };
        let size = &SIZES[self.scenario.size];
        self.home = (size.make)(config).map_err(|error| (Wrong::Broken, error.to_string()))?;
        if self.scenario.discard {
            self.home.with(|producer| producer.discard_deliveries());
        }
        let before = std::mem::take(&mut self.user);
        (self.user.tried, self.user.accepted) = (before.tried, before.accepted);
        self.user.calls_left = before.calls_left;
        self.touched = true;
        Ok(())
    }
}
