//! The topics that are produced to: their names, ids and partition counts.
//!
//! A topic in an answer is recognised by the hash of its name, so that the name need not be kept while it
//! arrives in pieces. Names whose hashes are equal are refused when they are registered.
use crate::defect::{self, Defect};
use crate::error::{TopicError, check_topic_name};
use crate::feature;
use crate::host::{Host, Slots};
use crate::record::Topic;
use crate::time::Millis;

/// What is known of a topic.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    name_at: u32,
    name_len: u16,
    hash: Hash,
    /// The topic's id; all zero while not known, or with an old broker.
    pub id: [u8; 16],
    /// Number of partitions; 0 while not known.
    pub partitions: i32,
    /// The slot of partition 0.
    pub base_slot: u16,
    /// Kafka's error code that bars the topic, or 0.
    pub error: i16,
    /// It is part of the metadata request under way.
    pub asking: bool,
    /// When it was last sent to, or asked for.
    pub used: Millis,
    /// How large its batches may be.
    pub limit: Limit,
}

impl Known {
    /// Whether its id is known.
    pub fn has_id(&self) -> bool {
        feature::TOPIC_IDS && !is_same(&self.id, &NO_ID)
    }
}

/// What brokers' answers have told of a topic's `max.message.bytes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// The largest batch that was taken, bytes.
    taken: u32,
    /// New batches are not larger, bytes; 0 if none was refused.
    most: u32,
}

impl Limit {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self { taken: 0, most: 0 }
    }

    /// The size that a batch of several records should not pass, in bytes.
    pub const fn most(&self) -> u32 {
        if !feature::PIECES || self.most == 0 { u32::MAX } else { self.most }
    }

    /// A batch of `len` bytes was taken.
    pub fn took(&mut self, len: u32) {
        if feature::PIECES {
            self.taken = self.taken.max(len);
        }
    }

    /// A batch of `len` bytes was too large: from now on they are as large as the largest that was taken, and half as
    /// large as this one if that is not known.
    pub fn refused(&mut self, len: u32) {
        if defect::on(Defect::LimitNotLearned) {
            return;
        }
        if self.taken >= len {
            // The topic was configured anew.
            self.taken = 0;
        }
        self.most = self.taken.max(len / 2).max(1).min(self.most());
    }
}

/// The id of a topic that has none, or whose id is not known.
pub const NO_ID: [u8; 16] = [0; 16];

/// Whether two ids are the same; by hand, since the library's comparison is 100 bytes of a device.
pub fn is_same(one: &[u8; 16], other: &[u8; 16]) -> bool {
    one.iter().eq(other)
}

impl Known {
    /// Something is sent to it, or waits for it: it is not idle.
    pub fn touch(&mut self, now: Millis) {
        if feature::IDLE {
            self.used = now;
        }
    }
}

/// FNV-1a over a name, piece by piece; of 32 bits for a device's few names.
#[cfg(target_os = "none")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(u32);

#[cfg(target_os = "none")]
impl Hash {
    /// Of nothing.
    pub const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    /// With `bytes` added.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)))
    }
}

/// FNV-1a over a name, piece by piece.
#[cfg(not(target_os = "none"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// Two halves: a number of eight bytes would be aligned to as many, and so would all that holds it.
pub struct Hash([u32; 2]);

#[cfg(not(target_os = "none"))]
impl Hash {
    /// Of nothing.
    pub const fn new() -> Self {
        Self([0x8422_2325, 0xcbf2_9ce4])
    }

    /// With `bytes` added.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let [low, high] = self.0;
        let [a, b, c, d, e, f, g, h] =
            bytes.iter().fold(u64::from(high) << 32 | u64::from(low), add).to_le_bytes();
        Self([u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])])
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

/// The topics, in the order in which they were registered.
pub struct Topics<H: Host> {
    known: H::Slots<Known>,
    names: H::Slots<u8>,
}

