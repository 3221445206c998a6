//! What goes wrong between requests: links, leaders, brokers, topics, the clock.
use super::fault;
use super::net::NEVER;
use super::oracle::Finding;
use super::world::World;
use kurier_broker::Running;

impl World {
    /// One fault, and when the next one comes.
    pub(super) fn trouble(&mut self) -> Result<(), Finding> {
        let works = self.scenario.has(fault::WORK);
        // Where the user cannot get done, faults become rare.
        let rare = if works && self.struck > 40 { 20 } else { 1 };
        self.trouble_at = self.now + self.dice.around(self.scenario.trouble * rare) + 1;
        let kinds = fault::KINDS.iter().map(|(kind, _)| *kind).filter(|k| self.scenario.has(*k));
        let kinds: Vec<u32> = kinds.filter(|kind| !works || kind & fault::BETWEEN != 0).collect();
        if kinds.is_empty() || self.scenario.troubles == 0 {
            self.trouble_at = NEVER;
            return Ok(());
        }
        let busy = self.oracle.untold() > 0;
        if works && !busy && self.dice.chance(500) {
            self.lurk();
            return Ok(());
        }
        self.struck += u64::from(busy);
        self.scenario.troubles -= 1;
        let kind = self.dice.pick(&kinds);
        let stale = kind == fault::STALE;
        match kind {
            fault::CUT => self.net.cut(),
            fault::STALL => self.net.stall(),
            fault::REFUSE => {
                let bits = self.dice.next() as u32;
                if self.dice.chance(500) {
                    self.net.refused = bits & self.dice.next() as u32;
                } else {
                    self.net.swallowed = bits & self.dice.next() as u32;
                }
            }
            fault::MOVE => self.move_leader(),
            fault::RESTART => self.restart(),
            fault::SHRINK => self.shrink(),
            fault::RECREATE => self.recreate()?,
            fault::GROW => {
                let (name, count) = self.any_topic();
                let more = count + self.dice.within(1, 3) as i32;
                if count > 0 && more < 12 {
                    self.timeline.note(|| format!("cluster {name} grows to {more} partitions"));
                    self.net.cluster.grow_topic(name, more);
                }
            }
            fault::CRASH => self.crash()?,
            fault::ADDRESS => self.change_address(),
            fault::STALE if self.dice.chance(400) => self.fall_behind(),
            fault::LAG | fault::STALE => {
                if stale || self.dice.chance(500) {
                    self.move_leader();
                } else {
                    self.restart();
                }
            }
            jump @ (fault::JUMP | fault::EXPIRE) => {
                if self.scenario.has(fault::EXPIRE) {
                    self.net.forget();
                }
                let idle = self.scenario.expiration() as u64 + 1000;
                let by =
                    if jump == fault::EXPIRE { idle } else { self.dice.pick(&[30, 500, 20_000, 600_000]) }
                        * 1000;
                self.timeline.note(|| format!("clock   jumps by {} ms", by / 1000));
                self.now += by;
            }
            fault::TRUNCATE => self.truncate(),
            fault::LIMIT => self.limit(),
            fault::KEYS => self.want_keys(),
            _ => {}
        }
        Ok(())
    }

    /// The next fault waits until there is something to do.
    pub(super) fn lurk(&mut self) {
        self.lurking = true;
        self.trouble_at = NEVER;
    }

    /// There is something to do.
    pub(super) fn pounce(&mut self) {
        if std::mem::take(&mut self.lurking) {
            self.trouble_at = self.now + self.dice.around(self.scenario.trouble / 2) + 1;
        }
    }

    /// Another `max.message.bytes`, which brokers hold against batches that are on their way, too.
    fn limit(&mut self) {
        let most = super::memory::SIZES[self.scenario.size].batch_bytes as u64;
        let (name, _) = self.any_topic();
        let bytes = if self.dice.chance(200) { 1 << 20 } else { self.dice.within(70, most) as i32 };
        self.timeline.note(|| format!("cluster {name} takes batches of up to {bytes} bytes"));
        self.net.cluster.configure_topic(name, |config| config.max_message_bytes = bytes);
    }

    /// A topic takes records with a key only, or any again.
    fn want_keys(&mut self) {
        let (name, _) = self.any_topic();
        let wanted = self.dice.chance(500);
        self.timeline.note(|| {
            format!("cluster {name} takes records {}", if wanted { "with a key only" } else { "of any kind" })
        });
        self.net.cluster.configure_topic(name, |config| config.compact = wanted);
    }

    fn any_topic(&mut self) -> (&'static str, i32) {
        let (name, _) = self.scenario.topics[self.dice.below(self.scenario.topics.len() as u64) as usize];
        (name, self.net.cluster.partitions(name))
    }

