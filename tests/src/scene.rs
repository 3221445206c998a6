//! A producer on a virtual clock, for scenarios that are written out: how often it is polled, dials and asks is counted.
//!
//! It is polled when it says so and when something was sent, as the contract of the transport has it; so a producer
//! that is busy without getting anywhere shows as too many passes in a second of virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // of tests only
use crate::meddler::Meddler;
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::error::Outcome;
use kurier_core::error::SendError;
use kurier_core::producer::Producer;
use kurier_core::record::{Record, Topic};
use kurier_core::sender::Wake;
use kurier_core::storage::Memory;
use kurier_core::time::Instant;
use kurier_core::transport::Endpoint;

/// The first of the brokers.
pub const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 9091 }];

/// A producer, its network and its clock.
pub struct Scene {
    /// The producer.
    pub producer: Producer,
    /// The cluster and what comes between.
    pub net: Meddler,
    /// The time.
    pub now: Instant,
    /// Calls of `poll` so far.
    pub passes: u64,
    /// Records whose delivery says that they were written.
    pub written: u32,
    /// The other outcomes: records of each.
    pub failed: Vec<(Outcome, u32)>,
    /// The longest a silent network is left alone, in ms: how late an answer would be noticed that nobody waits for.
    pub step_ms: u32,
}

impl Scene {
    /// A producer in `memory`, for a cluster of brokers 1 to `brokers` with a topic `lines`, at `start` ms.
    pub fn at<M: Memory + 'static>(
        start: u64,
        memory: M,
        config: Config<'static>,
        settings: Settings,
        brokers: u16,
        partitions: i32,
    ) -> Self {
        let memory = Box::leak(Box::new(memory));
        let config = Box::leak(Box::new(config));
        let mut net = Meddler::new(Cluster::new(settings), brokers);
        net.inner.cluster.create_topic("lines", partitions, TopicConfig::default()).unwrap();
        let producer = Producer::new(memory, config, crc32c::crc32c_append).unwrap();
        let now = Instant::from_millis(start);
        Self { producer, net, now, passes: 0, written: 0, failed: Vec::new(), step_ms: 5 }
    }

    /// The same with brokers of today, at a time like any other.
    pub fn new<M: Memory + 'static>(
        memory: M,
        config: Config<'static>,
        brokers: u16,
        partitions: i32,
    ) -> Self {
        Self::at(1000, memory, config, Settings::default(), brokers, partitions)
    }

    /// The cluster.
    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.net.inner.cluster
    }

    /// The handle of `lines`.
    pub fn lines(&mut self) -> Topic {
        self.producer.topic("lines", self.now).unwrap()
    }

    /// One pass, and time goes on to the next.
    pub fn turn(&mut self) {
        let wake = self.producer.poll(self.now, &mut self.net);
        self.passes += 1;
        while let Some(told) = self.producer.next_delivery() {
            match told.outcome {
                Outcome::Written => self.written += told.count,
                other => self.failed.push((other, told.count)),
            }
        }
        let before = self.now;
        let soon = Instant::from_micros(before.as_micros() + 20);
        let late = before.plus_millis(self.step_ms);
        self.now = match wake {
            Wake::Now => soon,
            Wake::At(at) => at.max(soon).min(late),
            Wake::OnIo => late,
        };
        self.pass_time(before);
    }

    fn pass_time(&mut self, before: Instant) {
        let passed = self.now.as_micros() / 1000 - before.as_micros() / 1000;
        self.net.inner.now += i64::try_from(passed).unwrap();
        let now = self.net.inner.now;
        self.net.inner.cluster.poll(now);
    }

    /// Turns until `ms` have passed. Answers how many passes that took.
    pub fn run(&mut self, ms: u32) -> u64 {
        let (until, before) = (self.now.plus_millis(ms), self.passes);
        while self.now < until {
            self.turn();
        }
        self.passes - before
    }

    /// Lets `ms` pass without a pass, as for a device that sleeps.
    pub fn sleep(&mut self, ms: u32) {
        let before = self.now;
        self.now = before.plus_millis(ms);
        self.pass_time(before);
    }

    /// Sends a record, when there is room for it.
    pub fn send(&mut self, topic: Topic, record: Record<'_>) {
        for _ in 0..100_000 {
            match self.producer.send(topic, record, self.now) {
                Ok(_) => return,
                Err(SendError::Full | SendError::NotReady) => self.turn(),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no room ever");
    }

    /// Turns until everything that was sent is told of, for `ms` at most. Answers whether it is.
    pub fn flush(&mut self, ms: u32) -> bool {
        let mark = self.producer.flush();
        let until = self.now.plus_millis(ms);
        while self.now < until {
            if self.producer.is_flushed(mark) {
                return true;
            }
            self.turn();
        }
        false
    }

    /// Records whose delivery says that they were not, or not surely, written.
    pub fn lost(&self) -> u32 {
        self.failed.iter().map(|(_, count)| count).sum()
    }

    /// The values of a partition's log.
    pub fn log(&self, partition: i32) -> Vec<Vec<u8>> {
        let records = self.net.inner.cluster.records("lines", partition);
        records.map(|record| record.value.unwrap_or_default().to_vec()).collect()
    }
}
