//! What an administrator does with topics and their partitions, and looks up of them: made, deleted, grown, led by another,
//! cut at either end.
use super::Cluster;
use crate::bytes::Uuid;
use crate::settings::TopicConfig;
use crate::state::Partition;
use kurier_core::wire::ErrorCode;

impl Cluster {
    /// Creates a topic, its leaders spread over the brokers.
    ///
    /// # Errors
    /// INVALID_TOPIC_EXCEPTION: the name is not allowed, or there.
    pub fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Uuid, ErrorCode> {
        self.state.create(name, partitions, config)
    }

    /// Creates a topic whose partitions have these replicas, all in sync, the first of each the leader.
    ///
    /// # Errors
    /// INVALID_TOPIC_EXCEPTION: the name is not allowed, or there.
    pub fn place_topic(
        &mut self,
        name: &str,
        replicas: &[&[i32]],
        config: TopicConfig,
    ) -> Result<Uuid, ErrorCode> {
        let id = self.state.create(name, replicas.len() as i32, config)?;
        for (index, replicas) in (0..).zip(replicas) {
            self.set_replicas(name, index, replicas, replicas);
            if let Some(partition) = self.partition_mut(name, index) {
                partition.leader = replicas.first().copied().unwrap_or(-1);
            }
        }
        Ok(id)
    }

    /// Deletes a topic with its records; answers whether it was there. One of the same name has another id.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        self.recheck();
        self.state.delete(name).is_some()
    }

    /// Adds partitions until there are `count`; answers whether the topic is there.
    pub fn grow_topic(&mut self, name: &str, count: i32) -> bool {
        let Some(mut topic) = self.state.delete(name) else { return false };
        self.state.grow(&mut topic, count);
        let at = self.state.topics.partition_point(|other| other.name < topic.name);
        self.state.topics.insert(at, topic);
        true
    }

    /// Changes a topic's configuration; answers whether it is there.
    pub fn configure_topic(&mut self, name: &str, change: impl FnOnce(&mut TopicConfig)) -> bool {
        self.state.topic_mut(name).map(|topic| change(&mut topic.config)).is_some()
    }

    /// Names of the topics, sorted.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.state.topics.iter().map(|topic| topic.name.as_str())
    }

    /// A topic's id.
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.state.topic(name).map(|topic| topic.id)
    }

    /// How many partitions a topic has, 0 if it is not there.
    pub fn partitions(&self, name: &str) -> i32 {
        self.state.topic(name).map_or(0, |topic| topic.partitions.len() as i32)
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.state.topic(topic)?.partition(partition)
    }

    fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        self.state.topic_mut(topic)?.partition_mut(partition)
    }

    /// The partition's leader and leader epoch; the leader is -1 if there is none.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        self.partition(topic, partition).map(|partition| (partition.leader, partition.leader_epoch))
    }

    /// Makes `broker` the leader (-1: none) with the next leader epoch; it becomes a replica in sync if it was none.
    /// Answers whether the partition is there.
    pub fn move_leader(&mut self, topic: &str, partition: i32, broker: i32) -> bool {
        let Some(partition) = self.partition_mut(topic, partition) else { return false };
        partition.lead(broker);
        for set in [&mut partition.replicas, &mut partition.isr] {
            if broker >= 0 && !set.contains(&broker) {
                set.push(broker);
            }
        }
        partition.eligible.clear();
        self.recheck();
        true
    }

    /// Names the replicas and which of them are in sync. Answers whether the partition is there.
    pub fn set_replicas(&mut self, topic: &str, partition: i32, replicas: &[i32], in_sync: &[i32]) -> bool {
        let Some(partition) = self.partition_mut(topic, partition) else { return false };
        partition.replicas = replicas.to_vec();
        partition.isr = in_sync.to_vec();
        self.recheck();
        true
    }

    /// Moves the log's start to `offset` as DeleteRecords does. Answers the start it has then.
    pub fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) -> Option<i64> {
        let log = &mut self.partition_mut(topic, partition)?.log;
        log.delete_before(offset);
        Some(log.start())
    }

    /// Loses the batches from the one that holds `offset` on, as when a follower without them becomes leader.
    /// Answers the log's end then.
    pub fn truncate(&mut self, topic: &str, partition: i32, offset: i64) -> Option<i64> {
        let partition = self.partition_mut(topic, partition)?;
        partition.truncate(offset);
        Some(partition.log.end())
    }
}
