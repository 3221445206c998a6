//! One record into the append half, on the caller's thread. The usual way is one lock and one copy; whatever else
//! there is to do (a new topic, memory to make, something to wait for) takes the slow way, which waits outside the
//! lock and then tries again from the start.
use crate::heap::HeapBuf;
use crate::memory::{Chores, Grant};
use crate::record::{Cause, Facts};
use crate::shared::{Append, Shared};
use kurier_core::accumulator::{Appended, Refused};
use kurier_core::batch::upper_bound;
use kurier_core::error::SendError;
use kurier_core::record::{Record, Ticket, Topic};
use kurier_core::time::{Instant, Timestamp};

/// More bytes than a record without headers needs in a batch of its own, beside its key and value.
const FRAMING: usize = 128;

/// Why a record was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// For the caller.
    Misuse(SendError),
    /// The end of the record itself.
    Record(Cause),
}

/// Whether a call may wait for metadata and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Up to `max.block.ms`.
    MaxBlock,
    /// Not at all: says what it would wait for.
    None,
}

/// What the slow way does next, outside the lock.
enum Step<T> {
    /// Accepted; whether the I/O thread has something new to consider.
    Accepted(T, bool),
    Refused(Refusal),
    /// Make a buffer of so many bytes and try again.
    Make(usize),
    /// Wait in the line for memory.
    Memory(u64),
    /// Wait for news of the cluster.
    Metadata(u64),
}

/// One record on the slow way.
struct Attempt<'r, 'a> {
    name: &'r str,
    record: &'r Record<'a>,
    timestamp: Timestamp,
    now: Instant,
    /// Bytes of the buffer it would open a batch in.
    need: usize,
    /// A buffer that was granted to this record.
    mine: Option<HeapBuf>,
    may_wait: bool,
    /// It has waited: what the cluster says now was said since.
    has_waited: bool,
}

impl Shared {
    /// Appends `record` and has `accept` take note of it in its batch, under the lock.
    #[inline]
    pub(crate) fn append<T>(
        &self,
        name: &str,
        record: &Record<'_>,
        patience: Patience,
        accept: impl FnOnce(&mut HeapBuf, Ticket, Facts) -> T,
    ) -> Result<T, Refusal> {
        let (now, wall) = self.clock.both();
        let timestamp = match record.timestamp {
            None => wall,
            Some(given) if given.0 >= 0 => given,
            Some(_) => return Err(Refusal::Misuse(SendError::InvalidTimestamp)),
        };
        let facts = Facts::of(record, timestamp);
        // Without headers no need to look closer: the rest of a record and a batch's header are less than this.
        let need = match record.headers {
            [] => {
                let [key, value] = [record.key, record.value].map(|bytes| bytes.map_or(0, <[u8]>::len));
                key.saturating_add(value).saturating_add(FRAMING)
            }
            _ => upper_bound(record),
        };
        let mut held = self.append.lock();
        let append = &mut *held;
        // With a buffer at hand the append half never finds itself without memory.
        if append.memory.spare.as_ref().is_some_and(|spare| spare.capacity() >= need)
            && let Some(topic) = append.topics.find(name)
            && let spare = &mut append.memory.spare
            && let Ok(appended) = append.accumulator.append(topic, record, timestamp, now, spare)
        {
            append.memory.refill();
            let accepted = append.accept(appended, facts, accept);
            drop(held);
            if appended.wake {
                self.bell.ring();
            }
            return accepted;
        }
        drop(held);
        let may_wait = patience == Patience::MaxBlock && !self.is_io_thread();
        let attempt = Attempt { name, record, timestamp, now, need, mine: None, may_wait, has_waited: false };
        self.append_slowly(attempt, patience, facts, accept)
    }

    #[cold]
    fn append_slowly<T>(
        &self,
        mut attempt: Attempt<'_, '_>,
        patience: Patience,
        facts: Facts,
        accept: impl FnOnce(&mut HeapBuf, Ticket, Facts) -> T,
    ) -> Result<T, Refusal> {
        let mut accept = Some(accept);
        let deadline = self.clock.system(attempt.now).checked_add(self.max_block);
        loop {
            let mut chores = Chores::default();
            let step = self.append.lock().step(&mut attempt, facts, &mut accept, &mut chores);
            chores.run();
            if !matches!(step, Step::Accepted(_, false) | Step::Make(_)) {
                self.bell.ring();
            }
            match step {
                Step::Accepted(accepted, _) => return accepted,
                Step::Refused(refusal) => return Err(refusal.for_caller(patience)),
                Step::Make(bytes) => attempt.mine = Some(HeapBuf::new(bytes)),
                Step::Memory(id) => attempt.mine = self.wait_for_memory(id, deadline)?,
                Step::Metadata(id) => {
                    self.wait_for_metadata(id, deadline)
                        .map_err(|late| self.in_full(late, attempt.name, attempt.record.partition))?;
                }
            }
            attempt.has_waited = true;
            attempt.now = self.clock.now();
        }
    }
}

impl Refusal {
    /// Who may not wait is told what it would wait for: a caller that said so by an error it can act on, a callback
    /// by the end of its record.
    const fn for_caller(self, patience: Patience) -> Self {
        match (self, patience) {
            (Self::Record(Cause::NoMemory { .. }), Patience::None) => Self::Misuse(SendError::Full),
            (Self::Record(Cause::NoMetadata { .. }), Patience::None) => Self::Misuse(SendError::NotReady),
            _ => self,
        }
    }
}

