//! The user of the producer: sends, flushes, takes deliveries now or later, leaves.
use super::fault;
use super::oracle::{Finding, Wrong};
use super::scenario::End;
use super::world::World;
use kurier_core::delivery::Told;
use kurier_core::error::{DeliveryError, Outcome, SendError};
use kurier_core::producer::Mark;
use kurier_core::record::Topic;
use std::collections::BTreeMap;

/// Tries that are refused, after which the user gives up.
const MOST_REFUSALS: u64 = 25;

/// What the user has done so far.
#[derive(Default)]
pub(super) struct User {
    pub(super) topics: Vec<Option<Topic>>,
    /// Registered for nothing.
    pub(super) others: Vec<(&'static str, Topic)>,
    pub(super) tried: u64,
    pub(super) accepted: u64,
    /// Tries in a row that were refused.
    refused: u32,
    /// When each batch was opened, in µs.
    opened: BTreeMap<u32, u64>,
    /// It has waited once before it aborts.
    paused: bool,
    /// Calls still to be made, of one that has left.
    pub(super) calls_left: Option<u32>,
    pub(super) closed: bool,
    pub(super) aborted: bool,
    pub(super) fatal: bool,
    /// There was no room since the last poll: nothing lingers until then.
    pub(super) exhausted: bool,
    /// A point in the stream of records, and the batches before it.
    marks: Vec<(Mark, usize)>,
}

impl World {
    /// One thing the user does, and when the next one comes.
    pub(super) fn act(&mut self) -> Result<(), Finding> {
        self.user_at = self.now + self.dice.around(self.scenario.pace) + 1;
        if let Some(left) = self.user.calls_left {
            return self.go_on(left);
        }
        let works = self.scenario.has(fault::WORK);
        if self.scenario.has(fault::CALLS) && self.dice.chance(250) {
            self.odd_call()?;
        }
        if self.scenario.has(fault::TOPICS) && self.dice.chance(200) {
            self.another_topic()?;
        }
        match self.dice.below(100) {
            0..=79 => {
                let burst = if self.dice.chance(200) { self.dice.within(2, 12) } else { 1 };
                for _ in 0..burst {
                    self.user.tried += 1;
                    if !self.send(false)? {
                        // Who is refused waits before the next try: a cluster is not asked in no time.
                        self.user.refused += 1;
                        let wait = 300 << self.user.refused.min(10);
                        self.user_at = self.user_at.max(self.now + if works { wait } else { 0 });
                        break;
                    }
                    self.user.refused = 0;
                    if works && self.user.accepted >= self.scenario.records {
                        break;
                    }
                }
            }
            80..=87 => self.flush()?,
            88..=95 => self.take(usize::MAX)?,
            // Polled for nothing.
            _ => {}
        }
        let done = if works {
            let refusals = self.user.tried.saturating_sub(self.user.accepted);
            self.user.accepted >= self.scenario.records || refusals >= MOST_REFUSALS || self.user.fatal
        } else {
            self.user.tried >= self.scenario.records
        };
        if done
            && works
            && self.scenario.ends_by == End::Abort
            && !std::mem::replace(&mut self.user.paused, true)
        {
            // Else few records would ever be written before an abort.
            let life = self.scenario.latency.1 * 8 + 4000;
            self.user_at += self.dice.around(life);
        } else if done {
            self.leave()?;
        }
        Ok(())
    }

    /// The handle of a topic, registered when it is first needed.
    fn topic(&mut self, index: usize) -> Result<Option<Topic>, Finding> {
        if self.user.topics.len() <= index {
            self.user.topics.resize(index + 1, None);
        }
        if let Some(known) = self.user.topics[index] {
            return Ok(Some(known));
        }
        let (name, now) = (self.scenario.topics[index].0, self.instant());
        let topic = self.home.with(|producer| producer.topic(name, now));
        match topic {
            Some(Ok(topic)) => {
                self.timeline.note(|| format!("user    registers {name} as {}", topic.0));
                self.user.topics[index] = Some(topic);
                Ok(Some(topic))
            }
            // The names of all of them may not fit.
            _ => Ok(None),
        }
    }

    /// Sends a record. Answers whether it was accepted.
    pub(super) fn send(&mut self, probe: bool) -> Result<bool, Finding> {
        let index = self.dice.below(self.scenario.topics.len() as u64) as usize;
        self.send_to(index, probe)
    }

