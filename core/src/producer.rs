//! The producer of hosts with one loop: both halves in one value, without locks.
//!
//! The contract, in steps: (1) take a [`Topic`] for each name; (2) [`send`](Producer::send) whenever there is
//! something to send, and take `Full` and `NotReady` for what they are; (3) [`poll`](Producer::poll) when the
//! [`Wake`] it returned last has come, when a link can make progress, or when something was sent; (4) take
//! deliveries until there is none: a batch's buffer is free once its delivery was taken. Any order of calls is
//! correct.
use crate::accumulator::{Accumulator, Refused, Settings};
use crate::batch::Crc32c;
use crate::config::Config;
use crate::delivery::Told;
use crate::error::{ConfigError, DeliveryError, SendError, TopicError};
use crate::record::{Record, Ticket, Topic};
use crate::sender::{Sender, SleepError, Stats, Trouble, Wake};
use crate::storage::{Fixed, LEAST_BATCH_BYTES, Memory};
use crate::time::{Instant, Timestamp};
use crate::transport::{Endpoint, Transport};

/// A point in the stream of records; see [`Producer::flush`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u32);

/// A producer over a [`Storage`](crate::storage::Storage). See the module's text.
pub struct Producer {
    append: Accumulator<Fixed>,
    send: Sender<'static, Fixed>,
    window: &'static mut [u8],
    batch_bytes: u32,
    /// Takes deliveries that nobody takes. A function and not a flag: who takes them all is not linked with it.
    discard: Option<fn(&mut Sender<'static, Fixed>)>,
}

impl Producer {
    /// A producer in `memory`. `crc` continues a CRC-32C over bytes, beginning with 0.
    ///
    /// # Errors
    /// The settings are out of range or in conflict, or `memory` has batch buffers that are too small.
    pub fn new(
        memory: &'static mut impl Memory,
        config: &'static Config<'static>,
        crc: Crc32c,
    ) -> Result<Self, ConfigError> {
        let checked = config.check()?;
        let parts = memory.split();
        let batch_bytes = u32::try_from(parts.batch_bytes).unwrap_or(u32::MAX);
        if batch_bytes < LEAST_BATCH_BYTES {
            return Err(ConfigError::Storage { batch_bytes, least: LEAST_BATCH_BYTES });
        }
        let mut settings = Settings::of(checked);
        settings.batch_size = settings.batch_size.min(batch_bytes);
        Ok(Self {
            append: Accumulator::new(settings, parts.append, checked.seed()),
            send: Sender::new(checked, crc, parts.send),
            window: parts.window,
            batch_bytes,
            discard: None,
        })
    }

    /// The handle of a topic. The first call for a name makes the next poll ask the cluster about it.
    ///
    /// # Errors
    /// Kafka would not take the name, or the storage has no room for it.
    pub fn topic(&mut self, name: &str, now: Instant) -> Result<Topic, TopicError> {
        let topic = self.send.register_topic(name, now)?;
        self.send.publish(&mut self.append);
        Ok(topic)
    }

    /// Number of partitions of a topic, once known.
    pub fn partitions(&self, topic: Topic) -> Option<i32> {
        self.append.partitions(topic)
    }

    /// Appends a record. Its delivery carries the ticket's serial.
    ///
    /// # Errors
    /// Nothing was accepted: `Full` and `NotReady` pass with polling, the others do not.
    pub fn send(&mut self, to: Topic, record: Record<'_>, now: Instant) -> Result<Ticket, SendError> {
        let timestamp = record.its_timestamp();
        if timestamp < Timestamp::NONE {
            return Err(SendError::InvalidTimestamp);
        }
        // Deliveries may have been taken since the last poll.
        if self.append.free_buffers() == 0 {
            self.send.give_back(&mut self.append);
        }
        let mut claimed = false;
        let refused = loop {
            match self.append.append(to, &record, timestamp, now, &mut None) {
                Ok(appended) => return Ok(appended.ticket),
                Err(Refused::NeedsSlot { partition }) if !claimed => {
                    let append = &self.append;
                    if self.send.claim(to, partition, now, |slot| append.is_idle(slot)).is_none() {
                        return Err(SendError::Full);
                    }
                    self.send.publish(&mut self.append);
                    claimed = true;
                }
                Err(refused) => break refused,
            }
        };
        match refused {
            Refused::NeedsBuffer { at_least, .. } if at_least > self.batch_bytes => {
                Err(SendError::RecordTooLarge { size: at_least, max: self.batch_bytes })
            }
            Refused::NeedsMetadata => {
                self.send.want_topic(to, now);
                Err(SendError::NotReady)
            }
            // The next answer of the cluster decides anew.
            Refused::Send(SendError::TopicRefused(code)) => {
                self.send.want_topic(to, now);
                Err(SendError::TopicRefused(code))
            }
            other => Err(other.into()),
        }
    }

