//! How far the followers of a partition are, and what is lost when one of them becomes leader.
//!
//! There is still one log for each partition, the leader's. Followers in sync have everything before the high
//! watermark; each append reaches them [`replication_lag_ms`](crate::Settings::replication_lag_ms) later or so, unless
//! one of them is down, which then holds the watermark up until it leaves the in-sync set. A follower that becomes
//! leader has what lies before the watermark, and perhaps some of what is behind: the rest is gone.
//!
//! Invariant: `high_watermark <= log.end()`, and `lagging` ends with the log's end if the two differ.
//! Source: `Partition.maybeIncrementLeaderHW`, `DelayedProduce`, `ReplicaManager.makeFollowers` of Kafka 4.3.
use std::collections::VecDeque;

use crate::log::{Append, Stored};
use crate::produce::{PartitionAnswer, TopicAnswer};
use crate::state::{Partition, Running, State};
use kurier_core::wire::ErrorCode;

/// The followers of one partition, as seen by its leader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followers {
    /// Everything before it is on every replica in sync.
    pub(crate) high_watermark: i64,
    /// Ends of the log that are still to reach them, and when they do, in ms.
    lagging: VecDeque<(i64, i64)>,
    /// Who led last, if nobody does.
    former: i32,
    /// Lost with a leader.
    pub(crate) lost: Vec<Stored>,
}

impl Partition {
    /// Something was appended.
    pub(crate) fn appended(&mut self, lag_ms: i64, now: i64) {
        let end = self.log.end();
        if lag_ms == 0 || self.isr.len() < 2 {
            return self.followed_all();
        }
        let spread = (end.wrapping_mul(7919) ^ i64::from(self.leader_epoch) << 3).rem_euclid(2 * lag_ms);
        let before = self.followers.lagging.back().map_or(i64::MIN, |(due, _)| *due);
        self.followers.lagging.push_back((before.max(now + 1 + spread), end));
    }

    /// Loses the batches from the one that holds `offset` on; no replica has them.
    pub(crate) fn truncate(&mut self, offset: i64) {
        self.log.truncate(offset);
        self.followed_all();
    }

    /// The followers have everything.
    pub(crate) fn followed_all(&mut self) {
        self.followers.lagging.clear();
        self.followers.high_watermark = self.log.end();
    }

    /// Followers that run fetch what is due. With fewer in sync than `min_insync` nothing counts as written (KIP-966).
    pub(crate) fn catch_up(&mut self, now: i64, min_insync: usize, runs: impl Fn(i32) -> bool) {
        let enough = self.isr.len() >= min_insync.min(self.replicas.len());
        if self.followers.high_watermark == self.log.end() || !enough {
            return;
        }
        let leader = self.leader;
        if self.isr.iter().all(|replica| *replica == leader) {
            return self.followed_all();
        }
        if !self.isr.iter().all(|replica| runs(*replica)) {
            return;
        }
        while let Some((_, end)) = self.followers.lagging.pop_front_if(|(due, _)| *due <= now) {
            self.followers.high_watermark = end.max(self.followers.high_watermark);
        }
    }

    /// When the followers are next ahead of where they are.
    fn next_step(&self, runs: impl Fn(i32) -> bool) -> Option<i64> {
        let (due, _) = self.followers.lagging.front()?;
        self.isr.iter().all(|replica| runs(*replica)).then_some(*due)
    }

    /// `broker` leads from now on, or nobody (-1).
    pub(crate) fn lead(&mut self, broker: i32) {
        if self.leader >= 0 {
            self.followers.former = self.leader;
        }
        self.leader = broker;
        self.leader_epoch += 1;
        if broker < 0 {
            return;
        }
        if broker != self.followers.former {
            self.lose_tail();
        }
        self.followed_all();
    }

    /// What the new leader does not have is gone.
    fn lose_tail(&mut self) {
        let (watermark, end) = (self.followers.high_watermark, self.log.end());
        if watermark == end {
            return;
        }
        // Nothing, some or all of what is behind the watermark had reached it.
        let kept = match i64::from(self.leader_epoch).wrapping_add(end).rem_euclid(3) {
            0 => end,
            1 => watermark,
            _ => watermark + (end - watermark) / 2,
        };
        if kept < end {
            self.followers.lost.extend(self.log.batches_from(kept).cloned());
            self.log.truncate(kept);
        }
    }
}

/// A request with `acks=all` whose batches are in the leaders' logs, and not yet on every replica in sync.
#[derive(Debug)]
pub(crate) struct Delayed {
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) throttle_ms: i32,
    /// `request.timeout.ms` is over then.
    pub(crate) until: i64,
    pub(crate) broker: i32,
    pub(crate) topics: Vec<TopicAnswer>,
    /// For each partition in turn: the leader epoch at the append, and the offset to be reached; `None` when decided.
    pending: Vec<Option<(i32, i64)>>,
}

/// What becomes of a delayed request.
pub(crate) enum Progress {
    /// It is answered.
    Done(Delayed),
    /// It is looked at again then, or when the cluster changes.
    Later(i64, Delayed),
}

