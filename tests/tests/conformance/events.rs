//! What a script lets happen to both brokers.
use crate::talk::Talk;
use kurier_broker::{Denial, Quota};

impl Talk {
    /// Kills a broker, and waits until the cluster knows.
    pub fn lose(&mut self, broker: i32, topics: &[&str]) {
        self.model.cluster.kill(broker);
        self.model.cluster.fence(broker);
        if let Some(real) = &mut self.real {
            real.lose(broker as u32, topics);
        }
    }

    /// Sets the quota of the client that speaks.
    pub fn quota(&mut self, quota: Quota) {
        self.model.cluster.set_quota(&self.client_id, quota);
        if let Some(real) = &mut self.real {
            real.quota(&self.client_id, &quota);
        }
    }

    /// Denies something to all clients, or takes that back.
    pub fn access(&mut self, denial: &Denial, denied: bool) {
        if denied {
            self.model.cluster.deny(denial.clone());
        } else {
            self.model.cluster.allow(denial);
        }
        if let Some(real) = &mut self.real {
            real.access(denial, denied);
        }
    }

    /// Deletes the records before `offset`.
    pub fn trim(&mut self, topic: &str, partition: i32, offset: i64) {
        assert_eq!(self.model.cluster.delete_records(topic, partition, offset), Some(offset));
        if let Some(real) = &mut self.real {
            real.trim(topic, partition as u32, offset as u64);
        }
    }

    /// Deletes a topic. From version 13 on it can still be asked for.
    pub fn delete(&mut self, topic: &str) {
        assert!(self.model.cluster.delete_topic(topic));
        if let Some(real) = &mut self.real {
            real.delete(topic);
        }
    }

    /// Deletes a topic and makes it anew, with one partition; gives the name by which version 13 asks for the old one.
    pub fn recreate(&mut self, topic: &str) -> String {
        let old = format!("{topic}~old");
        self.delete(topic);
        let id = self.model.cluster.create_topic(topic, 1, self.defaults).unwrap();
        let real_id = self.real.as_ref().map_or([0; 16], |real| real.create_named(topic, 1, &[]));
        for names in [Some(&mut self.model.names), self.real.as_mut().map(|real| &mut real.names)] {
            for name in
                names.into_iter().flat_map(|names| names.topics.values_mut()).filter(|name| *name == topic)
            {
                name.clone_from(&old);
            }
        }
        self.know(id, real_id, topic);
        old
    }

    /// Makes a replica of the partition its leader.
    pub fn lead(&mut self, topic: &str, partition: i32, broker: i32) {
        assert!(self.model.cluster.move_leader(topic, partition, broker));
        if let Some(real) = &mut self.real {
            real.lead(topic, partition as u32, broker as u32);
        }
    }

    /// Stops a broker as SIGSTOP does.
    pub fn pause(&mut self, broker: i32) {
        self.model.cluster.pause(broker);
        if let Some(real) = &mut self.real {
            real.pause(broker as u32, true);
        }
    }

    /// Lets a paused broker go on.
    pub fn resume(&mut self, broker: i32) {
        self.model.cluster.restart(broker);
        if let Some(real) = &mut self.real {
            real.pause(broker as u32, false);
        }
    }

    /// Waits until just these replicas of partition 0 are in sync.
    pub fn await_in_sync(&mut self, topic: &str, in_sync: &[i32]) {
        self.model.cluster.set_replicas(topic, 0, &[1, 2], in_sync);
        if let Some(real) = &mut self.real {
            real.await_in_sync(topic, in_sync);
        }
    }

    /// Ends the only broker, with notice or by SIGKILL, and starts it again.
    pub fn restart(&mut self, notice: bool) {
        let cluster = &mut self.model.cluster;
        cluster.kill(1);
        cluster.restart(1);
        self.model.reconnect();
        if let Some(real) = &mut self.real {
            real.restart(notice);
        }
    }
}
