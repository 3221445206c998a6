//! What a producer knows, over a sleep in which its memory is lost: brokers, topics, leaders and its own identity, as bytes
//! that a host keeps.
//!
//! The notes are good for one waking, and only from a producer that has ended with them: the next epoch of a producer id is
//! begun by whoever recalls it, and beginning one twice would let a broker take new batches for old ones. So they are
//! wiped when they are read, and whoever is reset after that, before new ones were made, finds none and asks the cluster.
//!
//! A format of our own, version 1, integers big-endian: CRC-32C of all that follows and of the bootstrap servers (4), version
//! (1), length of all (4), producer id or -1 (8), epoch (2); then brokers, topics and partitions, each a count (2) and
//! what the functions below say.
use super::Sender;
use crate::batch::copy;
use crate::cluster::place::NO_LEADER;
use crate::connection::link::NOBODY;
use crate::host::{Host, Slots, Text};
use crate::identity::Identity;
use crate::record::Topic;
use crate::time::Instant;
use core::fmt;

/// Why a producer cannot end in notes for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SleepError {
    /// Records wait or are on their way, or their deliveries were not taken: flush first.
    Busy,
    /// The notes need more bytes.
    NoRoom {
        /// How many.
        needed: u32,
    },
    /// The producer has failed for good.
    Failed,
}

impl fmt::Display for SleepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Busy => f.write_str("records are on their way, or their deliveries not taken; flush first"),
            Self::NoRoom { needed } => write!(f, "the notes need {needed} bytes"),
            Self::Failed => f.write_str("the producer has failed for good"),
        }
    }
}

impl core::error::Error for SleepError {}

const VERSION: u8 = 1;
/// Checksum, version and length.
const HEAD: usize = 9;

/// Writes as far as there is room, and counts on.
struct Pen<'n> {
    notes: &'n mut [u8],
    at: usize,
}

impl Pen<'_> {
    fn put(&mut self, bytes: &[u8]) {
        copy(self.notes.get_mut(self.at..).unwrap_or_default(), bytes);
        self.at = self.at.saturating_add(bytes.len());
    }

    fn count(&mut self, items: usize) {
        self.put(&u16::try_from(items).unwrap_or(u16::MAX).to_be_bytes());
    }

    /// Names of hosts and topics have 255 bytes at most.
    fn text(&mut self, text: &str) {
        self.put(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.put(text.as_bytes());
    }
}

/// Reads the same.
struct Eye<'n>(&'n [u8]);

impl<'n> Eye<'n> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn int(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'n str> {
        let [len] = self.take()?;
        let (text, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        core::str::from_utf8(text).ok()
    }
}