    pub(super) fn send_to(&mut self, index: usize, probe: bool) -> Result<bool, Finding> {
        let name = self.scenario.topics[index].0;
        let Some(topic) = self.topic(index)? else { return Ok(false) };
        let count = self.net.cluster.partitions(name).max(1) as u64;
        let partition = self.dice.chance(300).then(|| self.dice.below(count) as i32).filter(|_| !probe);
        let partition = partition.filter(|_| cfg!(feature = "whole"));
        let timestamp = self.scenario.has(fault::EXPIRE).then(|| super::net::unix(self.now));
        let content = self.oracle.next().at(timestamp);
        let now = self.instant();
        let sent =
            self.home.with(|producer| content.with(partition, |record| producer.send(topic, record, now)));
        let Some(sent) = sent else { return Ok(false) };
        match sent {
            Ok(_) if self.user.closed => {
                Err((Wrong::Broken, "a closed producer accepts a record".to_owned()))
            }
            Ok(ticket) => {
                if let Some(wire) = &mut self.net.wire {
                    wire.record(index);
                }
                let id = self.oracle.accepted(index, partition, timestamp, ticket)?;
                self.user.accepted += 1;
                // One that goes back to an older batch may have found the youngest full.
                if ticket.index > 0 && self.user.opened.keys().next_back() != Some(&ticket.serial) {
                    self.hurry();
                }
                if ticket.index == 0 {
                    if let Some(wire) = &mut self.net.wire {
                        wire.opened(self.now);
                    }
                    self.user.opened.insert(ticket.serial, self.now);
                    if self.user.exhausted {
                        self.hurry();
                    }
                }
                self.pounce();
                self.timeline
                    .note(|| format!("user    sends record {id} to {name} {partition:?}: {ticket:?}"));
                Ok(true)
            }
            Err(error) => {
                self.hurry();
                self.user.exhausted = true;
                // Who tries until there is room would fill the timeline.
                if !matches!(error, SendError::Full | SendError::NotReady) {
                    self.timeline.note(|| format!("user    cannot send to {name} {partition:?}: {error}"));
                }
                match error {
                    SendError::Closed if !self.user.closed => {
                        Err((Wrong::Broken, "a producer that was not closed says it is".to_owned()))
                    }
                    SendError::RecordTooLarge { .. } => {
                        if let Some(wire) = &mut self.net.wire {
                            wire.record(index);
                        }
                        self.oracle.refused(index);
                        Ok(false)
                    }
                    SendError::Fatal(_) => {
                        self.user.fatal = true;
                        Ok(false)
                    }
                    SendError::Full if self.scenario.has(fault::CALLS) && self.dice.chance(300) => {
                        self.make_room(index, topic)?;
                        Ok(false)
                    }
                    SendError::UnknownTopic
                    | SendError::InvalidTimestamp
                    | SendError::InvalidPartition { .. } => {
                        Err((Wrong::Broken, format!("a good record is refused: {error}")))
                    }
                    _ => Ok(false),
                }
            }
        }
    }

    /// Drops the oldest batch of a topic that was never sent. With its delivery taken there is a buffer more.
    fn make_room(&mut self, index: usize, topic: Topic) -> Result<(), Finding> {
        let dropped = self.home.with(|producer| producer.drop_oldest(topic)) == Some(true);
        self.timeline.note(|| format!("user    drops the oldest batch of topic {index}: {dropped}"));
        if dropped {
            self.oracle.displaced.push(index);
        }
        if self.dice.chance(500) { self.take(usize::MAX) } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), Finding> {
        self.timeline.note(|| "user    flushes".to_owned());
        self.hurry();
        let before = self.oracle.batches();
        if let Some(mark) = self.home.with(|producer| producer.flush()) {
            self.user.marks.push((mark, before));
        }
        self.check_marks(false)
    }

    /// What lingers need not wait.
    fn hurry(&mut self) {
        if let Some(wire) = &mut self.net.wire {
            wire.hurry();
        }
    }

    /// A mark is reached when, and not before, every delivery before it was taken.
    pub(super) fn check_marks(&mut self, must: bool) -> Result<(), Finding> {
        let mut marks = std::mem::take(&mut self.user.marks);
        for (mark, before) in &marks {
            let flushed = self.home.with(|producer| producer.is_flushed(*mark)).unwrap_or(false);
            if let Some(serial) =
                self.oracle.untold_before(*before).filter(|_| flushed && !self.scenario.discard)
            {
                return Err((Wrong::Broken, format!("{mark:?} is flushed before batch {serial} is told")));
            }
            if must && !flushed {
                return Err((Wrong::Stuck, format!("{mark:?} is not flushed though all is told")));
            }
        }
        if marks.len() > 8 {
            marks.drain(..4);
        }
        self.user.marks = marks;
        Ok(())
    }