    /// Makes room where new records are worth more than old ones: drops the oldest batch of a topic that was never sent,
    /// the one that takes records included. Its delivery says so ([`Displaced`](DeliveryError::Displaced), not written),
    /// and may come before those of older batches of its partition, which are on their way; its buffer is free when that
    /// was taken and [`next_delivery`](Self::next_delivery) called again.
    ///
    /// To be called when [`send`](Self::send) says `Full`. Answers `false` if no batch of the topic waits: what was sent once
    /// has its place in the partition's order and perhaps in the log, and is never dropped.
    pub fn drop_oldest(&mut self, topic: Topic) -> bool {
        self.send.displace(&mut self.append, topic)
    }

    /// Does what there is to do, and says when to come again.
    pub fn poll<T: Transport + ?Sized>(&mut self, now: Instant, net: &mut T) -> Wake {
        self.send.poll_receive(now, net, self.window);
        if let Some(discard) = self.discard {
            discard(&mut self.send);
        }
        self.send.exchange(&mut self.append, now);
        self.send.poll_send(now, net)
    }

    /// The next delivery: one for each batch, in the order of appending for each partition.
    pub fn next_delivery(&mut self) -> Option<Told<'_>> {
        let (delivery, batch) = self.send.next_delivery()?;
        Some(Told::new(delivery, crate::host::Buf::bytes(batch)))
    }

    /// Says that nobody takes deliveries: buffers are free as soon as their batches are over.
    pub fn discard_deliveries(&mut self) {
        self.discard = Some(|send| while send.next_delivery().is_some() {});
    }

    /// Makes everything sent so far go without lingering. [`is_flushed`](Self::is_flushed) tells when all of it
    /// has been delivered.
    pub fn flush(&mut self) -> Mark {
        self.append.flush();
        Mark(self.append.next_serial())
    }

    /// Whether everything sent before `mark` has its delivery, and it was taken.
    pub fn is_flushed(&self, mark: Mark) -> bool {
        !self.append.holds_before(mark.0) && !self.send.holds_before(mark.0)
    }

    /// Takes no further records and flushes. Poll until [`is_flushed`](Self::is_flushed), or [`abort`](Self::abort).
    pub fn close(&mut self) -> Mark {
        self.append.close();
        Mark(self.append.next_serial())
    }

    /// Takes no further records, and fails what is left at once: what was never sent is not written, what was
    /// sent may be.
    pub fn abort(&mut self) {
        self.append.close();
        self.send.abort(&mut self.append, DeliveryError::Aborted);
    }

    /// Ends the producer for a sleep in which its memory is lost: writes into `notes` what the next one needs to send
    /// without asking the cluster first (brokers, topics, leaders, producer id). Answers how many bytes: 25, and for each
    /// broker 7 and its host's name, for each topic 21 and its name, for each partition with a leader 14.
    ///
    /// No record is taken after that: notes of a producer that goes on would be wrong.
    ///
    /// # Errors
    /// Nothing was written and the producer goes on: see [`SleepError`].
    pub fn hibernate(&mut self, notes: &mut [u8]) -> Result<usize, SleepError> {
        if !self.is_flushed(Mark(self.append.next_serial())) {
            return Err(SleepError::Busy);
        }
        let len = self.send.make_notes(notes)?;
        self.append.close();
        Ok(len)
    }

    /// Takes over what an earlier producer with the same `bootstrap.servers` noted before it slept, and wipes the notes, so
    /// that nobody takes them twice. To be called before anything else, with all the bytes that may be notes.
    ///
    /// Answers whether they were whole; if not, or after any other call, the producer begins as one that knows nothing. What
    /// is recalled is used at once and asked about along with the first request. The topics keep their handles.
    pub fn recall(&mut self, notes: &mut [u8], now: Instant) -> bool {
        let recalled = self.send.recall(notes, now);
        self.send.publish(&mut self.append);
        recalled
    }

    /// Counters of what was done so far.
    pub const fn stats(&self) -> &Stats {
        self.send.stats()
    }

    /// Why a link was given up last, and where it led: for a device whose records do not get through. `None` once that broker
    /// is reached, or any server if it was one of the `bootstrap.servers`; always without the feature `trouble`.
    pub fn trouble(&self) -> Option<(Trouble, Endpoint<'_>)> {
        self.send.trouble()
    }

    /// Requests of every kind that were begun and not answered yet.
    pub fn requests_in_flight(&self) -> u32 {
        self.send.requests_in_flight()
    }

    /// Free batch buffers.
    pub fn free_buffers(&self) -> usize {
        self.append.free_buffers()
    }
}
