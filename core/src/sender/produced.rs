//! The answer to a produce request: a verdict for each batch in it.
//!
//! Leaders that the answer names (KIP-951) are held until its end, because the brokers' addresses follow.
use super::Sender;
use super::address::At;
use crate::batch::meta::flag;
use crate::cluster::place::NO_LEADER;
use crate::cluster::topics::Hash;
use crate::connection::frame::{error_code, int32};
use crate::connection::{Call, Request};
use crate::defect::{self, Defect};
use crate::delivery;
use crate::error::DeliveryError;
use crate::feature;
use crate::host::{Buf, Host, Slots};
use crate::idempotence::{Action, Verdict};
use crate::long::Long;
use crate::record::Topic;
use crate::time::Millis;
use crate::wire::ErrorCode;
use crate::wire::Item;
use crate::wire::produce::response as r;

/// What the answer has told so far.
#[derive(Debug)]
pub struct Produced {
    hash: Hash,
    topic: Option<Topic>,
    partition: i32,
    error: ErrorCode,
    base_offset: Long,
    append_time: Long,
    leader: i32,
    leader_epoch: i32,
    node: i32,
    /// Where the address of `node` is kept.
    at: Option<At>,
    hinted: bool,
    /// Whether the partition's log start was told.
    has_start: bool,
}

impl Produced {
    pub(super) const fn new() -> Self {
        Self {
            hash: Hash::new(),
            topic: None,
            partition: 0,
            error: ErrorCode::NONE,
            base_offset: Long::new(0),
            append_time: Long::new(0),
            leader: -1,
            leader_epoch: 0,
            node: 0,
            at: None,
            hinted: false,
            has_start: false,
        }
    }
}

