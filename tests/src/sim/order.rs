//! The order in which a producer writes batches to its links, judged by what it could know at each moment.
//!
//! A partition's batches are named by their records' numbers, which rise in the order of appending. Whatever happens:
//! a batch is first written after all earlier ones; it is written again only when its answer has been read or its link
//! closed, and nothing behind it is in flight any more; and once it waits to be written again, nothing behind it is
//! written before. Except for questions: once a broker has said of a batch that its sequence does not follow on, those
//! behind it in the same epoch may be written again with the stamps they had, the newest first, to learn what the broker
//! has. All that is in flight is on one link; and it is one batch only, unless the one acknowledged last in its epoch has
//! a time. A sequence is not given to other records in the same epoch.
use super::door::Door;
use super::frames::{Place, Sent};
use std::collections::BTreeMap;

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
    /// The first record of the batch that this is a part of, or of itself.
    whole: u64,
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

/// All batches of one producer. Moments are counted by its user.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Brokers stamp records.
    append_time: bool,
    /// By topic, from 0, and partition.
    batches: BTreeMap<(u8, i32), Vec<Batch>>,
    /// The topic of each record.
    pub(super) topics: Vec<u8>,
    /// The first record to which a partition's producer id, epoch and sequence were given.
    stamps: BTreeMap<(Place, (i64, i64, i64)), u64>,
    /// Partitions with the producer id and epoch under which a batch of theirs was acknowledged that has a time, and when last,
    /// in ms; and since which moment the last one has none.
    proven: BTreeMap<Epoch, (u64, u64)>,
}

impl Order {
    /// That of a producer of which nothing was seen yet; whether brokers stamp records.
    pub(super) fn new(append_time: bool) -> Self {
        Self { append_time, ..Self::default() }
    }

    /// That of a producer that goes on with the records of this one, and perhaps with its identity: then what was stamped
    /// stays so.
    pub(super) fn after(self, notes: bool) -> Self {
        let stamps = if notes { self.stamps } else { BTreeMap::new() };
        Self { append_time: self.append_time, topics: self.topics, stamps, ..Self::default() }
    }

    /// How many records there are.
    pub(super) fn records(&self) -> u64 {
        self.topics.len() as u64
    }

