//! From the storm to the calm in which everything must come to its end, and one more record must get through.
use super::{NEVER, Stage, World};
use crate::sim::fault;
use crate::sim::inject;
use crate::sim::memory::SIZES;
use crate::sim::oracle::Finding;
use kurier_broker::Running;

impl World {
    /// From one stage to the next.
    pub(super) fn move_on(&mut self) -> Result<bool, Finding> {
        let quiet = self.scenario.discard || self.oracle.untold() == 0;
        let settled = self.stage == Stage::Settle && self.settled();
        match self.stage {
            Stage::Storm if self.user_at >= NEVER => {
                let wait = self.dice.around(self.scenario.trouble * 5);
                if self.until == NEVER {
                    // The storm goes on for a while.
                    self.until = self.now + wait + 2_000_000_000_000;
                    self.user_at = NEVER;
                    self.calm_at = self.now + wait;
                }
                if self.calm_at <= self.now || self.trouble_at >= NEVER {
                    self.calm();
                    self.take(usize::MAX)?;
                    return self.move_on();
                }
                Ok(false)
            }
            Stage::Storm => Ok(false),
            Stage::Calm if quiet => {
                self.check_marks(!self.scenario.discard)?;
                self.written = self.oracle.written;
                self.until = self.now + self.scenario.patience * 1000;
                self.stage = Stage::Probe;
                self.user_at = self.now;
                if self.user.closed || self.user.fatal || self.scenario.discard {
                    self.settle();
                    return self.move_on();
                }
                Ok(false)
            }
            Stage::Probe if self.oracle.written > self.written => {
                self.settle();
                self.move_on()
            }
            Stage::Settle if settled => {
                let topics: Vec<&str> = self.scenario.topics.iter().map(|(name, _)| *name).collect();
                self.oracle.check(&self.net.cluster, &topics, !self.scenario.discard)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Faults end; from here on everything must come to its end, without another call of the user.
    fn calm(&mut self) {
        self.timeline.note(|| "clear   no faults from here on".to_owned());
        self.stage = Stage::Calm;
        self.calm_at = NEVER;
        self.calm_since = Some(self.now);
        self.trouble_at = NEVER;
        self.lurking = false;
        self.net.cluster.observe(inject::observer(self.timeline.clone(), self.watch.clone()));
        for broker in 1..=i32::from(self.scenario.brokers) {
            if self.net.cluster.running(broker) != Some(Running::Up) {
                self.net.cluster.restart(broker);
            }
        }
        let all: Vec<i32> = (1..=i32::from(self.scenario.brokers)).collect();
        self.net.cluster.set_replication_lag(0);
        for broker in &all {
            self.net.cluster.release_metadata(*broker);
        }
        // A broker that is replaced by one of another release breaks its links.
        if self.scenario.has(fault::EXPIRE) || self.scenario.has(fault::VERSIONS) {
            self.net.forget();
        }
        for (name, _) in self.scenario.topics.clone() {
            if self.net.cluster.partitions(name) == 0 && !self.scenario.creates {
                let _ = self.net.cluster.create_topic(name, 1, self.scenario.topic());
            }
            for partition in 0..self.net.cluster.partitions(name) {
                self.net.cluster.set_replicas(name, partition, &all, &all);
                if self.net.cluster.leader(name, partition).is_none_or(|(leader, _)| leader < 0) {
                    self.net.cluster.move_leader(name, partition, 1);
                }
            }
        }
        for (name, _) in &self.scenario.topics {
            self.net.cluster.configure_topic(name, |config| {
                config.max_message_bytes = 1 << 20;
                config.compact = false;
            });
        }
        self.net.heal();
        // Nothing may take longer than delivery.timeout.ms, and what follows an expiry in flight.
        self.until = self.now + (130_000 + self.scenario.patience) * 1000;
        if !self.scenario.discard && !self.user.closed {
            let _ = self.flush();
            self.touched = true;
        }
    }

    /// Tries to get a record through.
    pub(super) fn probe(&mut self) -> Result<(), Finding> {
        self.user_at = NEVER;
        if self.stage != Stage::Probe {
            return Ok(());
        }
        // One may wait for a partition that is gone; but the user's calls must not wake the producer all the time.
        let accepted = self.send(true)?;
        if !accepted && self.until_full == 0 {
            // What holds the memory may be for a partition that is gone, and then it can only expire.
            self.until_full = self.until + 130_000_000;
            self.until = self.until_full;
        }
        self.user_at = self.now + if accepted { self.scenario.patience * 200 } else { 20_000 };
        if self.user.fatal {
            self.settle();
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.stage = Stage::Settle;
        self.until = self.now + (130_000 + self.scenario.patience) * 1000;
        self.user_at = NEVER;
    }

    /// Whether nothing is under way any more, and all memory is back.
    fn settled(&mut self) -> bool {
        if self.net.carries() {
            return false;
        }
        let free = self.home.with(|producer| producer.free_buffers()).unwrap_or(0);
        if free == SIZES[self.scenario.size].batches {
            return true;
        }
        // Buffers of deliveries that were taken come back with the next poll.
        if !self.nudged && (self.scenario.discard || self.oracle.untold() == 0) {
            self.nudged = true;
            self.touched = true;
        }
        false
    }
}
