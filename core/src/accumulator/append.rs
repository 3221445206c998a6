//! One record into its partition's open batch: choose the partition, try the open batch, else seal it and
//! open the next.
use super::Accumulator;
use crate::defect::{self, Defect};
use crate::error::SendError;
use crate::feature;
use crate::host::{Buf, Host, Slots};
use crate::partitioner::{self, Candidate};
use crate::record::{Record, Ticket, Topic};
use crate::time::{Instant, Timestamp};

/// What became of an accepted record.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    /// Its name until its delivery.
    pub ticket: Ticket,
    /// The partition's slot; [`Accumulator::open_mut`] shows the batch.
    pub slot: u16,
    /// A batch became full or was opened: whoever drives the I/O has something new to consider.
    pub wake: bool,
}

/// A record in its batch.
struct Placed {
    ticket: Ticket,
    /// Bytes of the batch with it.
    len: u32,
}

/// Why a record was not appended, told to the host: the first three it may be able to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No free buffer; `Full`, where the host cannot make one.
    NeedsBuffer {
        /// Bytes this record needs in a batch of its own.
        at_least: u32,
        /// Bytes of the buffer to make: `batch.size`, or more for this record.
        standard: u32,
    },
    /// The partition has no slot yet.
    NeedsSlot {
        /// The partition that was chosen.
        partition: i32,
    },
    /// The topic's partitions, or this one, are not known yet: `NotReady`.
    NeedsMetadata,
    /// An error for the caller.
    Send(SendError),
}

impl From<Refused> for SendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NeedsBuffer { .. } | Refused::NeedsSlot { .. } => Self::Full,
            Refused::NeedsMetadata => Self::NotReady,
            Refused::Send(error) => error,
        }
    }
}

impl<H: Host> Accumulator<H> {
    /// Appends `record` to `to`. `spare` is a buffer of the caller's that is used when the pool has none of the
    /// size needed: hosts with a heap make one after `Full` and call again; fixed storage passes `None`.
    ///
    /// # Errors
    /// Nothing was accepted: see [`Refused`].
    pub fn append(
        &mut self,
        to: Topic,
        record: &Record<'_>,
        timestamp: Timestamp,
        now: Instant,
        spare: &mut Option<H::Buf>,
    ) -> Result<Appended, Refused> {
        if let Some(fatal) = self.fatal {
            return Err(Refused::Send(SendError::Fatal(fatal)));
        }
        if self.closed && !defect::on(Defect::ClosedTakesRecords) {
            return Err(Refused::Send(SendError::Closed));
        }
        let max = self.settings.max_request_size;
        let payload = crate::batch::payload_size(record);
        let size = u32::try_from(crate::batch::upper_bound_of(payload)).unwrap_or(u32::MAX);
        if size > max {
            return Err(Refused::Send(SendError::RecordTooLarge { size, max }));
        }
        let unkeyed =
            record.its_partition().is_none() && (record.its_key().is_none() || self.settings.ignore_keys);
        let mut moved = false;
        let (slot, placed, wake) = loop {
            let slot = self.choose(to, record, unkeyed)?;
            if let Some(placed) = self.try_open(slot, record, payload, timestamp) {
                break (slot, placed, moved);
            }
            let full = self.seal(slot);
            // A new batch starts on a new partition, which may have an open one.
            if full && unkeyed && !moved && self.is_due(to, size, true) {
                self.choose_sticky(to);
                moved = true;
            } else {
                break (slot, self.open(slot, record, timestamp, now, spare)?, true);
            }
        };
        // Oversize, or `batch.size` 0: nothing more will fit.
        let full = placed.len >= self.settings.batch_size;
        if unkeyed && self.is_due(to, size, full) {
            self.choose_sticky(to);
        }
        Ok(Appended { ticket: placed.ticket, slot, wake: wake || full })
    }

    /// The batch of `slot` that takes records.
    pub fn open_mut(&mut self, slot: u16) -> Option<&mut H::Buf> {
        self.queue_mut(slot)?.open.as_mut()
    }

    /// The slot that stands for a partition. Slots of a topic mostly lie side by side.
    pub fn slot(&self, topic: u16, partition: i32) -> Option<u16> {
        let is = |queue: &super::Queue<H::Buf>| queue.topic == topic && queue.partition == partition;
        if <H::Slots<super::Queue<H::Buf>>>::GROWS
            && let base = self.topics.at(topic)?.base_slot
            && let Some(guess) = u16::try_from(partition).ok().and_then(|p| base.checked_add(p))
            && self.queue(guess).is_some_and(is)
        {
            return Some(guess);
        }
        let found = self.queues.as_slice().iter().position(is)?;
        u16::try_from(found).ok()
    }

    fn choose(&mut self, to: Topic, record: &Record<'_>, unkeyed: bool) -> Result<u16, Refused> {
        let topic = self.topics.at(to.0).ok_or(Refused::Send(SendError::UnknownTopic))?;
        if topic.error != 0 {
            return Err(Refused::Send(SendError::TopicRefused(topic.error)));
        }
        if topic.partitions <= 0 {
            return Err(Refused::NeedsMetadata);
        }
        let partition = match (record.its_partition(), record.its_key()) {
            (Some(partition), _) if partition < 0 => {
                let count = u32::try_from(topic.partitions).unwrap_or(0);
                return Err(Refused::Send(SendError::InvalidPartition { partition, count }));
            }
            // Perhaps the topic has grown: newer metadata will tell.
            (Some(partition), _) if partition >= topic.partitions => return Err(Refused::NeedsMetadata),
            (Some(partition), _) => partition,
            (None, Some(key)) if !unkeyed => {
                partitioner::partition_for_key(key, topic.partitions.cast_unsigned())
            }
            // A topic that was made anew may have fewer.
            _ => match topic.sticky.partition().filter(|partition| *partition < topic.partitions) {
                Some(partition) => partition,
                None => self.choose_sticky(to),
            },
        };
        self.slot(to.0, partition).ok_or(Refused::NeedsSlot { partition })
    }

