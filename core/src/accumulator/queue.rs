//! The sealed batches of a partition: a singly linked list of slots, first in first out. Lists of indices
//! over one array cost four bytes a buffer, whatever the number of partitions.
use super::Accumulator;
use crate::host::{Buf, Host, Slots};
use crate::record::Topic;

/// The end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// A place for one sealed batch.
#[derive(Debug)]
pub struct Node<B> {
    batch: Option<B>,
    next: u32,
}

/// One partition of the append half.
#[derive(Debug)]
pub struct Queue<B> {
    /// The topic's index.
    pub(super) topic: u16,
    /// Whether the partition has a leader that is known.
    pub(super) has_leader: bool,
    /// Whether its leader has taken nothing for `partitioner.availability.timeout.ms`.
    pub(super) is_slow: bool,
    /// Partition number on the wire.
    pub(super) partition: i32,
    /// The batch that takes records.
    pub(super) open: Option<B>,
    head: u32,
    tail: u32,
    /// Sealed batches.
    pub(super) sealed: u32,
    /// A batch takes no further record that would make it larger, bytes.
    pub(super) limit: u32,
}

impl<B> Queue<B> {
    const fn new(topic: u16, partition: i32) -> Self {
        Self {
            topic,
            has_leader: false,
            is_slow: false,
            partition,
            open: None,
            head: NONE,
            tail: NONE,
            sealed: 0,
            limit: u32::MAX,
        }
    }

    /// Batches held, the open one included.
    pub(super) const fn len(&self) -> u32 {
        self.sealed.saturating_add(self.open.is_some() as u32)
    }

    /// Whether no batch is held.
    const fn is_empty(&self) -> bool {
        self.head == NONE && self.open.is_none()
    }
}

impl<H: Host> Accumulator<H> {
    pub(super) fn queue(&self, slot: u16) -> Option<&Queue<H::Buf>> {
        self.queues.at(slot)
    }

    pub(super) fn queue_mut(&mut self, slot: u16) -> Option<&mut Queue<H::Buf>> {
        self.queues.at_mut(slot)
    }

    /// Says which partition `slot` stands for from now on; slots are assigned in order from 0. A slot that
    /// holds batches keeps its partition.
    ///
    /// Answers whether the slot stands for that partition now.
    pub fn assign(&mut self, slot: u16, topic: u16, partition: i32, has_leader: bool) -> bool {
        let count = self.queues.as_slice().len();
        if usize::from(slot) == count && self.queues.push(Queue::new(topic, partition)).is_err() {
            return false;
        }
        let Some(queue) = self.queue_mut(slot) else { return false };
        if queue.topic != topic || queue.partition != partition {
            if !queue.is_empty() {
                return false;
            }
            *queue = Queue::new(topic, partition);
        }
        queue.has_leader = has_leader;
        true
    }

    /// Says whether the leader of `slot` has taken nothing for `partitioner.availability.timeout.ms`: records
    /// without a key then go elsewhere, if there is an elsewhere.
    pub fn set_slow(&mut self, slot: u16, is_slow: bool) {
        if let Some(queue) = self.queue_mut(slot) {
            queue.is_slow = is_slow;
        }
    }

    /// Says how large a batch of `slot` may be, in bytes, where its broker is known to refuse larger ones. A record that
    /// alone is larger goes alone.
    pub fn set_limit(&mut self, slot: u16, limit: u32) {
        if let Some(queue) = self.queue_mut(slot) {
            queue.limit = limit;
        }
    }

    /// Whether `slot` holds no batch.
    pub fn is_idle(&self, slot: u16) -> bool {
        self.queue(slot).is_none_or(Queue::is_empty)
    }

    /// How many slots there are.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub fn slots(&self) -> u16 {
        u16::try_from(self.queues.as_slice().len()).unwrap_or(u16::MAX)
    }

    /// Moves the open batch of `slot` behind its sealed ones; answers whether there was one. Without a node for it (there is
    /// one for each buffer, so this is not met) it stays open.
    pub(super) fn seal(&mut self, slot: u16) -> bool {
        let Some(queue) = self.queues.at_mut(slot) else { return false };
        // A node that was taken for nothing would be lost, and then a batch.
        if queue.open.is_none() {
            return false;
        }
        let node = match self.free_node {
            NONE => match u32::try_from(self.nodes.as_slice().len()) {
                Ok(index) if self.nodes.push(Node { batch: None, next: NONE }).is_ok() => index,
                _ => return false,
            },
            node => node,
        };
        let Some(batch) = queue.open.take() else { return false };
        let nodes = self.nodes.as_mut_slice();
        if queue.tail == NONE {
            queue.head = node;
        } else if let Some(last) = nodes.get_mut(queue.tail as usize) {
            last.next = node;
        }
        queue.tail = node;
        queue.sealed = queue.sealed.saturating_add(1);
        if let Some(place) = nodes.get_mut(node as usize) {
            self.free_node = place.next;
            *place = Node { batch: Some(batch), next: NONE };
        }
        true
    }

    /// The oldest batch of `slot`.
    pub(super) fn first(&self, slot: u16) -> Option<&H::Buf> {
        let queue = self.queue(slot)?;
        match queue.head {
            NONE => queue.open.as_ref(),
            head => self.nodes.as_slice().get(head as usize)?.batch.as_ref(),
        }
    }

    /// Takes the oldest batch of `slot`, sealed or open.
    pub fn take(&mut self, slot: u16) -> Option<H::Buf> {
        let queue = self.queues.at_mut(slot)?;
        let batch = match queue.head {
            NONE => queue.open.take()?,
            head => {
                let node = self.nodes.as_mut_slice().get_mut(head as usize)?;
                let batch = node.batch.take()?;
                queue.head = node.next;
                if queue.head == NONE {
                    queue.tail = NONE;
                }
                queue.sealed = queue.sealed.saturating_sub(1);
                node.next = self.free_node;
                self.free_node = head;
                batch
            }
        };
        self.batches = self.batches.saturating_sub(1);
        Some(batch)
    }

    /// Takes the oldest batch of a topic, sealed or open.
    pub fn take_oldest(&mut self, topic: Topic) -> Option<H::Buf> {
        let age = |slot: &u16| {
            let oldest = self.first(*slot).filter(|batch| batch.meta().topic == topic.0)?;
            Some(self.next_serial.wrapping_sub(oldest.meta().serial))
        };
        let (_, slot) = (0..self.slots()).filter_map(|slot| Some((age(&slot)?, slot))).max()?;
        self.take(slot)
    }

    /// Whether a batch older than `serial` is here (serials wrap; older means within half of the range).
    pub fn holds_before(&self, serial: u32) -> bool {
        // The first batch of a slot is its oldest.
        (0..self.slots()).filter_map(|slot| self.first(slot)).any(|batch| {
            let distance = batch.meta().serial.wrapping_sub(serial);
            distance > u32::MAX / 2
        })
    }
}
