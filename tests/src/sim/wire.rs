//! The order in which a producer writes batches to its links, judged by what it could know at each moment.
//!
//! A partition's batches are named by their records' numbers, which rise in the order of appending. Whatever happens:
//! a batch is first written after all earlier ones; it is written again only when its answer has been read or its link
//! closed, and nothing behind it is in flight any more; and once it waits to be written again, nothing behind it is
//! written before. Except for questions: once a broker has said of a batch that its sequence does not follow on, those
//! behind it in the same epoch may be written again with the stamps they had, the newest first, to learn what the broker
//! has. All that is in flight is on one link; and it is one batch only, until one was acknowledged in its epoch. A
//! sequence is not given to other records in the same epoch. A link whose broker has asked for silence carries no new
//! batches before that is over.
use super::door::{Door, Rules};
use super::frames::{self, Place, Request, Sent};
use std::collections::{BTreeMap, VecDeque};

/// For how long an acknowledgement shows that a broker knows the producer, in ms.
const PROOF: u64 = 60_000;

/// A partition of a topic, and a producer id and epoch in it.
type Epoch = ((u8, i32), (i64, i64));

/// Where a batch is, as its producer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Written to this link, and not answered.
    Flying(usize),
    /// Refused, or its link was closed, at this moment.
    Waiting(u64),
    /// Acknowledged, at this moment.
    Over(u64),
}

#[derive(Debug, Clone)]
struct Batch {
    first: u64,
    last: u64,
    state: State,
    /// The moment at which it was written last.
    written: u64,
    /// Where to: the topic's id, or its name.
    place: Place,
    /// Producer id, epoch and sequence of that.
    stamp: (i64, i64, i64),
    /// With the stamp it had before, and behind one of its epoch that was denied by then.
    asked: bool,
    /// The moment of the last answer, if that was that its sequence is not the next one; else 0.
    denied: u64,
}

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
    /// By topic, from 0, and partition.
    batches: BTreeMap<(u8, i32), Vec<Batch>>,
    /// The topic of each record.
    topics: Vec<u8>,
    /// The first record to which a partition's producer id, epoch and sequence were given.
    stamps: BTreeMap<(Place, (i64, i64, i64)), u64>,
    /// Partitions with the producer id and epoch under which a batch of theirs was acknowledged, and when last, in ms.
    proven: BTreeMap<Epoch, u64>,
    door: Door,
    moment: u64,
    in_flight: usize,
}

impl Wire {
    pub(super) fn new(in_flight: usize, rules: Rules) -> Self {
        Self { in_flight, door: Door::new(rules), ..Self::default() }
    }

    /// A record for this topic has the next number.
    pub(super) fn record(&mut self, topic: usize) {
        self.topics.push(topic as u8);
    }

    /// The newest record has opened a batch, at `now` µs.
    pub(super) fn opened(&mut self, now: u64) {
        self.door.opened(self.topics.len() as u64 - 1, now / 1000);
    }

    /// What lingers goes now: it is flushed, or there is no memory left.
    pub(super) fn hurry(&mut self) {
        self.door.hurry(self.topics.len() as u64);
    }

    /// One that goes on with the records of another.
    pub(super) fn after(self) -> Self {
        let mut next = Self {
            topics: self.topics,
            in_flight: self.in_flight,
            door: self.door.after(),
            ..Self::default()
        };
        next.hurry();
        next
    }

    /// A topic keeps its partitions' order when it is made anew under another id.
    fn key(&self, sent: &Sent) -> (u8, i32) {
        let topic = usize::try_from(sent.first).ok().and_then(|first| self.topics.get(first));
        (topic.copied().unwrap_or(u8::MAX), sent.place.1)
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
    ) -> Result<(), String> {
        self.tap(link).up.extend_from_slice(bytes);
        loop {
            let tap = self.tap(link);
            let Some((size, rest)) = tap.up.split_first_chunk() else { break };
            let size = u32::from_be_bytes(*size) as usize;
            let Some(frame) = rest.get(..size) else { break };
            let request = frames::request(frame);
            tap.up.drain(..size + 4);
            let tried = std::mem::take(&mut tap.tried);
            let Some(request) = request else { return Err("a request cannot be read".to_owned()) };
            // Questions may have been begun, and not tried, when they learned of it.
            if tap.early && request.batches.is_some() {
                return Err(format!(
                    "batches are written to link {link} although its broker asked for silence until {} ms",
                    tap.silent_until
                ));
            }
            for batch in request.batches.iter().flatten() {
                // Others in the request, or waiting for it, may have made it go.
                let alone = request.batches.as_deref().is_some_and(|batches| batches.len() == 1)
                    && self.door.may_linger(batch)
                    && self.batches.values().flatten().all(|known| matches!(known.state, State::Over(_)));
                let records = self.topics.len() as u64;
                self.door.writes(batch, (i64::from(broker), alone), tried, now / 1000, records)?;
                self.send(link, tried, batch, now / 1000)?;
            }
            let in_flight = self.in_flight;
            let tap = self.tap(link);
            tap.asked.push_back(request);
            let flying = tap.asked.iter().filter(|request| request.batches.is_some()).count();
            if flying > in_flight {
                return Err(format!("{flying} requests in flight on link {link}, {in_flight} are allowed"));
            }
            if !tap.up.is_empty() {
                self.tries(link, now);
            }
        }
        Ok(())
    }