impl<H: Host> Sender<'_, H> {
    pub(super) fn produced_item(&mut self, index: u16, p: &mut Produced, item: &Item<'_>, now: Millis) {
        match *item {
            Item::Element { field: r::PARTITION_RESPONSES } => {
                // What an answer may leave out; the other fields are told of each partition, in every version.
                p.leader = -1;
                p.has_start = false;
            }
            Item::Chunk { field: r::NAME, chunk, first, last, .. } => {
                p.hash = if first { Hash::new() } else { p.hash }.with(chunk);
                if last {
                    p.topic = self.topics.find(p.hash);
                }
            }
            Item::Uuid { field: r::TOPIC_ID, value } if feature::TOPIC_IDS => {
                p.topic = self.topics.find_id(value)
            }
            Item::Int { field, value } => match field {
                r::INDEX => p.partition = int32(value),
                r::ERROR_CODE => p.error = error_code(value),
                r::BASE_OFFSET => p.base_offset = Long::new(value),
                r::LOG_APPEND_TIME_MS if feature::TIMESTAMPS || feature::PIPELINING => {
                    p.append_time = Long::new(value)
                }
                r::LOG_START_OFFSET => p.has_start = value >= 0,
                r::BATCH_INDEX => self.note(index, p, &|bytes| {
                    if let Ok(place) = u32::try_from(value)
                        && !defect::on(Defect::BlameForgotten)
                    {
                        delivery::blame(bytes, place);
                    }
                }),
                r::LEADER_ID => p.leader = int32(value),
                r::LEADER_EPOCH => p.leader_epoch = int32(value),
                r::THROTTLE_TIME_MS => self.throttle(index, 6, value),
                r::NODE_ID if feature::HINTS => {
                    p.node = int32(value);
                    p.at = self.address_of(p.node);
                }
                r::PORT if feature::HINTS => self.put_port(p.at, p.node, int32(value)),
                _ => {}
            },
            Item::Chunk { field: r::ERROR_MESSAGE, chunk, .. } => {
                self.note(index, p, &|bytes| delivery::add_message(bytes, chunk));
            }
            Item::Chunk { field: r::HOST, chunk, first, .. } if feature::HINTS => {
                self.put_host(p.at, p.node, chunk, first);
            }
            Item::ElementEnd { field: r::PARTITION_RESPONSES } => self.produced_partition(index, p, now),
            _ => {}
        }
    }

    /// Writes the broker's notes on a refusal into the bytes of the batch, which is dead.
    fn note(&mut self, index: u16, p: &Produced, write: &dyn Fn(&mut [u8])) {
        let verdict = Verdict::on(p.error);
        if !feature::NOTES
            || !matches!(
                verdict.action,
                Action::Fail | Action::FailRecords | Action::FailProducer | Action::Split
            )
        {
            return;
        }
        let Some((slot, at)) = self.answered_batch(index, p) else { return };
        let Some(batch) = self.slot_mut(slot).and_then(|slot| slot.window.get_mut(at)) else { return };
        let (meta, bytes) = batch.parts();
        // Too large is the end of the last record only.
        if verdict.action == Action::Split && meta.builder.count > 1 {
            return;
        }
        let bytes = delivery::room_for_notes(bytes, meta.ends);
        // A batch that was told already is somebody's to read.
        if meta.flags & flag::FAILED == 0 {
            if meta.flags & flag::NOTES == 0 {
                delivery::clear_notes(bytes);
                meta.flags |= flag::NOTES;
                meta.error = DeliveryError::Broker(p.error.0);
            }
            write(bytes);
        }
    }

    /// The batch that this part of the answer is about.
    fn answered_batch(&self, index: u16, p: &Produced) -> Option<(u16, usize)> {
        let correlation = self.link(index)?.link.in_flight.front()?.correlation;
        let slot = self.find_slot(p.topic?, p.partition)?;
        let at = self.slots.at(slot)?.window.find(index, correlation)?;
        Some((slot, at))
    }

    fn produced_partition(&mut self, index: u16, p: &mut Produced, now: Millis) {
        let Some((slot, at)) = self.answered_batch(index, p) else { return };
        if let Some(request) = self.link_mut(index).and_then(|slot| slot.link.in_flight.front_mut()) {
            request.batches = request.batches.saturating_sub(1);
        }
        // As `Sender.completeBatch`: another error says nothing of who leads.
        let moved = matches!(p.error, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
        if feature::HINTS
            && moved
            && p.leader >= 0
            && let Some(slot) = self.slot_mut(slot)
        {
            slot.hint = (p.leader, p.leader_epoch);
            p.hinted = true;
        }
        let place = (p.base_offset.get(), p.append_time.get());
        self.judge(slot, at, p.error, place, p.has_start, now);
        self.tidy(slot);
    }

    /// The answer is over.
    pub(super) fn produced(&mut self, index: u16, request: &Request, p: &Produced, now: Millis) {
        let waited = u32::try_from(now.since(request.sent_at)).unwrap_or(0);
        self.stats.add(|stats| &mut stats.answers, 1);
        self.stats.add(|stats| &mut stats.latency_ms, waited);
        self.stats.longest(|stats| &mut stats.latency_max_ms, waited);
        // What the request carried and the answer did not name: nobody knows.
        if self.link(index).is_some() && request.batches > 0 {
            self.give_up_request(index, request.correlation, true, DeliveryError::MalformedAnswer, now);
        }
        if feature::HINTS && p.hinted {
            self.follow_hints();
        }
    }

    /// Turns to the leaders that an answer named, if we know where they are.
    fn follow_hints(&mut self) {
        for index in 0..self.slot_count() {
            let Some(slot) = self.slot_mut(index) else { continue };
            let (leader, epoch) = core::mem::replace(&mut slot.hint, (NO_LEADER, -1));
            if leader < 0 {
                continue;
            }
            let known = self
                .find_link(leader)
                .and_then(|link| self.link(link))
                .is_some_and(|slot| slot.link.has_endpoint());
            let Some(slot) = self.slot_mut(index) else { continue };
            if known && slot.place.follow(leader, epoch) {
                // A newer leader than at the last attempt: no need to wait. But brokers that send us to and fro are
                // followed at once only every other time.
                if !slot.window.hurried {
                    slot.window.hurried = true;
                    slot.window.retry_at = None;
                }
                self.changed = true;
            }
        }
    }

    /// A request was written and no answer is expected.
    pub(super) fn unanswered(&mut self, index: u16, request: &Request) {
        if request.call != Call::Produce || self.expects_answers() {
            return;
        }
        let limit =
            self.in_flight_limit() as usize + usize::from(defect::on(Defect::NextUnansweredForgotten));
        self.refresh.progressed();
        for slot in 0..self.slot_count() {
            let Some(partition) = self.slot_mut(slot) else { continue };
            let Some(at) = partition.window.find(index, request.correlation) else { continue };
            // No answer will wake us for what had to wait for this one.
            let mut waited_for = partition.window.len() >= limit;
            if let Some(batch) = partition.window.get_mut(at) {
                let meta = batch.meta_mut();
                meta.flags &= !flag::IN_FLIGHT;
                if meta.flags & flag::FAILED == 0 {
                    meta.flags |= flag::ACKED;
                } else {
                    // Its delivery was told already: nothing but its buffer is left for the next exchange.
                    waited_for = true;
                }
            }
            self.more |= waited_for;
            self.tidy(slot);
        }
    }
}