impl<H: Host> Topics<H> {
    /// None, in this memory.
    pub const fn new(known: H::Slots<Known>, names: H::Slots<u8>) -> Self {
        Self { known, names }
    }

    /// The handle of `name`, which is registered if it was not.
    ///
    /// # Errors
    /// Kafka would not take the name, or there is no room for it.
    pub fn register(&mut self, name: &str, now: Millis) -> Result<(Topic, bool), TopicError> {
        check_topic_name(name)?;
        let hash = Hash::new().with(name.as_bytes());
        if let Some(found) = self.find(hash) {
            // Two names of one hash do not occur by chance.
            return if self.name_bytes(found).iter().eq(name.as_bytes()) {
                Ok((found, false))
            } else {
                Err(TopicError::Full)
            };
        }
        let index = u16::try_from(self.known.as_slice().len()).map_err(|_| TopicError::Full)?;
        let at = self.names.as_slice().len();
        let (Ok(name_at), Ok(name_len)) = (u32::try_from(at), u16::try_from(name.len())) else {
            return Err(TopicError::NoRoom);
        };
        let topic = Known {
            name_at,
            name_len,
            hash,
            id: [0; 16],
            partitions: 0,
            base_slot: 0,
            error: 0,
            asking: false,
            used: now,
            limit: Limit::new(),
        };
        let named = name.bytes().all(|byte| self.names.push(byte).is_ok());
        if named && self.known.push(topic).is_ok() {
            return Ok((Topic(index), true));
        }
        while self.names.as_slice().len() > at && !defect::on(Defect::HalfNameKept) {
            self.names.pop();
        }
        Err(if named { TopicError::Full } else { TopicError::NoRoom })
    }

    /// The name of a topic.
    pub fn name(&self, topic: Topic) -> &str {
        core::str::from_utf8(self.name_bytes(topic)).unwrap_or_default()
    }

    /// The bytes of a topic's name. Looking whether they are UTF-8, which they are, would cost a device 300 bytes.
    pub fn name_bytes(&self, topic: Topic) -> &[u8] {
        let bytes = self.known.at(topic.0).and_then(|known| {
            let from = known.name_at as usize;
            self.names.as_slice().get(from..from + usize::from(known.name_len))
        });
        bytes.unwrap_or_default()
    }

    /// The topic whose name has this hash.
    pub fn find(&self, hash: Hash) -> Option<Topic> {
        let index = self.known.as_slice().iter().position(|known| known.hash == hash)?;
        u16::try_from(index).ok().map(Topic)
    }

    /// The topic of this id.
    pub fn find_id(&self, id: &[u8; 16]) -> Option<Topic> {
        if is_same(id, &NO_ID) {
            return None;
        }
        let index = self.known.as_slice().iter().position(|known| is_same(&known.id, id))?;
        u16::try_from(index).ok().map(Topic)
    }

    /// What is known of one.
    pub fn known(&self, topic: Topic) -> Option<&Known> {
        self.known.at(topic.0)
    }

    /// What is known of one, to change it.
    pub fn known_mut(&mut self, topic: Topic) -> Option<&mut Known> {
        self.known.at_mut(topic.0)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, &Known)> {
        self.known.as_slice().iter().zip(0..).map(|(known, index)| (Topic(index), known))
    }

    /// All of them, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Known> {
        self.known.as_mut_slice().iter_mut()
    }
}

#[cfg(all(test, feature = "pieces"))]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_learned_is_not_raised_by_a_larger_batch_that_was_on_its_way() {
        let mut limit = Limit::new();
        assert_eq!(limit.most(), u32::MAX);
        limit.refused(1000);
        assert_eq!(limit.most(), 500);
        limit.refused(1600);
        assert_eq!(limit.most(), 500);
        limit.took(400);
        limit.refused(500);
        assert_eq!(limit.most(), 400, "as large as the largest that was taken");
        limit.refused(400);
        assert_eq!(limit.most(), 200, "the topic was configured anew");
    }
}