impl<H: Host> Sender<'_, H> {
    /// Writes what is known into `notes`, and gives the identity up. Answers how many bytes.
    ///
    /// # Errors
    /// They do not fit, or the producer has failed.
    pub fn make_notes(&mut self, notes: &mut [u8]) -> Result<usize, SleepError> {
        if self.fatal.is_some() {
            return Err(SleepError::Failed);
        }
        let (id, epoch) = match self.generation.identity {
            Identity::Known { id, epoch } => (id.get(), epoch),
            _ => (-1, 0),
        };
        let mut pen = Pen { notes, at: HEAD };
        pen.put(&id.to_be_bytes());
        pen.put(&epoch.to_be_bytes());
        let brokers = || {
            self.links.as_slice().iter().map(|slot| &slot.link).filter(|l| l.node >= 0 && l.has_endpoint())
        };
        pen.count(brokers().count());
        for link in brokers() {
            pen.put(&link.node.to_be_bytes());
            pen.put(&link.port.to_be_bytes());
            pen.text(link.host.as_str());
        }
        pen.count(self.topics.iter().count());
        for (topic, known) in self.topics.iter() {
            pen.text(self.topics.name(topic));
            pen.put(&known.id);
            pen.put(&known.partitions.to_be_bytes());
        }
        let led =
            || self.slots.as_slice().iter().map(|slot| &slot.place).filter(|place| place.leader != NO_LEADER);
        pen.count(led().count());
        for place in led() {
            pen.put(&place.topic.to_be_bytes());
            for value in [place.partition, place.leader, place.leader_epoch] {
                pen.put(&value.to_be_bytes());
            }
        }
        let (len, notes) = (pen.at, pen.notes);
        let needed = u32::try_from(len).unwrap_or(u32::MAX);
        let Some(notes) = notes.get_mut(..len) else { return Err(SleepError::NoRoom { needed }) };
        let mut head = Pen { notes, at: 4 };
        head.put(&[VERSION]);
        head.put(&needed.to_be_bytes());
        let sum = self.sum(head.notes);
        Pen { notes: head.notes, at: 0 }.put(&sum);
        if id >= 0 {
            // Nobody makes notes of it twice.
            self.generation.identity = Identity::Missing;
        }
        Ok(len)
    }

    /// Takes notes over, and wipes them. Answers whether they were of use: to be called before anything else is known.
    pub fn recall(&mut self, notes: &mut [u8], now: Instant) -> bool {
        let fresh = self.topics.iter().next().is_none()
            && self.links.as_slice().iter().all(|slot| slot.link.node == NOBODY);
        let len = notes.get(5..HEAD).and_then(|len| Eye(len).int()).and_then(|len| usize::try_from(len).ok());
        let known = len.and_then(|len| notes.get(..len)).filter(|notes| {
            fresh && notes.get(4) == Some(&VERSION) && notes.get(..4) == Some(&self.sum(notes)[..])
        });
        let recalled = known.and_then(|notes| self.take_notes(Eye(notes.get(HEAD..)?), now)).is_some();
        notes.fill(0);
        recalled
    }

    fn take_notes(&mut self, mut eye: Eye<'_>, now: Instant) -> Option<()> {
        let (id, epoch) = (i64::from_be_bytes(eye.take()?), i16::from_be_bytes(eye.take()?));
        for _ in 0..eye.short()? {
            let (node, port, host) = (eye.int()?, eye.short()?, eye.text()?);
            if let Some(slot) = self.free_link(node).and_then(|index| self.link_mut(index)) {
                slot.link.host.assign(host);
                slot.link.port = port;
                slot.link.used = Some(now.millis());
                slot.listed = true;
            }
        }
        // Handles are given in order, so after one for which there is no room there are no others.
        let mut fits = true;
        for _ in 0..eye.short()? {
            let (name, id, partitions) = (eye.text()?, eye.take()?, eye.int()?);
            let topic = if fits { self.topics.register(name, now.millis()).ok() } else { None };
            fits = topic.is_some();
            if let Some(known) = topic.and_then(|(topic, _)| self.topics.known_mut(topic)) {
                (known.id, known.partitions) = (id, partitions);
            }
        }
        for _ in 0..eye.short()? {
            let (topic, partition, leader, epoch) =
                (eye.short().map(Topic)?, eye.int()?, eye.int()?, eye.int()?);
            if self.topics.known(topic).is_some()
                && let Some(slot) = self.slot_for(topic, partition)
                && let Some(slot) = self.slot_mut(slot)
            {
                slot.place.lead(leader, epoch);
            }
        }
        if id >= 0 && self.config.idempotence() {
            self.generation.settle(id, epoch);
            self.generation.bump();
        }
        self.changed = true;
        Some(())
    }

    /// Of notes, but for the checksum itself, and for this cluster only.
    fn sum(&self, notes: &[u8]) -> [u8; 4] {
        let sum = self.config.bootstrap().iter().fold(0, |sum, server| {
            let sum = (self.crc)(sum, server.host.as_bytes());
            (self.crc)(sum, &server.port.to_be_bytes())
        });
        (self.crc)(sum, notes.get(4..).unwrap_or_default()).to_be_bytes()
    }
}
