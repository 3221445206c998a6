//! The answer to a metadata request: brokers and their addresses, then topics and who leads their partitions.
//!
//! Only what was asked for is kept. Brokers come before the leaders that make them interesting; with few link
//! slots, a leader whose address was not kept is asked for again at once.
use super::address::{Address, At};
use super::links::retry_wait;
use super::{LinkSlot, Sender, Slot};
use crate::cluster::topics::{Hash, NO_ID, is_same};
use crate::cluster::{Known, Limit};
use crate::connection::Lifecycle;
use crate::connection::frame::{error_code, int32};
use crate::connection::link::{BOOTSTRAP, LEFT, NOBODY};
use crate::defect::{self, Defect};
use crate::feature;
use crate::host::{Buf, Host, Slots, Text};
use crate::record::Topic;
use crate::time::Millis;
use crate::wire::ErrorCode;
use crate::wire::Item;
use crate::wire::metadata::response as r;

/// What the answer has told so far.
#[derive(Debug)]
pub struct Learning {
    /// The error of the whole answer.
    error: ErrorCode,
    /// The broker told of, and where its address is kept.
    node: i32,
    at: Option<At>,
    port: i32,
    /// Of the broker's host, or the topic's name.
    hash: Hash,
    topic: Option<Topic>,
    topic_error: ErrorCode,
    id: [u8; 16],
    /// Partitions announced.
    count: i32,
    /// Any broker was told of.
    any_broker: bool,
    partition_error: ErrorCode,
    partition: i32,
    leader: i32,
    epoch: i32,
}

impl Learning {
    pub(super) const fn new() -> Self {
        Self {
            error: ErrorCode::NONE,
            node: -1,
            at: None,
            port: 0,
            hash: Hash::new(),
            topic: None,
            topic_error: ErrorCode::NONE,
            id: [0; 16],
            count: 0,
            any_broker: false,
            partition_error: ErrorCode::NONE,
            partition: -1,
            leader: -1,
            epoch: -1,
        }
    }
}

