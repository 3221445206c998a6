//! What a producer writes to its links and reads from them, taken to pieces: requests with their batches, and the answers.
//!
//! Each batch is shown to `order` and `door` when it is written, and what an answer says when it is read. A link whose broker
//! has asked for silence carries no new batches before that is over, and no more requests with batches than it may.
use super::door::{Door, Rules};
use super::frames::{self, Request};
use super::oracle::{Finding, Wrong};
use super::order::Order;
use std::collections::VecDeque;

/// One link: bytes of frames that are not complete, and requests that are not answered.
#[derive(Debug, Default)]
struct Tap {
    up: Vec<u8>,
    down: Vec<u8>,
    /// When writing the frame in `up` was first tried; 0 if it was not.
    tried: u64,
    /// That was while the broker had asked for silence, until this moment (ms).
    early: bool,
    silent_until: u64,
    /// The same, counted from the last byte of the answer on.
    quiet_until: u64,
    /// When the first byte of what is in `down` came, in ms.
    came: u64,
    asked: VecDeque<Request>,
    /// Verdicts of the answer in `down` that were taken.
    taken: usize,
    /// What came is damaged; the rest is not looked at.
    damaged: bool,
}

/// All links of one producer.
#[derive(Debug, Default)]
pub(super) struct Wire {
    taps: Vec<Tap>,
    order: Order,
    door: Door,
    moment: u64,
    in_flight: usize,
}

impl Wire {
    pub(super) fn new(in_flight: usize, rules: Rules) -> Self {
        let order = Order::new(rules.append_time);
        Self { in_flight, order, door: Door::new(rules), ..Self::default() }
    }

    /// A record for this topic has the next number.
    pub(super) fn record(&mut self, topic: usize) {
        self.order.topics.push(topic as u8);
    }

    /// The newest record has opened a batch, at `now` µs.
    pub(super) fn opened(&mut self, now: u64) {
        self.door.opened(self.order.records() - 1, now / 1000);
    }

    /// What lingers goes now: it is flushed, or there is no memory left.
    pub(super) fn hurry(&mut self) {
        self.door.hurry(self.order.records());
    }

    /// Whether any of these records of a partition was in a request.
    pub(super) fn has_written(&self, partition: i32, records: &[usize]) -> bool {
        self.order.has_written(partition, records)
    }

    /// One that goes on with the records of another, and perhaps with its identity.
    pub(super) fn after(self, notes: bool) -> Self {
        let mut next = Self {
            order: self.order.after(notes),
            in_flight: self.in_flight,
            door: self.door.after(),
            ..Self::default()
        };
        next.hurry();
        next
    }

    fn tap(&mut self, link: usize) -> &mut Tap {
        if self.taps.len() <= link {
            self.taps.resize_with(link + 1, Tap::default);
        }
        &mut self.taps[link]
    }

    /// The producer tries to write, at `now` µs.
    pub(super) fn tries(&mut self, link: usize, now: u64) {
        self.moment += 1;
        let moment = self.moment;
        let tap = self.tap(link);
        if tap.tried == 0 {
            tap.tried = moment;
            tap.early = now / 1000 < tap.silent_until;
        }
    }

    /// It has written so much to a broker, at `now` µs.
    pub(super) fn wrote(
        &mut self,
        (link, broker): (usize, i32),
        bytes: &[u8],
        now: u64,
    ) -> Result<(), Finding> {
        let broken = |what| Err((Wrong::Broken, what));
        self.tap(link).up.extend_from_slice(bytes);
        loop {
            let tap = self.tap(link);
            let Some((size, rest)) = tap.up.split_first_chunk() else { break };
            let size = u32::from_be_bytes(*size) as usize;
            let Some(frame) = rest.get(..size) else { break };
            let request = frames::request(frame);
            tap.up.drain(..size + 4);
            let tried = std::mem::take(&mut tap.tried);
            let Some(request) = request else { return broken("a request cannot be read".to_owned()) };
            // Questions may have been begun, and not tried, when they learned of it.
            if tap.early && request.batches.is_some() {
                return broken(format!(
                    "batches are written to link {link} although its broker asked for silence until {} ms",
                    tap.silent_until
                ));
            }
            for batch in request.batches.iter().flatten() {
                // Others in the request, or waiting for it, may have made it go.
                let alone = request.batches.as_deref().is_some_and(|batches| batches.len() == 1)
                    && self.door.may_linger(batch)
                    && self.order.is_all_over();
                let written = (i64::from(broker), alone);
                let told = self.door.writes(batch, written, tried, now / 1000, self.order.records());
                told.map_err(|what| (Wrong::Broken, what))?;
                let sent = self.order.writes(&self.door, link, tried, batch, now / 1000);
                sent.map_err(|what| (Wrong::Reordered, what))?;
            }
            let in_flight = self.in_flight;
            let tap = self.tap(link);
            tap.asked.push_back(request);
            let flying = tap.asked.iter().filter(|request| request.batches.is_some()).count();
            if flying > in_flight {
                return broken(format!(
                    "{flying} requests in flight on link {link}, {in_flight} are allowed"
                ));
            }
            if !tap.up.is_empty() {
                self.tries(link, now);
            }
        }
        Ok(())
    }