impl Delayed {
    /// Whether any of `topics` waits for followers.
    pub(crate) fn new(
        state: &State,
        broker: i32,
        topics: Vec<TopicAnswer>,
        timeout_ms: i32,
        now: i64,
    ) -> Result<Self, Vec<TopicAnswer>> {
        let wait = |topic: &TopicAnswer, answer: &PartitionAnswer| -> Option<(i32, i64)> {
            let Append { end_offset, .. } = *answer.outcome.as_ref().ok()?;
            let partition = state.topic(&topic.name)?.partition(answer.index)?;
            (partition.followers.high_watermark < end_offset).then_some((partition.leader_epoch, end_offset))
        };
        let of_topic = |topic: &TopicAnswer| -> Vec<_> {
            topic.partitions.iter().map(|answer| wait(topic, answer)).collect()
        };
        let pending: Vec<_> = topics.iter().flat_map(of_topic).collect();
        if pending.iter().all(Option::is_none) {
            return Err(topics);
        }
        let until = now.saturating_add(i64::from(timeout_ms.max(0)));
        Ok(Self { version: 0, correlation: 0, throttle_ms: 0, until, broker, topics, pending })
    }

    /// Looks how far the followers are.
    pub(crate) fn check(mut self, state: &State, now: i64) -> Progress {
        let runs = |id| state.broker(id).is_some_and(|broker| broker.running == Running::Up);
        let mut again = self.until;
        let mut waits = false;
        let answers = self.topics.iter_mut().flat_map(|topic| {
            let TopicAnswer { name, partitions, .. } = topic;
            std::iter::repeat(&*name).zip(partitions.iter_mut())
        });
        for ((name, answer), pending) in answers.zip(&mut self.pending) {
            let Some((epoch, end)) = *pending else { continue };
            let topic = state.topic(name);
            let found = topic.and_then(|topic| topic.partition(answer.index).map(|found| (topic, found)));
            let error = match found {
                None => Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Some((_, found)) if (found.leader, found.leader_epoch) != (self.broker, epoch) => {
                    answer.leader = (self.version >= 10).then_some((found.leader, found.leader_epoch));
                    Some(ErrorCode::NOT_LEADER_OR_FOLLOWER)
                }
                Some((topic, found)) if found.followers.high_watermark >= end => {
                    let least = topic.config.min_insync_replicas.min(found.replicas.len());
                    let few = found.isr.len() < least;
                    Some(if few { ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND } else { ErrorCode::NONE })
                }
                Some(_) if self.until <= now => Some(ErrorCode::REQUEST_TIMED_OUT),
                Some((_, found)) => {
                    again = again.min(found.next_step(runs).unwrap_or(i64::MAX).max(now + 1));
                    None
                }
            };
            match error {
                None => waits = true,
                Some(ErrorCode::NONE) => *pending = None,
                Some(error) => {
                    let leader = answer.leader;
                    answer.fail(error);
                    answer.leader = leader;
                    *pending = None;
                }
            }
        }
        if waits { Progress::Later(again, self) } else { Progress::Done(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::split_first;
    use crate::settings::TopicConfig;
    use crate::testing::BatchBuilder;

    fn partition() -> Partition {
        let mut state = State::new(crate::Settings::default());
        for id in 1..=3 {
            state.add_broker(id, "broker", 9090);
        }
        state.settings.default_replication_factor = 3;
        state.create("t", 1, TopicConfig::default()).unwrap();
        state.topic_mut("t").unwrap().partitions.remove(0)
    }

    fn append(partition: &mut Partition, now: i64) {
        let bytes = BatchBuilder::new().value(b"v").build();
        let batch = split_first(&bytes).unwrap().unwrap().0;
        let config = TopicConfig { timestamp_after_max_ms: i64::MAX, ..TopicConfig::default() };
        partition.log.append(batch, &config, 0, now).unwrap();
        partition.appended(10, now);
    }

    #[test]
    fn the_watermark_follows_the_log_and_waits_for_a_follower_that_is_down() {
        let mut partition = partition();
        append(&mut partition, 1000);
        partition.catch_up(1000, 1, |_| true);
        assert_eq!(partition.followers.high_watermark, 0);
        partition.catch_up(9000, 1, |id| id != 2);
        assert_eq!(partition.followers.high_watermark, 0);
        partition.isr = vec![1];
        partition.catch_up(9000, 2, |id| id != 2);
        assert_eq!(partition.followers.high_watermark, 0, "too few are left");
        partition.catch_up(9000, 1, |id| id != 2);
        assert_eq!(partition.followers.high_watermark, 1);
    }

    #[test]
    fn a_new_leader_has_at_least_what_lies_before_the_watermark() {
        for epoch in 0..3 {
            let mut partition = partition();
            append(&mut partition, 1000);
            partition.catch_up(2000, 1, |_| true);
            append(&mut partition, 2000);
            append(&mut partition, 2000);
            partition.leader_epoch = epoch;
            partition.lead(2);
            let lost = partition.followers.lost.len() as i64;
            assert_eq!(partition.log.end() + lost, 3);
            assert!(partition.log.end() >= 1);
            assert_eq!(partition.followers.high_watermark, partition.log.end());
        }
    }

    #[test]
    fn the_same_leader_loses_nothing() {
        let mut partition = partition();
        append(&mut partition, 1000);
        partition.lead(-1);
        partition.lead(1);
        assert_eq!(partition.log.end(), 1);
    }
}