    /// Into the open batch, if there is one with room.
    fn try_open(
        &mut self,
        slot: u16,
        record: &Record<'_>,
        payload: usize,
        timestamp: Timestamp,
    ) -> Option<Placed> {
        let limit = self.settings.batch_size;
        let queue = self.queue_mut(slot)?;
        let limit = (if feature::PIECES { limit.min(queue.limit) } else { limit }) as usize;
        let (meta, bytes) = queue.open.as_mut()?.parts();
        let limit = limit.min(bytes.len());
        let index = meta.builder.append_counted(bytes.get_mut(..limit)?, record, payload, timestamp).ok()?;
        Some(Placed { ticket: Ticket { serial: meta.serial, index }, len: meta.builder.len })
    }

    /// Into a new batch, whatever its size: the first record always fits its own batch.
    fn open(
        &mut self,
        slot: u16,
        record: &Record<'_>,
        timestamp: Timestamp,
        now: Instant,
        spare: &mut Option<H::Buf>,
    ) -> Result<Placed, Refused> {
        let exact = crate::batch::layout::HEADER.saturating_add(crate::batch::record_size(record, 0, 0));
        let at_least = u32::try_from(exact).unwrap_or(u32::MAX);
        let needs = Refused::NeedsBuffer { at_least, standard: self.settings.batch_size.max(at_least) };
        let buffer = match self.pool.acquire(exact) {
            Some(buffer) => Some(buffer),
            None => spare.take_if(|buffer| buffer.bytes().len() >= exact),
        };
        let Some(mut buffer) = buffer else {
            self.exhausted = true;
            return Err(needs);
        };
        let serial = self.next_serial;
        let Some(queue) = self.queue_mut(slot) else { return Err(Refused::Send(SendError::UnknownTopic)) };
        let (meta, bytes) = buffer.parts();
        *meta = crate::batch::Meta::new();
        meta.serial = serial;
        meta.created = now.millis();
        meta.topic = queue.topic;
        meta.partition = queue.partition;
        meta.slot = slot;
        let index = meta.builder.append(bytes, record, timestamp);
        let len = meta.builder.len;
        queue.open = Some(buffer);
        self.next_serial = serial.wrapping_add(1);
        self.batches = self.batches.saturating_add(1);
        // `record_size` said it fits.
        index.map(|index| Placed { ticket: Ticket { serial, index }, len }).map_err(|_| needs)
    }

    /// Notes `size` bytes of a record without a key; answers whether it is time to go on elsewhere. `size` is the
    /// record's upper bound: a little more than it took, which only moves the switch.
    fn is_due(&mut self, to: Topic, size: u32, full: bool) -> bool {
        let batch_size = self.settings.batch_size;
        let Some(topic) = self.topics.at_mut(to.0) else { return false };
        topic.sticky.note(size, batch_size, full)
    }

    /// Chooses the topic's sticky partition anew, among those with a leader, by the length of their queues.
    fn choose_sticky(&mut self, to: Topic) -> i32 {
        let random = self.random.next_u32();
        let Some(view) = self.topics.at(to.0) else { return 0 };
        let partitions = view.partitions;
        let with_leader = (0..partitions).filter_map(|partition| {
            let queue = self.queue(self.slot(to.0, partition)?)?;
            let waiting = u16::try_from(queue.len()).unwrap_or(u16::MAX);
            queue.has_leader.then_some(Candidate { partition, queue: waiting, slow: queue.is_slow })
        });
        let count = partitions.cast_unsigned();
        let chosen =
            partitioner::choose(random, count, self.settings.adaptive && feature::ADAPTIVE, with_leader);
        if let Some(view) = self.topics.at_mut(to.0) {
            view.sticky.switch(chosen);
        }
        chosen
    }

    /// Publishes what is known of a topic; topics are registered in order from 0. Answers whether there was room.
    pub fn publish_topic(&mut self, topic: Topic, partitions: i32, base_slot: u16, error: i16) -> bool {
        let index = usize::from(topic.0);
        if index == self.topics.as_slice().len() && self.topics.push(super::TopicView::new()).is_err() {
            return false;
        }
        let Some(view) = self.topics.as_mut_slice().get_mut(index) else { return false };
        view.partitions = partitions;
        view.base_slot = base_slot;
        view.error = error;
        true
    }

    /// Number of partitions of a topic, once known.
    pub fn partitions(&self, topic: Topic) -> Option<i32> {
        let view = self.topics.at(topic.0)?;
        (view.partitions > 0).then_some(view.partitions)
    }

    /// Forgets the error that bars a topic, so that the next answer of the cluster decides anew.
    pub fn retry_topic(&mut self, topic: Topic) {
        if let Some(view) = self.topics.at_mut(topic.0) {
            view.error = 0;
        }
    }
}