impl Append {
    /// Whether no record will be taken any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.asks.over || self.asks.failed || self.asks.closing.is_some()
    }

    /// Tells the record's batch of it.
    #[inline]
    fn accept<T>(
        &mut self,
        appended: Appended,
        facts: Facts,
        accept: impl FnOnce(&mut HeapBuf, Ticket, Facts) -> T,
    ) -> Result<T, Refusal> {
        // The batch that was just appended to is open.
        let batch = self.accumulator.open_mut(appended.slot).ok_or(Refusal::Misuse(SendError::Closed))?;
        Ok(accept(batch, appended.ticket, facts))
    }

    /// The topic's handle, a new one if need be.
    pub(crate) fn topic(&mut self, name: &str) -> Result<Topic, Refusal> {
        if let Some(topic) = self.topics.find(name) {
            return Ok(topic);
        }
        let topic = self.topics.add(name).map_err(|error| Refusal::Record(Cause::TopicName(error)))?;
        self.accumulator.publish_topic(topic, 0, 0, 0);
        Ok(topic)
    }

    /// One try on the slow way.
    fn step<T, F: FnOnce(&mut HeapBuf, Ticket, Facts) -> T>(
        &mut self,
        attempt: &mut Attempt<'_, '_>,
        facts: Facts,
        accept: &mut Option<F>,
        chores: &mut Chores,
    ) -> Step<Result<T, Refusal>> {
        let step = self.try_once(attempt, facts, accept, chores);
        // What was granted and not used goes to the next in line; who waits for something else holds nothing.
        if let Some(unused) = attempt.mine.take() {
            self.memory.give(unused, chores);
        }
        self.memory.refill();
        step
    }

    fn try_once<T, F: FnOnce(&mut HeapBuf, Ticket, Facts) -> T>(
        &mut self,
        attempt: &mut Attempt<'_, '_>,
        facts: Facts,
        accept: &mut Option<F>,
        chores: &mut Chores,
    ) -> Step<Result<T, Refusal>> {
        let topic = match self.topic(attempt.name) {
            Ok(topic) => topic,
            Err(refusal) => return Step::Refused(refusal),
        };
        let size = attempt.need.max(self.memory.standard());
        if attempt.mine.is_none() {
            // Beforehand, since to be without a buffer means to the append half that memory is exhausted.
            match self.memory.request(size, chores) {
                Grant::Buffer(buffer) => attempt.mine = Some(buffer),
                Grant::Make(bytes) => return Step::Make(bytes),
                Grant::Nothing => (),
            }
        }
        let Attempt { record, timestamp, now, .. } = *attempt;
        let mut refused = self.accumulator.append(topic, record, timestamp, now, &mut attempt.mine);
        if let Err(Refused::Send(SendError::TopicRefused(_))) = refused
            && attempt.may_wait
            && !attempt.has_waited
        {
            // An old refusal: the cluster may think otherwise by now.
            self.accumulator.retry_topic(topic);
            refused = Err(Refused::NeedsMetadata);
        }
        match refused {
            Ok(appended) => match accept.take() {
                Some(accept) => Step::Accepted(self.accept(appended, facts, accept), appended.wake),
                None => Step::Refused(Refusal::Misuse(SendError::Closed)),
            },
            Err(refused) => self.refused(attempt, topic, refused, chores),
        }
    }

    /// What to do about a refusal: wait for what is missing, or say so.
    fn refused<T>(
        &mut self,
        attempt: &Attempt<'_, '_>,
        topic: Topic,
        refused: Refused,
        chores: &mut Chores,
    ) -> Step<T> {
        let cause = match refused {
            Refused::NeedsBuffer { .. } => {
                let (need, total) = (attempt.need, self.memory.total());
                if need > total {
                    let [size, max] = [need, total].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
                    Cause::TooLarge { size, max }
                } else if attempt.may_wait {
                    return Step::Memory(self.memory.queue(need.max(self.memory.standard()), chores));
                } else {
                    Cause::NoMemory { waited_ms: 0 }
                }
            }
            Refused::NeedsMetadata | Refused::NeedsSlot { .. } => {
                if attempt.may_wait {
                    return Step::Metadata(self.asks.wait_for(topic));
                }
                self.asks.want(topic);
                Cause::NoMetadata { waited_ms: 0 }
            }
            Refused::Send(SendError::TopicRefused(code)) => {
                self.asks.want(topic);
                Cause::TopicRefused(code)
            }
            Refused::Send(SendError::RecordTooLarge { size, max }) => Cause::TooLarge { size, max },
            Refused::Send(error) => return Step::Refused(Refusal::Misuse(error)),
        };
        Step::Refused(Refusal::Record(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_bound_of_a_records_size_is_no_less_than_the_exact_one() {
        for len in [0, 1, 127, 128, 1 << 14, 1 << 21] {
            let bytes = vec![0; len];
            let record = Record::value(&bytes).key(&bytes);
            assert!(upper_bound(&record) <= 2 * len + FRAMING);
        }
    }

    #[test]
    fn who_may_not_wait_is_told_what_it_would_wait_for() {
        let full = Refusal::Record(Cause::NoMemory { waited_ms: 0 });
        assert_eq!(full.for_caller(Patience::None), Refusal::Misuse(SendError::Full));
        assert_eq!(full.for_caller(Patience::MaxBlock), full);
    }
}
