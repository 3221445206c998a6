//! A producer's process ends without a word, and another begins; or it has made notes before, and the other goes on with
//! them.
use super::door::Rules;
use super::fault;
use super::memory::SIZES;
use super::oracle::{Finding, Wrong};
use super::scenario::Scenario;
use super::wire::Wire;
use super::world::World;
use kurier_core::config::Acks;
use kurier_core::sender::SleepError;

/// Producers of one history, at most.
const MOST: u32 = 4;

impl World {
    /// The order on the wire is judged unless nothing is answered, or answers are damaged: how much of one a producer
    /// has taken before it gave up the link cannot be seen from outside.
    pub(super) fn wire(scenario: &Scenario) -> Option<Wire> {
        let judged = !matches!(scenario.acks, Acks::Zero) && !scenario.has(fault::MALFORM);
        let slots = SIZES[scenario.size].partitions;
        let roomy = scenario.config.check().is_ok_and(|config| config.max_request_size() == 1 << 20);
        // Where leaders move, a batch may be left without the one that it was to go along with.
        let steady = roomy && scenario.faults & fault::BETWEEN & !fault::LIMIT == 0;
        let linger = if steady { u64::from(scenario.linger) } else { 0 };
        const MOVES: u32 = fault::MOVE | fault::RESTART | fault::LAG | fault::RECREATE | fault::STALE;
        let leaders_move = scenario.faults & MOVES != 0;
        let append_time = scenario.append_time;
        let rules = Rules { retries: scenario.retries, linger, slots, leaders_move, append_time };
        judged.then(|| Wire::new(scenario.in_flight as usize, rules))
    }

    /// Half of the producers try to make notes, which is refused to those that have something on their way.
    fn hibernate(&mut self) -> Result<Option<Vec<u8>>, Finding> {
        let mut notes = vec![0; 2000];
        let tries = self.dice.chance(500);
        let made = self.home.with(|producer| tries.then(|| producer.hibernate(&mut notes))).flatten();
        self.timeline.note(|| format!("user    makes notes: {made:?}"));
        let untold = self.oracle.untold();
        match made {
            Some(Ok(_)) if untold > 0 && !self.scenario.discard => {
                Err((Wrong::Broken, format!("a producer sleeps that has not told of {untold} batches")))
            }
            Some(Err(SleepError::NoRoom { needed })) => {
                Err((Wrong::Broken, format!("notes of a small cluster need {needed} bytes")))
            }
            made => Ok(matches!(made, Some(Ok(_))).then_some(notes)),
        }
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
        let notes = self.hibernate()?;
        let napped = notes.is_some();
        self.net.crash(napped);
        self.oracle.crash();
        let config = if same {
            self.scenario.config
        } else {
            self.scenario.config.client_id("another").seed(self.dice.next())
        };
        let size = &SIZES[self.scenario.size];
        self.home = (size.make)(config).map_err(|error| (Wrong::Broken, error.to_string()))?;
        if let Some(mut notes) = notes {
            let now = self.instant();
            let recalled = self.home.with(|producer| producer.recall(&mut notes, now));
            if recalled != Some(true) {
                return Err((Wrong::Broken, "good notes were not taken".to_owned()));
            }
        }
        if self.scenario.discard {
            self.home.with(|producer| producer.discard_deliveries());
        }
        let before = std::mem::take(&mut self.user);
        (self.user.tried, self.user.accepted) = (before.tried, before.accepted);
        self.user.calls_left = before.calls_left;
        if napped {
            self.user.others = before.others;
        }
        self.touched = true;
        Ok(())
    }
}