    /// The producer has read so much, at `now` µs.
    pub(super) fn read(&mut self, link: usize, bytes: &[u8], now: u64) {
        let wanted = self.door.wants_leaders();
        let tap = self.tap(link);
        if tap.damaged {
            return;
        }
        if tap.down.is_empty() {
            tap.came = now / 1000;
        }
        tap.down.extend_from_slice(bytes);
        loop {
            let tap = self.tap(link);
            let Some((size, rest)) = tap.down.split_first_chunk() else { return };
            let Ok(size) = usize::try_from(i32::from_be_bytes(*size)) else {
                tap.damaged = true;
                return;
            };
            let (Some((correlation, rest)), Some(Request { api, correlation: expected, version, batches })) =
                (rest.split_first_chunk(), tap.asked.front())
            else {
                return;
            };
            if i64::from(i32::from_be_bytes(*correlation)) != *expected || size < 4 {
                tap.damaged = true;
                return;
            }
            let whole = rest.len() >= size - 4;
            let by_id = *version >= 13;
            let body = rest.get(..size - 4).unwrap_or(rest);
            let said = match batches {
                Some(_) => frames::answer(body, *version, whole),
                None => Some(Vec::new()),
            };
            tap.damaged |= said.is_none();
            let said = said.unwrap_or_default();
            let new: Vec<_> = said.iter().skip(tap.taken).cloned().collect();
            let batches = batches.clone().unwrap_or_default();
            tap.taken = said.len();
            let asked = *api == 3 && wanted;
            let views = if asked { frames::views(body, *version) } else { Vec::new() };
            if whole {
                // Counted from the first byte on: the field may have come before the last one.
                let silence = frames::throttle(body, *api, *version);
                tap.silent_until = tap.silent_until.max(tap.came + silence);
                tap.quiet_until = tap.quiet_until.max(now / 1000 + silence);
                tap.came = now / 1000;
                tap.down.drain(..size + 4);
                tap.asked.pop_front();
                tap.taken = 0;
            }
            if asked {
                self.moment += 1;
                if whole {
                    self.door.learned(&views, self.moment);
                } else {
                    self.door.learns(&views, self.moment);
                }
            }
            for said in new {
                let (place, error, _) = &said;
                for sent in batches.iter().filter(|sent| sent.place == *place) {
                    self.door.answered(sent, &said);
                    self.moment += 1;
                    self.order.answered(sent, link, *error, self.moment, now / 1000);
                }
            }
            if !whole {
                return;
            }
            // Of a topic whose id has changed meanwhile it takes no verdict: at the end it gives up what has none.
            if by_id {
                self.moment += 1;
                self.order.put_off(&batches, self.moment);
            }
        }
    }

    /// From when on (µs) no broker's silence has to be waited for; `None` if something is being written, or waits for its
    /// answer.
    pub(super) fn quiet_from(&self) -> Option<u64> {
        let quiet = self.taps.iter().all(|tap| tap.up.is_empty() && tap.asked.is_empty());
        quiet.then(|| self.taps.iter().map(|tap| tap.quiet_until * 1000).max().unwrap_or(0))
    }

    /// The producer closes a link.
    pub(super) fn closed(&mut self, link: usize) {
        self.moment += 1;
        self.order.closed(link, self.moment);
        let tap = self.tap(link);
        // The broker's silence outlives the stream.
        *tap = Tap { quiet_until: tap.quiet_until, ..Tap::default() };
    }
}