    /// Takes up to `most` deliveries.
    pub(super) fn take(&mut self, most: usize) -> Result<(), Finding> {
        let Self { home, oracle, user, timeline, net, scenario, nudged, now, .. } = self;
        let clock = Clock { now: *now, jumped_at: self.jumped_at, timeout: self.delivery_timeout };
        let prompt = !scenario.lazy && !scenario.discard;
        let long = scenario.patience * 1000;
        let calm = self.calm_since.filter(|since| *now > since + long);
        let taken = home.with(|producer| {
            for _ in 0..most {
                let Some(told) = producer.next_delivery() else { break };
                timeline.note(|| {
                    format!(
                        "user    is told of batch {}: topic {} partition {} {} records at {:?}, {}",
                        told.serial, told.topic.0, told.partition, told.count, told.base_offset, told.outcome
                    )
                });
                let topic = user.topics.iter().position(|topic| *topic == Some(told.topic));
                let name = topic.and_then(|index| scenario.topics.get(index)).map_or("", |(name, _)| *name);
                // One whose partition is gone can only expire.
                if calm.is_some()
                    && net.cluster.partitions(name) > told.partition
                    && matches!(told.outcome, Outcome::Failed { error: DeliveryError::TimedOut, .. })
                {
                    let what = format!("batch {} expires long after all is well", told.serial);
                    return Err((Wrong::Stuck, what));
                }
                if let Some(opened) = user.opened.get(&told.serial) {
                    clock.judge(&told, *opened, prompt)?;
                }
                oracle.told(&told, topic.unwrap_or(usize::MAX))?;
                let dropped = matches!(told.outcome, Outcome::Failed { error: DeliveryError::Displaced, .. });
                if dropped
                    && net
                        .wire
                        .as_ref()
                        .is_some_and(|wire| wire.has_written(told.partition, oracle.records_of(told.serial)))
                {
                    let what = format!("batch {} was sent, and is dropped for newer ones", told.serial);
                    return Err((Wrong::Broken, what));
                }
                *nudged = false;
            }
            Ok(())
        });
        taken.unwrap_or(Ok(()))
    }

    /// No more records.
    fn leave(&mut self) -> Result<(), Finding> {
        if self.scenario.has(fault::AFTER) {
            self.user.calls_left = Some(self.dice.below(7) as u32);
        } else {
            self.user_at = super::net::NEVER;
        }
        match self.scenario.ends_by {
            End::Flush => self.flush(),
            End::Close => self.close(),
            End::Abort => self.abort(),
        }
    }

    fn close(&mut self) -> Result<(), Finding> {
        self.timeline.note(|| "user    closes".to_owned());
        self.hurry();
        self.user.closed = true;
        let before = self.oracle.batches();
        if let Some(mark) = self.home.with(|producer| producer.close()) {
            self.user.marks.push((mark, before));
        }
        self.knock()
    }

    fn abort(&mut self) -> Result<(), Finding> {
        self.timeline.note(|| "user    aborts".to_owned());
        self.user.closed = true;
        self.user.aborted = true;
        self.home.with(|producer| producer.abort());
        self.knock()
    }

    /// One more call of somebody who has left; `left` are still to come.
    fn go_on(&mut self, left: u32) -> Result<(), Finding> {
        self.user.calls_left = left.checked_sub(1);
        if left == 0 {
            self.user_at = super::net::NEVER;
            self.user.calls_left = Some(0);
            return Ok(());
        }
        // Some are made while what was called before is under way, some long after.
        let pause = if self.dice.chance(300) { self.scenario.latency.1 * 2 + 2000 } else { 0 };
        self.user_at += self.dice.around(pause);
        match self.dice.below(10) {
            0 | 1 => self.flush(),
            2 | 3 => self.close(),
            4 => self.abort(),
            5 | 6 if self.user.closed => self.knock(),
            5 | 6 => self.send(false).map(|_| ()),
            7 => self.take(1),
            _ => self.look_around(),
        }
    }

    /// A closed producer takes no record.
    fn knock(&mut self) -> Result<(), Finding> {
        let Some(topic) = self.user.topics.iter().copied().flatten().next() else { return Ok(()) };
        let (content, now) = (self.oracle.next(), self.instant());
        let sent = self.home.with(|producer| content.with(None, |record| producer.send(topic, record, now)));
        match sent {
            Some(Err(SendError::Closed | SendError::Fatal(_))) => Ok(()),
            other => Err((Wrong::Broken, format!("a closed producer answers a record with {other:?}"))),
        }
    }
}

/// What time it is, as far as deadlines are concerned.
pub(super) struct Clock {
    pub(super) now: u64,
    pub(super) jumped_at: u64,
    /// ms.
    pub(super) timeout: u64,
}

impl Clock {
    /// A batch has its end when `delivery.timeout.ms` is over, and does not run out of time before. Instants are whole
    /// milliseconds in the core. A jump of the clock makes everything late, and so does who takes deliveries late.
    pub(super) fn judge(&self, told: &Told<'_>, opened: u64, prompt: bool) -> Result<(), Finding> {
        let (age, serial, timeout) = (self.now / 1000 - opened / 1000, told.serial, self.timeout);
        let timed_out = matches!(told.outcome, Outcome::Failed { error: DeliveryError::TimedOut, .. });
        if timed_out && age < timeout {
            let what = format!("batch {serial} runs out of time after {age} ms of {timeout}");
            return Err((Wrong::Broken, what));
        }
        if prompt && opened >= self.jumped_at && age > timeout {
            let what = format!("batch {serial} has its end after {age} ms, delivery.timeout.ms is {timeout}");
            return Err((Wrong::Stuck, what));
        }
        Ok(())
    }
}
