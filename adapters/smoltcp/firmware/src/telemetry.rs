//! The producer: its settings and memory, a record for each sample, and what became of them.
//!
//! When the storage is full, the newest sample is refused, or the oldest batch that was never sent is dropped for it
//! (`full=drop`), and counted; without a pace (`every=0`) it waits instead.
//!
//! Invariant: a sample tells of the moment it was taken in. What was due while nobody could have taken it, before the first
//! address and the topic's metadata or in a turn that came late, is counted as missed and never made up for.
mod report;
mod setup;

use crate::arguments::Arguments;
use crate::board::Board;
use crate::lan9118::Traffic;
use crate::network::Network;
use crate::sample::sample;
use core::mem::discriminant;
use kurier_core::error::{ConfigError, DeliveryError, SendError, TopicError};
use kurier_core::producer::Producer;
use kurier_core::record::{Header, Record, Topic};
use kurier_core::sender::Wake;
use kurier_core::time::Instant;
pub use report::Progress;

/// Microseconds to the next try after a record that the producer does not take, where no pace sets them.
const PAUSE: u64 = 100_000;

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
    /// Why the producer does not take records, other than for want of room.
    obstacle: Option<SendError>,
    figures: Figures,
    /// Where the producer's notes are kept while the device sleeps.
    notes: &'static mut [u8],
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    sampled: u32,
    sent: u32,
    missed: u32,
    refused: u32,
    errors: u32,
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
        let now = board.micros();
        let (due, started, reported, told) = (now, now, now, false);
        Ok(Self {
            arguments: *arguments,
            producer,
            topic: None,
            due,
            started,
            reported,
            told,
            obstacle: None,
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

    /// Takes a sample and hands it to the producer, if one is due; without a pace as many as there is room for.
    ///
    /// # Errors
    /// The producer cannot have the topic.
    pub fn sample(&mut self, board: &mut Board, network: &mut Network, now: u64) -> Result<(), TopicError> {
        if self.topic.is_none() && network.is_up() {
            self.topic = Some(self.producer.topic(self.arguments.topic, Instant::from_micros(now))?);
            (self.started, self.reported) = (now, now);
        }
        let every = u64::from(self.arguments.every) * 1000;
        while self.has_more() && self.due <= now {
            // Of the periods that are over nothing can be sampled any more.
            if let Some(periods) = (now - self.due).checked_div(every) {
                self.figures.missed += u32::try_from(periods).unwrap_or(u32::MAX);
                self.due += periods * every;
            }
            if !self.topic.is_some_and(|topic| self.take(board, topic, network.traffic(), now)) {
                break;
            }
            self.due += every;
        }
        Ok(())
    }

    /// Takes a sample; `false` if it was for nothing, is not counted, and may be tried again in the same period.
    fn take(&mut self, board: &mut Board, topic: Topic, traffic: Traffic, now: u64) -> bool {
        let json = sample(board, traffic, self.figures.sampled);
        // The key keeps a device's samples in one partition, in order.
        let key = self.arguments.seed.to_be_bytes();
        let headers = [Header { name: "source", value: Some(b"kurier-firmware") }];
        let record = Record::value(json.as_bytes()).key(&key).headers(&headers);
        loop {
            let obstacle = self.obstacle.take();
            match self.producer.send(topic, record, Instant::from_micros(now)) {
                Ok(_) => self.figures.sent += 1,
                Err(SendError::NotReady) => return false,
                Err(SendError::Full) if self.arguments.every == 0 => return false,
                // A newer sample takes its place at once.
                Err(SendError::Full) if self.arguments.drop_oldest && self.producer.drop_oldest(topic) => {
                    self.settle(board, now);
                    continue;
                }
                Err(SendError::Full) => self.figures.refused += 1,
                Err(error) => {
                    self.figures.errors += 1;
                    self.obstacle = Some(error);
                    if obstacle.as_ref().map(discriminant) != Some(discriminant(&error)) {
                        self.say_obstacle(board);
                    }
                    if self.arguments.every == 0 {
                        self.due = now + PAUSE;
                    }
                }
            }
            self.figures.sampled += 1;
            return true;
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

    /// In how many microseconds there is something to do: to sample, to settle, or to say that it does not go well.
    pub fn next_turn(&self, now: u64) -> u64 {
        if self.told {
            // The buffers of what was told are free at the next poll.
            return 0;
        }
        let has_room = || self.arguments.every > 0 || self.producer.free_buffers() > 0;
        let is_of_use = self.obstacle.is_some() || self.is_known() && has_room();
        let sample = if self.has_more() && is_of_use { self.due.saturating_sub(now) } else { u64::MAX };
        let report = if self.is_stuck() { self.next_report().saturating_sub(now) } else { u64::MAX };
        sample.min(report)
    }

    /// Whether the topic's partitions are known.
    fn is_known(&self) -> bool {
        self.topic.is_some_and(|topic| self.producer.partitions(topic).is_some())
    }

    /// Takes what became of records. Their buffers are free then.
    fn settle(&mut self, board: &mut Board, now: u64) {
        while let Some(delivery) = self.producer.next_delivery() {
            self.told = true;
            board.blink(delivery.outcome.is_written());
            if delivery.outcome.error() == Some(DeliveryError::Displaced) {
                // Nobody need be told of each, but still why nothing gets through.
                self.figures.dropped += delivery.count;
                continue;
            }
            self.reported = now;
            if delivery.outcome.is_written() {
                self.figures.acknowledged += delivery.count;
            } else {
                self.figures.failed += delivery.count;
                board.say(format_args!("{} records: {}", delivery.count, delivery.outcome));
            }
        }
    }
}