impl<H: Host> Sender<'_, H> {
    pub(super) fn learn_item(&mut self, index: u16, l: &mut Learning, item: &Item<'_>, now: Millis) {
        match *item {
            Item::Begin { field: r::BROKERS, .. } => {
                for slot in self.links.as_mut_slice() {
                    slot.listed = false;
                }
            }
            Item::Chunk { field: r::HOST, chunk, first, .. } => {
                l.hash = if first { Hash::new() } else { l.hash }.with(chunk);
                self.put_host(l.at, l.node, chunk, first);
            }
            Item::Element { field: r::TOPICS } => {
                // Its name may be left out; everything else is told of each topic, or of none.
                l.topic = None;
            }
            Item::Chunk { field: r::NAME, chunk, first, last, .. } => {
                l.hash = if first { Hash::new() } else { l.hash }.with(chunk);
                if last {
                    l.topic = self.topics.find(l.hash);
                }
            }
            Item::Uuid { field: r::TOPIC_ID, value } if feature::TOPIC_IDS => l.id = *value,
            Item::Begin { field: r::PARTITIONS, count } => {
                l.count = i32::try_from(count).unwrap_or(0);
                self.learn_topic(l);
            }
            Item::Int { field, value } => self.learn_number(index, l, field, value),
            Item::ElementEnd { field: r::BROKERS } => self.learn_broker(l, now),
            Item::ElementEnd { field: r::PARTITIONS } => self.learn_partition(l),
            _ => {}
        }
    }

    fn learn_number(&mut self, index: u16, l: &mut Learning, field: u8, value: i64) {
        let number = int32(value);
        match field {
            r::THROTTLE_TIME_MS => self.throttle(index, 6, value),
            r::NODE_ID => {
                l.any_broker = true;
                l.node = number;
                l.at = self.address_of(number);
                if let Some(At::Link(index)) = l.at
                    && let Some(slot) = self.link_mut(index)
                {
                    slot.listed = true;
                }
            }
            r::PORT => {
                l.port = number;
                self.put_port(l.at, l.node, number);
            }
            r::TOPIC_ERROR_CODE => l.topic_error = error_code(value),
            r::PARTITION_ERROR_CODE => l.partition_error = error_code(value),
            r::PARTITION_INDEX => {
                (l.partition, l.leader, l.epoch) = (number, -1, -1);
            }
            r::LEADER_ID => l.leader = number,
            r::LEADER_EPOCH => l.epoch = number,
            r::ERROR_CODE if feature::TOPIC_IDS => l.error = error_code(value),
            _ => {}
        }
    }

    /// A free or new link slot, for `node`.
    pub(super) fn free_link(&mut self, node: i32) -> Option<u16> {
        let free =
            |slot: &LinkSlot<H>| (slot.link.node == NOBODY).then_some(u32::from(!slot.link.backing_off));
        let mut index = self.highest(0, &free);
        let rested = index.and_then(|index| self.link(index)).is_some_and(|slot| !slot.link.backing_off);
        // A peer may list as many brokers as it likes; a cluster does not have so many.
        let may_grow =
            <H::Slots<LinkSlot<H>>>::GROWS && !rested && self.link_count() < super::links::MOST_LINKS;
        if may_grow && self.links.push(LinkSlot::new()).is_ok() {
            index = self.link_count().checked_sub(1);
        }
        // Else perhaps one that is in a backoff still, which holds for the new owner.
        let index = index?;
        let slot = self.link_mut(index)?;
        slot.vacate();
        slot.link.node = node;
        Some(index)
    }

    /// A broker was told of. The link by which it was found is its own, if it leads to the same place.
    fn learn_broker(&mut self, l: &mut Learning, now: Millis) {
        l.at = None;
        let Some(bootstrap) = self.find_link(BOOTSTRAP) else { return };
        let Some(LinkSlot { link: first, .. }) = self.link(bootstrap) else { return };
        let same =
            i32::from(first.port) == l.port && Hash::new().with(first.host.as_str().as_bytes()) == l.hash;
        if !same || first.state == Lifecycle::Down || l.node < 0 {
            return;
        }
        let mut silence = 0;
        if let Some(own) = self.find_link(l.node).and_then(|own| self.link_mut(own)) {
            if own.link.state != Lifecycle::Down {
                return;
            }
            let left = own.link.throttled_until.map_or(0, |until| until.since(now));
            silence = u32::try_from(left).unwrap_or(0);
            own.vacate();
        }
        if self.spare.node == l.node {
            self.spare = Address::nowhere();
        }
        if let Some(first) = self.link_mut(bootstrap) {
            first.link.node = l.node;
            first.link.used = Some(now);
            // The silence that the broker asked for by its own; the later end of both holds.
            first.link.throttle(now, silence);
            first.listed = true;
        }
    }

    fn learn_topic(&mut self, l: &mut Learning) {
        let Some(topic) = l.topic else { return };
        let (error, count, id) = (l.topic_error, l.count, l.id);
        let Some(known) = self.topics.known_mut(topic) else { return };
        self.changed = true;
        known.error = match error {
            ErrorCode::INVALID_TOPIC_EXCEPTION | ErrorCode::TOPIC_AUTHORIZATION_FAILED => error.0,
            _ => 0,
        };
        if !error.is_none() || count == 0 {
            return;
        }
        let anew = known.has_id() && !is_same(&id, &known.id) && !is_same(&id, &NO_ID);
        if feature::TOPIC_IDS && (!anew || !defect::on(Defect::TopicIdKept)) {
            known.id = id;
        }
        if anew {
            known.limit = Limit::new();
        }
        // A topic that shrinks was made anew; records may be on their way to partitions that are gone.
        known.partitions = count;
        if anew && !defect::on(Defect::NewLifeNotNoticed) {
            for slot in self.slots.as_mut_slice().iter_mut().filter(|slot| slot.place.topic == topic.0) {
                slot.place.forget_leader();
                slot.sequence.doubt(slot.window.is_in_flight());
            }
            self.break_links_naming(topic);
        }
    }

    /// A leader does not know the partition. Where topics have no ids (brokers before 2.8) nothing else tells that the
    /// topic was deleted, and made anew with epochs that begin again.
    pub(super) fn doubt_topic(&mut self, slot: u16) {
        let Some(partition) = self.slots.at_mut(slot) else { return };
        partition.sequence.suspect(partition.window.is_in_flight());
        if self.topics.known(Topic(partition.place.topic)).is_some_and(|known| !known.has_id()) {
            partition.place.leader_epoch = -1;
        }
    }

    /// The broker of a link, which was taken for the leader, says that it is not. Where topics have no ids that may be because
    /// the topic was made anew: nobody leads it then, as far as is known.
    pub(super) fn deny_leader(&mut self, slot: u16, link: u16) {
        let node = self.link(link).map(|slot| slot.link.node);
        let Some(partition) = self.slots.at_mut(slot) else { return };
        let without_id = self.topics.known(Topic(partition.place.topic)).is_some_and(|known| !known.has_id());
        if without_id && node == Some(partition.place.leader) {
            partition.place.leader = crate::cluster::place::NO_LEADER;
            self.changed = true;
        }
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))] // fewer spills
    fn learn_partition(&mut self, l: &Learning) {
        let Some(topic) = l.topic.filter(|_| l.topic_error.is_none()) else { return };
        if l.partition < 0 {
            return;
        }
        let Some(slot) = self.slot_for(topic, l.partition) else { return };
        let Some(partition) = self.slot_mut(slot) else { return };
        let leader = if l.leader >= 0 { l.leader } else { crate::cluster::place::NO_LEADER };
        let usable = matches!(
            l.partition_error,
            ErrorCode::NONE | ErrorCode::REPLICA_NOT_AVAILABLE | ErrorCode::LISTENER_NOT_FOUND
        );
        let leader = if usable { leader } else { crate::cluster::place::NO_LEADER };
        let before = partition.place.leader_epoch;
        // Nobody who leads it can deny that it is there, so epochs that begin again are the only sign of a new life.
        if partition.place.leader < 0
            && leader >= 0
            && l.epoch < before
            && !defect::on(Defect::LeaderlessEpochKept)
        {
            self.doubt_topic(slot);
        }
        let Some(partition) = self.slot_mut(slot) else { return };
        if partition.place.lead(leader, l.epoch) {
            self.changed = true;
            // A newer leader than at the last attempt: no need to wait.
            if let Some(partition) = self.slot_mut(slot)
                && l.epoch > before
                && leader >= 0
            {
                partition.window.retry_at = None;
            }
        }
    }

    /// The answer is over.
    pub(super) fn learned(&mut self, l: &Learning, now: Millis) {
        let unknown = |known: &Known| known.asking && known.partitions == 0 && known.error == 0;
        let missing = self.topics.iter().any(|(_, known)| unknown(known)) || self.has_leaderless_data();
        for known in self.topics.iter_mut() {
            known.asking = false;
        }
        self.changed = true;
        let useless = (feature::TOPIC_IDS && !l.error.is_none()) || !l.any_broker;
        let wait = retry_wait(self.config, self.refresh.failures(), &mut self.random);
        if useless {
            self.refresh.failed(now, wait);
            if feature::TOPIC_IDS
                && l.error == ErrorCode::REBOOTSTRAP_REQUIRED
                && !defect::on(Defect::RebootstrapIgnored)
            {
                self.rebootstrap();
            }
            return;
        }
        self.stats.add(|stats| &mut stats.metadata_updates, 1);
        self.refresh.answered(now, !missing, wait);
        self.drop_unlisted();
    }

    /// Whether something waits for a partition that nobody leads.
    fn has_leaderless_data(&self) -> bool {
        let waits = |slot: &Slot<H::Buf>| slot.place.leader < 0 && slot.window.first_unsent().is_some();
        self.slots.as_slice().iter().any(waits)
    }

    /// Brokers that are gone from the cluster lose their slots, once nothing is on its way to them.
    fn drop_unlisted(&mut self) {
        for index in 0..self.link_count() {
            let Some(slot) = self.link_mut(index) else { continue };
            let link = &mut slot.link;
            if link.node == BOOTSTRAP {
                // It has told what it knows; the brokers' own links serve from here on.
                link.retiring = true;
            } else if link.node >= 0 && !slot.listed && link.state == Lifecycle::Down {
                slot.vacate();
            } else if link.node != LEFT {
                link.retiring = link.node >= 0 && !slot.listed;
            }
        }
    }

    /// A request that is half written names a topic by an id that is no longer right: it must not be finished
    /// with the new one.
    fn break_links_naming(&mut self, topic: Topic) {
        for index in 0..self.link_count() {
            let named = self.writes_topic(index, topic);
            if named && let Some(slot) = self.link_mut(index) {
                slot.link.doomed = true;
            }
        }
    }

    fn writes_topic(&self, index: u16, topic: Topic) -> bool {
        let Some(out) = self.link(index).and_then(|slot| slot.link.out) else { return false };
        let mut slots = self.slots.as_slice().iter().filter(|slot| slot.place.topic == topic.0);
        slots.any(|slot| {
            slot.window
                .find(index, out.correlation)
                .is_some_and(|at| slot.window.get(at).is_some_and(|batch| batch.meta().flags != 0))
        })
    }
}
