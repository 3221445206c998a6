//! The user of a device's producer: sends one by one and in bursts, flushes, takes every delivery at once.
use super::{Stage, World};
use crate::sim::net::NEVER;
use crate::sim::oracle::{Finding, Wrong};
use crate::sim::user::Clock;
use kurier_core::error::SendError;

impl World {
    /// The user sends, and now and then flushes.
    pub(super) fn act(&mut self) -> Result<(), Finding> {
        self.user_at = self.now + 1 + self.dice.around(self.terms.pace);
        if self.stage == Stage::Probe {
            let accepted = self.send(None)?;
            self.user_at = self.now + if accepted { 10_000_000 } else { 20_000 };
            return Ok(());
        }
        let burst = if self.dice.chance(300) { self.dice.within(2, 12) } else { 1 };
        for _ in 0..burst {
            let partition = self.dice.below(self.terms.partitions as u64) as i32;
            let partition = self.dice.chance(400).then_some(partition).filter(|_| cfg!(feature = "whole"));
            if !self.send(partition)? {
                self.user_at = self.user_at.max(self.now + 20_000);
                break;
            }
            self.accepted += 1;
        }
        if self.dice.chance(50) {
            self.flush();
        }
        if self.accepted >= self.terms.records {
            self.user_at = NEVER;
            self.calm_at = self.now + self.dice.around(self.terms.trouble);
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) {
        self.home.with(|producer| producer.flush());
    }

    /// Sends the next record. Answers whether it was accepted.
    pub(super) fn send(&mut self, partition: Option<i32>) -> Result<bool, Finding> {
        let index = self.dice.below(self.topics.len() as u64) as usize;
        let (topic, content) = (self.topics[index], self.oracle.next());
        let at = kurier_core::time::Instant::from_micros(self.now);
        let sent =
            self.home.with(|producer| content.with(partition, |record| producer.send(topic, record, at)));
        match sent {
            Some(Ok(ticket)) => {
                let id = self.oracle.accepted(index, partition, None, ticket)?;
                self.opened.entry(ticket.serial).or_insert(self.now);
                self.timeline
                    .note(|| format!("user    sends record {id} to topic {index} {partition:?}: {ticket:?}"));
                Ok(true)
            }
            Some(Err(SendError::Full | SendError::NotReady)) => Ok(false),
            Some(Err(SendError::RecordTooLarge { .. })) => {
                self.oracle.refused(index);
                Ok(false)
            }
            other => Err((Wrong::Broken, format!("a good record is refused: {other:?}"))),
        }
    }

    /// Takes what became of batches. Answers whether there was any.
    pub(super) fn take(&mut self) -> Result<bool, Finding> {
        let Self { home, oracle, topics, opened, timeline, .. } = self;
        let clock = Clock { now: self.now, jumped_at: 0, timeout: self.terms.delivery_timeout.into() };
        let taken = home.with(|producer| {
            let mut any = false;
            while let Some(told) = producer.next_delivery() {
                any = true;
                timeline.note(|| {
                    format!(
                        "user    is told of batch {}: topic {} partition {} {} records at {:?}, {}",
                        told.serial, told.topic.0, told.partition, told.count, told.base_offset, told.outcome
                    )
                });
                if let Some(opened) = opened.get(&told.serial) {
                    clock.judge(&told, *opened, true)?;
                }
                let topic = topics.iter().position(|topic| *topic == told.topic);
                oracle.told(&told, topic.unwrap_or(usize::MAX))?;
            }
            Ok(any)
        });
        taken.unwrap_or(Ok(false))
    }
}