    fn any_broker(&mut self) -> i32 {
        self.dice.within(1, u64::from(self.scenario.brokers)) as i32
    }

    fn move_leader(&mut self) {
        let (name, count) = self.any_topic();
        let partition = self.dice.below(count as u64) as i32;
        let to = if self.dice.chance(150) { -1 } else { self.any_broker() };
        if count > 0 && (to < 0 || self.net.cluster.running(to) == Some(Running::Up)) {
            self.timeline.note(|| format!("cluster {name}-{partition} is led by {to}"));
            self.net.cluster.move_leader(name, partition, to);
        }
    }

    fn restart(&mut self) {
        let broker = self.any_broker();
        match (self.net.cluster.running(broker), self.dice.below(4)) {
            (Some(Running::Up), 0) => {
                self.timeline.note(|| format!("cluster broker {broker} is paused"));
                self.net.cluster.pause(broker);
            }
            (Some(Running::Up), fence) => {
                self.timeline.note(|| {
                    format!("cluster broker {broker} is killed{}", if fence > 1 { " and fenced" } else { "" })
                });
                self.net.cluster.kill(broker);
                if fence > 1 {
                    self.net.cluster.fence(broker);
                }
            }
            _ => {
                self.timeline.note(|| format!("cluster broker {broker} runs again"));
                self.net.cluster.restart(broker);
            }
        }
    }

    /// A broker does not hear of anything new any more, or of everything at once.
    fn fall_behind(&mut self) {
        let broker = self.any_broker();
        if self.net.cluster.holds_metadata(broker) {
            self.timeline.note(|| format!("cluster broker {broker} knows what the others know again"));
            self.net.cluster.release_metadata(broker);
        } else {
            self.timeline.note(|| format!("cluster broker {broker} hears of nothing new from here on"));
            self.net.cluster.hold_metadata(broker);
        }
    }

    /// A broker comes back at another address.
    fn change_address(&mut self) {
        let broker = self.any_broker();
        let Some((port, _)) = self.net.ports.iter().rev().find(|(_, node)| *node == broker).copied() else {
            return;
        };
        // The first one stays, for who knows none of the others any more.
        if broker == 1 || port > 9190 {
            return;
        }
        let port = port + 10;
        self.timeline.note(|| format!("cluster broker {broker} moves to port {port}"));
        self.net.cluster.kill(broker);
        self.net.ports.retain(|(_, node)| *node != broker);
        self.net.ports.push((port, broker));
        self.net.cluster.add_broker(broker, "broker", port);
        self.net.cluster.restart(broker);
    }

    /// Replicas fall out of sync, and come back.
    fn shrink(&mut self) {
        let (name, count) = self.any_topic();
        let partition = self.dice.below(count as u64) as i32;
        let Some((leader, _)) = self.net.cluster.leader(name, partition) else { return };
        let all: Vec<i32> = (1..=i32::from(self.scenario.brokers)).collect();
        let few = self.dice.chance(500);
        let in_sync = if few { vec![leader.max(1)] } else { all.clone() };
        self.timeline.note(|| format!("cluster {name}-{partition} has {in_sync:?} in sync"));
        self.net.cluster.set_replicas(name, partition, &all, &in_sync);
    }

    fn recreate(&mut self) -> Result<(), Finding> {
        let (name, count) = self.any_topic();
        if count == 0 {
            return Ok(());
        }
        if let Some(index) = self.scenario.topics.iter().position(|(known, _)| *known == name) {
            self.oracle.bury(&self.net.cluster, index, name)?;
        }
        let count = self.dice.within(1, 5) as i32;
        self.timeline.note(|| format!("cluster {name} is deleted and made anew with {count} partitions"));
        self.net.cluster.delete_topic(name);
        let _ = self.net.cluster.create_topic(name, count, self.scenario.topic());
        Ok(())
    }

    /// A follower that lags becomes leader: what only the old leader had is gone.
    fn truncate(&mut self) {
        let (name, count) = self.any_topic();
        let partition = self.dice.below(count as u64) as i32;
        if matches!(self.scenario.acks, kurier_core::config::Acks::All) {
            return;
        }
        let Some(end) = self.net.cluster.log_end(name, partition) else { return };
        let from = end - self.dice.below(4) as i64;
        let first = self.net.cluster.batches(name, partition).map(|batch| batch.header.base_offset);
        let from = first.filter(|base| *base <= from.max(0)).last().unwrap_or(0);
        self.timeline.note(|| format!("cluster {name}-{partition} loses everything from {from} on"));
        self.oracle.forgive(&self.net.cluster, name, partition, from);
        self.net.cluster.truncate(name, partition, from);
    }
}