    fn send(&mut self, link: usize, tried: u64, sent: &Sent, now: u64) -> Result<(), String> {
        let (first, last) = (sent.first, sent.last);
        let what = |about: &str| Err(format!("the batch of record {first} in {} {about}", sent.place.1));
        if sent.stamp.0 >= 0 {
            let known = *self.stamps.entry((sent.place.clone(), sent.stamp)).or_insert(first);
            if known != first {
                return what(&format!("has the stamp {:?} of the batch of record {known}", sent.stamp));
            }
        }
        let key = self.key(sent);
        // How long a broker remembers is not for ever.
        let proof = self.proven.get(&(key, (sent.stamp.0, sent.stamp.1)));
        let proven = sent.stamp.0 < 0 || proof.is_some_and(|at| now <= at + PROOF);
        let batches = self.batches.entry(key).or_default();
        if !proven && batches.iter().any(|other| matches!(other.state, State::Flying(_))) {
            return what("is not the only one in flight, though none was acknowledged in its epoch");
        }
        for other in batches.iter().filter(|other| other.first > last || other.last < first) {
            if let State::Flying(on) = other.state
                && on != link
            {
                return what(&format!(
                    "goes to link {link}, while record {} is in flight on {on}",
                    other.first
                ));
            }
        }
        let Some(at) = batches.iter().position(|batch| batch.first <= first && last <= batch.last) else {
            if let Some(later) = batches.iter().find(|batch| batch.last > first) {
                return what(&format!("is written for the first time after that of record {}", later.first));
            }
            batches.push(Batch {
                first,
                last,
                state: State::Flying(link),
                written: tried,
                place: sent.place.clone(),
                stamp: sent.stamp,
                asked: false,
                denied: 0,
            });
            return Ok(());
        };
        let known = batches[at].clone();
        let waiting_since = match known.state {
            State::Flying(_) => return what("is written again before its answer was read"),
            // In a topic that was made anew it is not there.
            State::Over(since) if known.place != sent.place => since,
            // Or was told to have been, and back: the answer was about a topic that it did not know then.
            State::Over(since) if self.door.is_renamed(&sent.place.0, known.written) => since,
            State::Over(_) => return what("is written again, though it was acknowledged"),
            State::Waiting(since) => since,
        };
        for later in batches.iter().filter(|batch| batch.first > known.last) {
            if matches!(later.state, State::Flying(_)) {
                return what(&format!("is written again, while that of record {} is in flight", later.first));
            }
            if later.written > waiting_since && !later.asked {
                return what(&format!("had to wait while that of record {} was written", later.first));
            }
        }
        // What is left of a batch that was split keeps its place behind its first part.
        if last < known.last {
            batches[at].first = last + 1;
            batches.insert(at, Batch { first, last, ..known });
        }
        batches[at].first = first;
        batches[at].state = State::Flying(link);
        batches[at].written = tried;
        batches[at].stamp = sent.stamp;
        batches[at].place = sent.place.clone();
        let denied = |b: &Batch| {
            (1..tried).contains(&b.denied)
                && (b.stamp.0, b.stamp.1) == (sent.stamp.0, sent.stamp.1)
                && matches!(b.state, State::Waiting(_))
        };
        batches[at].asked = known.stamp == sent.stamp && batches.iter().take(at).any(denied);
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
                    // Acknowledged, or known to be there.
                    let over = matches!(error, 0 | 46);
                    if over {
                        self.proven.insert((self.key(sent), (sent.stamp.0, sent.stamp.1)), now / 1000);
                    }
                    self.moment += 1;
                    let state = if over { State::Over(self.moment) } else { State::Waiting(self.moment) };
                    let denied = if *error == 45 { self.moment } else { 0 };
                    self.settle(sent, link, state, denied);
                }
            }
            if !whole {
                return;
            }
            // Of a topic whose id has changed meanwhile it takes no verdict: at the end it gives up what has none.
            if by_id {
                self.put_off(&batches);
            }
        }
    }

    /// The producer may not have known before now what it was told of these.
    fn put_off(&mut self, answered: &[Sent]) {
        self.moment += 1;
        let now = self.moment;
        for sent in answered {
            let batches = self.batches.get_mut(&self.key(sent)).into_iter().flatten();
            for batch in batches.filter(|batch| sent.first == batch.first) {
                if let State::Waiting(since) | State::Over(since) = &mut batch.state {
                    *since = now;
                }
            }
        }
    }

    /// Whether nothing is being written, waits for its answer or has to wait for a broker's silence to end, at `now` µs.
    pub(super) fn is_quiet(&self, now: u64) -> bool {
        self.taps.iter().all(|tap| tap.up.is_empty() && tap.asked.is_empty() && tap.quiet_until <= now / 1000)
    }

    fn settle(&mut self, sent: &Sent, link: usize, state: State, denied: u64) {
        let batches = self.batches.get_mut(&self.key(sent)).into_iter().flatten();
        for batch in batches.filter(|batch| sent.first == batch.first && batch.state == State::Flying(link)) {
            batch.state = state;
            batch.denied = denied;
        }
    }

    /// The producer closes a link.
    pub(super) fn closed(&mut self, link: usize) {
        self.moment += 1;
        let moment = self.moment;
        for batch in self.batches.values_mut().flatten() {
            if batch.state == State::Flying(link) {
                batch.state = State::Waiting(moment);
            }
        }
        *self.tap(link) = Tap::default();
    }
}