    /// Whether any of these records of a partition was in a request.
    pub(super) fn has_written(&self, partition: i32, records: &[usize]) -> bool {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return false };
        let topic = self.topics.get(*first).copied().unwrap_or(u8::MAX);
        let written = self.batches.get(&(topic, partition)).into_iter().flatten();
        written.into_iter().any(|batch| batch.first <= *last as u64 && *first as u64 <= batch.last)
    }

    /// Whether each batch was acknowledged.
    pub(super) fn is_all_over(&self) -> bool {
        self.batches.values().flatten().all(|known| matches!(known.state, State::Over(_)))
    }

    /// A topic keeps its partitions' order when it is made anew under another id.
    fn key(&self, sent: &Sent) -> (u8, i32) {
        let topic = usize::try_from(sent.first).ok().and_then(|first| self.topics.get(first));
        (topic.copied().unwrap_or(u8::MAX), sent.place.1)
    }

    /// A batch is written to a link, in a request that was first tried at `tried`, at `now` ms.
    pub(super) fn writes(
        &mut self,
        door: &Door,
        link: usize,
        tried: u64,
        sent: &Sent,
        now: u64,
    ) -> Result<(), String> {
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
        let proven =
            sent.stamp.0 < 0 || proof.is_some_and(|(at, until)| now <= at + PROOF && tried <= *until);
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
        join(batches, first, last);
        let Some(at) = batches.iter().position(|batch| batch.first <= first && last <= batch.last) else {
            if let Some(later) = batches.iter().find(|batch| batch.last > first) {
                return what(&format!("is written for the first time after that of record {}", later.first));
            }
            batches.push(Batch {
                first,
                last,
                whole: first,
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
            State::Over(since) if door.is_renamed(&sent.place.0, known.written) => since,
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
            // And its part of the sequence, which goes from the greatest number of 32 bits to 0.
            batches[at].stamp.2 = (sent.stamp.2 + sent.count) & i64::from(i32::MAX);
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

    /// A broker's word on a batch that this link carries, read at `moment`, at `now` ms.
    pub(super) fn answered(&mut self, sent: &Sent, link: usize, error: i64, moment: u64, now: u64) {
        // Acknowledged, or known to be there.
        let over = matches!(error, 0 | 46);
        let epoch = (self.key(sent), (sent.stamp.0, sent.stamp.1));
        if over && (sent.timed || (error == 0 && self.append_time)) {
            self.proven.insert(epoch, (now, u64::MAX));
        } else if over && let Some((_, until)) = self.proven.get_mut(&epoch) {
            // Brokers reckon by the records' time for how long they remember who wrote them.
            *until = moment.min(*until);
        }
        let state = if over { State::Over(moment) } else { State::Waiting(moment) };
        let batches = self.batches.get_mut(&self.key(sent)).into_iter().flatten();
        for batch in batches.filter(|batch| sent.first == batch.first && batch.state == State::Flying(link)) {
            batch.state = state;
            batch.denied = if error == 45 { moment } else { 0 };
        }
    }

    /// The producer may not have known before now what it was told of these.
    pub(super) fn put_off(&mut self, answered: &[Sent], now: u64) {
        for sent in answered {
            let batches = self.batches.get_mut(&self.key(sent)).into_iter().flatten();
            for batch in batches.filter(|batch| sent.first == batch.first) {
                if let State::Waiting(since) | State::Over(since) = &mut batch.state {
                    *since = now;
                }
            }
        }
    }

    /// The producer has closed a link, at `moment`.
    pub(super) fn closed(&mut self, link: usize, moment: u64) {
        for batch in self.batches.values_mut().flatten() {
            if batch.state == State::Flying(link) {
                batch.state = State::Waiting(moment);
            }
        }
    }
}

/// What is left of a batch may go in larger pieces than the first ones were: its parts from `first` to `last` are one again.
fn join(batches: &mut Vec<Batch>, first: u64, last: u64) {
    let Some(at) = batches.iter().position(|batch| (batch.first..=batch.last).contains(&first)) else {
        return;
    };
    while let [one, next, ..] = &batches[at..]
        && one.last < last
        && one.whole == next.whole
        && [one, next].iter().all(|part| matches!(part.state, State::Waiting(_)))
    {
        batches[at].last = next.last;
        batches.remove(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(first: u64, last: u64, sequence: i64) -> Sent {
        let count = (last - first + 1).cast_signed();
        Sent { place: (vec![b'a'], 0), stamp: (7, 0, sequence), first, last, count, len: 100, timed: true }
    }

    /// One was denied; the one behind it is asked about, is too large, and is asked about in pieces.
    fn asked_in_pieces(third: &Sent, again: &Sent) -> Result<(), String> {
        let mut order = Order { topics: vec![0; 8], ..Order::default() };
        let door = Door::default();
        order.proven.insert(((0, 0), (7, 0)), (0, u64::MAX));
        order.writes(&door, 0, 1, &sent(1, 1, i64::from(i32::MAX) - 1), 0)?;
        order.writes(&door, 0, 2, &sent(2, 4, i64::from(i32::MAX)), 0)?;
        order.closed(0, 3);
        order.writes(&door, 0, 4, &sent(1, 1, i64::from(i32::MAX) - 1), 0)?;
        order.answered(&sent(1, 1, i64::from(i32::MAX) - 1), 0, 45, 5, 0);
        let whole = sent(2, 4, i64::from(i32::MAX));
        let first = sent(2, 2, i64::from(i32::MAX));
        for (piece, moment) in [(&whole, 6), (&first, 8), (third, 10)] {
            order.writes(&door, 0, moment, piece, 0)?;
            order.answered(piece, 0, 10, moment + 1, 0);
        }
        order.writes(&door, 0, 12, again, 0)
    }

    #[test]
    fn what_is_left_of_a_batch_may_go_in_larger_pieces() {
        let mut order = Order { topics: vec![0; 9], ..Order::default() };
        let door = Door::default();
        let mut go = |piece: Sent, error: i64, moment: u64| {
            let written = order.writes(&door, 0, moment, &piece, 0);
            order.answered(&piece, 0, error, moment + 1, 0);
            written
        };
        let pieces = [(sent(1, 6, 0), 10), (sent(1, 3, 0), 10), (sent(1, 1, 0), 0), (sent(2, 2, 1), 0)];
        for (moment, (piece, error)) in (1..).step_by(2).zip(pieces) {
            assert_eq!(go(piece, error, moment), Ok(()));
        }
        assert_eq!(go(sent(3, 5, 2), 0, 20), Ok(()));
        assert_eq!(go(sent(7, 7, 6), 0, 22), Ok(()));
        assert_eq!(go(sent(8, 8, 7), 10, 24), Ok(()));
        assert!(go(sent(6, 8, 5), 0, 26).is_err(), "another batch is no part of it");
    }

    #[test]
    fn a_question_may_be_asked_in_pieces_with_the_part_of_the_sequence_that_each_had() {
        let restamped = sent(1, 1, 0);
        let restamped = Sent { stamp: (7, 1, 0), ..restamped };
        assert_eq!(asked_in_pieces(&sent(3, 3, 0), &restamped), Ok(()));
        let other = asked_in_pieces(&sent(3, 3, 5), &restamped);
        assert!(other.is_err_and(|why| why.contains("had to wait while that of record 3")));
    }
}
