//! The producer: its settings and memory, a record for each sample, and what became of them.
//!
//! When the storage is full, the newest sample is refused, or the oldest batch that was never sent is dropped for it
//! (`full=drop`), and counted; without a pace (`every=0`) it waits instead.
mod report;
mod setup;

use crate::arguments::Arguments;
use crate::board::Board;
use crate::lan9118::Traffic;
use crate::network::Network;
use crate::sample::sample;
use kurier_core::error::{ConfigError, DeliveryError, SendError};
use kurier_core::producer::Producer;
use kurier_core::record::{Header, Record, Topic};
use kurier_core::sender::Wake;
use kurier_core::time::Instant;
pub use report::Progress;

/// The producer and its figures.
pub struct Telemetry {
    arguments: Arguments,
    producer: Producer,
    topic: Option<Topic>,
    /// When the next sample is due, in microseconds.
    due: u64,
    started: u64,
    reported: u64,
    /// The last turn told what became of some record.
    told: bool,
    figures: Figures,
    /// Where the producer's notes are kept while the device sleeps.
    notes: &'static mut [u8],
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    sampled: u32,
    sent: u32,
    refused: u32,
    acknowledged: u32,
    dropped: u32,
    failed: u32,
}

impl Telemetry {
    /// A producer in statics, with what the one before the last sleep has noted.
    ///
    /// # Errors
    /// The settings are out of range.
    pub fn new(arguments: &Arguments, board: &mut Board) -> Result<Self, ConfigError> {
        let mut producer = setup::producer(arguments, board.seed(arguments.seed))?;
        let notes = board.notes();
        if producer.recall(notes, Instant::from_micros(board.micros())) {
            board.say(format_args!("what was known before the sleep is recalled"));
        }
        let figures = Figures::default();
        let (due, started, reported, told) = (0, 0, 0, false);
        Ok(Self {
            arguments: *arguments,
            producer,
            topic: None,
            due,
            started,
            reported,
            told,
            figures,
            notes,
        })
    }

    /// Ends with notes for the next waking. What cannot be noted is asked for again.
    pub fn sleep(&mut self, board: &mut Board) {
        match self.producer.hibernate(self.notes) {
            Ok(bytes) => board.say(format_args!("sleeps, with {bytes} bytes of notes")),
            Err(error) => board.say(format_args!("sleeps without notes: {error}")),
        }
    }

    /// Takes a sample and hands it to the producer, if one is due and there is room.
    pub fn sample(&mut self, board: &mut Board, traffic: Traffic, now: u64) {
        let time = Instant::from_micros(now);
        let Some(topic) = self.topic.or_else(|| self.producer.topic(self.arguments.topic, time).ok()) else {
            return;
        };
        if self.topic.replace(topic).is_none() {
            (self.started, self.reported, self.due) = (now, now, now);
        }
        while self.has_more() && self.due <= now {
            let json = sample(board, traffic, self.figures.sampled, now);
            // The key keeps a device's samples in one partition, in order.
            let key = self.arguments.seed.to_be_bytes();
            let headers = [Header { name: "source", value: Some(b"kurier-firmware") }];
            let record = Record::value(json.as_bytes()).key(&key).headers(&headers);
            match self.producer.send(topic, record, time) {
                Ok(_) => self.figures.sent += 1,
                Err(SendError::NotReady) => return,
                Err(SendError::Full) if self.arguments.every == 0 => return,
                // A newer sample takes its place at once.
                Err(SendError::Full) if self.arguments.drop_oldest && self.producer.drop_oldest(topic) => {
                    self.settle(board, now);
                    continue;
                }
                Err(_) => self.figures.refused += 1,
            }
            self.figures.sampled += 1;
            self.due += u64::from(self.arguments.every) * 1000;
        }
    }

    fn has_more(&self) -> bool {
        self.arguments.records == 0 || self.figures.sampled < self.arguments.records
    }

    /// Does what there is to do.
    pub fn poll(&mut self, network: &mut Network, now: u64) -> Wake {
        if !self.has_more() {
            self.producer.flush();
        }
        self.producer.poll(Instant::from_micros(now), &mut network.transport())
    }

    /// In how many microseconds the next sample is due, if there is room for it.
    pub fn next_sample(&self, now: u64) -> u64 {
        if self.told {
            // The buffers of what was told are free at the next poll.
            return 0;
        }
        let known = self.topic.is_some_and(|topic| self.producer.partitions(topic).is_some());
        if known && self.has_more() && (self.arguments.every > 0 || self.producer.free_buffers() > 0) {
            self.due.saturating_sub(now)
        } else {
            u64::MAX
        }
    }

    /// Takes what became of records. Their buffers are free then.
    fn settle(&mut self, board: &mut Board, now: u64) {
        while let Some(delivery) = self.producer.next_delivery() {
            self.told = true;
            self.reported = now;
            board.blink(delivery.outcome.is_written());
            if delivery.outcome.is_written() {
                self.figures.acknowledged += delivery.count;
            } else if delivery.outcome.error() == Some(DeliveryError::Displaced) {
                self.figures.dropped += delivery.count;
            } else {
                self.figures.failed += delivery.count;
                board.say(format_args!("{} records: {}", delivery.count, delivery.outcome));
            }
        }
    }
}
