//! The append half of a producer: for each partition the open batch, to which records are appended in
//! place, and the sealed ones that wait to be drained.
//!
//! It knows partitions by *slot*: an index shared with the send half, which publishes here which slots
//! there are, which partition each stands for and whether it has a leader. It does no I/O, computes no
//! checksum and reads no clock, so that a server may hold a short lock around each call.
//!
//! Invariants: a batch is in one place; a slot's sealed batches are in order of creation and all of them
//! were opened before its open one.
mod append;
mod queue;
mod ready;
#[cfg(test)]
mod tests;

use crate::host::Host;
use crate::pool::Pool;
use crate::random::Random;
use crate::time::Millis;
pub use append::{Appended, Refused};
pub use queue::Queue;
pub use ready::Head;

/// What the append half needs of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `batch.size`, bytes.
    pub batch_size: u32,
    /// `linger.ms`.
    pub linger_ms: u32,
    /// `max.request.size`, bytes: the cap on one record.
    pub max_request_size: u32,
    /// `delivery.timeout.ms`.
    pub delivery_timeout_ms: u32,
    /// `partitioner.ignore.keys`.
    pub ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`.
    pub adaptive: bool,
}

impl Settings {
    /// Those of a configuration.
    pub const fn of(config: crate::config::Checked<'_>) -> Self {
        Self {
            batch_size: config.batch_size(),
            linger_ms: config.linger_ms(),
            max_request_size: config.max_request_size(),
            delivery_timeout_ms: config.delivery_timeout_ms(),
            ignore_keys: config.partitioner_ignore_keys(),
            adaptive: config.partitioner_adaptive(),
        }
    }
}

/// What is known of a topic on the append side.
#[derive(Debug, Clone, Copy)]
pub struct TopicView {
    /// Number of partitions; 0 while it is not known.
    pub partitions: i32,
    /// The slot of partition 0, where the others probably follow.
    pub base_slot: u16,
    /// Kafka's error code that bars the topic (invalid name, not authorized), or 0.
    pub error: i16,
    /// Where records without a key go.
    pub(crate) sticky: crate::partitioner::Sticky,
}

impl TopicView {
    /// A topic of which nothing is known yet.
    pub const fn new() -> Self {
        Self { partitions: 0, base_slot: 0, error: 0, sticky: crate::partitioner::Sticky::new() }
    }
}

impl Default for TopicView {
    fn default() -> Self {
        Self::new()
    }
}

/// The append half. See the module's text.
pub struct Accumulator<H: Host> {
    settings: Settings,
    pool: Pool<H::Slots<H::Buf>>,
    topics: H::Slots<TopicView>,
    queues: H::Slots<Queue<H::Buf>>,
    nodes: H::Slots<queue::Node<H::Buf>>,
    /// First free node of `nodes`.
    free_node: u32,
    random: Random,
    /// The serial the next batch gets.
    next_serial: u32,
    /// Batches open or sealed.
    batches: u32,
    /// A record did not fit since the last drain: everything open may go.
    exhausted: bool,
    /// No further record is taken.
    closed: bool,
    /// The broker's error code that ended the producer.
    fatal: Option<i16>,
}

/// The memory an append half lives in, all lists empty but the free buffers.
pub struct Memory<H: Host> {
    /// The free buffers.
    pub buffers: H::Slots<H::Buf>,
    /// One for each topic.
    pub topics: H::Slots<TopicView>,
    /// One for each partition slot.
    pub queues: H::Slots<Queue<H::Buf>>,
    /// One for each buffer.
    pub nodes: H::Slots<queue::Node<H::Buf>>,
}

pub use queue::Node;

impl<H: Host> Accumulator<H> {
    /// An append half over `memory`; `seed` feeds the choice of partitions.
    pub fn new(settings: Settings, memory: Memory<H>, seed: u64) -> Self {
        Self {
            settings,
            pool: Pool::new(memory.buffers),
            topics: memory.topics,
            queues: memory.queues,
            nodes: memory.nodes,
            free_node: queue::NONE,
            random: Random::new(seed),
            next_serial: 0,
            batches: 0,
            exhausted: false,
            closed: false,
            fatal: None,
        }
    }

    /// Batches open or sealed here.
    pub const fn batches(&self) -> u32 {
        self.batches
    }

    /// The serial that the next batch will get: every record accepted so far is in a batch before it, once
    /// [`flush`](Self::flush) was called.
    pub const fn next_serial(&self) -> u32 {
        self.next_serial
    }

    /// Free buffers.
    pub fn free_buffers(&self) -> usize {
        self.pool.free()
    }

    /// Puts a buffer back into the pool.
    ///
    /// # Errors
    /// The pool has no place for it: the buffer comes back.
    pub fn give(&mut self, buffer: H::Buf) -> Result<(), H::Buf> {
        self.pool.give(buffer)
    }

    /// Bars further records and makes what is here sendable.
    pub fn close(&mut self) {
        self.closed = true;
        self.flush();
    }

    /// Ends the producer: every further record is refused with `fatal`.
    pub fn fail(&mut self, fatal: i16) {
        self.fatal = Some(fatal);
    }
}

/// When a batch opened at `created` has lingered, wrapping.
const fn due(created: Millis, linger_ms: u32) -> Millis {
    created.plus(linger_ms)
}
