//! Calls that are allowed at any time and that nobody needs: in the middle of everything.
use super::fault;
use super::oracle::{Finding, Wrong};
use super::world::World;
#[cfg(feature = "whole")]
use kurier_core::error::SendError;
use kurier_core::error::TopicError;
#[cfg(feature = "whole")]
use kurier_core::record::Ticket;
use kurier_core::record::{Record, Topic};
#[cfg(feature = "whole")]
use kurier_core::time::Timestamp;

/// Of all kinds on all links, at most: as many as the largest storage has links, each with its own limit and two that are
/// not about records.
const MOST_REQUESTS: u32 = 8 * (5 + 2);

impl World {
    /// One of them.
    pub(super) fn odd_call(&mut self) -> Result<(), Finding> {
        match self.dice.below(12) {
            #[cfg(feature = "whole")]
            0 => self.misuse(Record { timestamp: Some(Timestamp(-7)), ..Record::default() }),
            #[cfg(feature = "whole")]
            1 => self.misuse(Record { partition: Some(-3), ..Record::default() }),
            #[cfg(feature = "whole")]
            2 => self.misuse(Record { partition: Some(i32::MAX), ..Record::default() }),
            3 => self.unknown_topic(),
            4 => self.bad_name(),
            5 => self.take(1),
            6 => self.take(2),
            7 => self.check_marks(false),
            8 | 9 => {
                self.flush()?;
                self.flush()
            }
            10 => self.counts(),
            // Another call of poll at the same moment, and one that nobody asked for.
            _ => {
                self.poll()?;
                self.poll()
            }
        }
    }

    #[cfg(feature = "whole")]
    /// A record that cannot be sent is refused, whatever the state.
    fn misuse(&mut self, record: Record<'_>) -> Result<(), Finding> {
        let Some(Some(topic)) = self.user.topics.first().copied() else { return Ok(()) };
        let now = self.instant();
        match self.home.with(|producer| producer.send(topic, Record { value: Some(b"bad"), ..record }, now)) {
            Some(Ok(Ticket { serial, .. })) => {
                Err((Wrong::Broken, format!("a record with {record:?} is accepted in batch {serial}")))
            }
            Some(Err(SendError::Closed)) if !self.user.closed => {
                Err((Wrong::Broken, "a producer that was not closed says it is".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn unknown_topic(&mut self) -> Result<(), Finding> {
        let now = self.instant();
        match self.home.with(|producer| producer.send(Topic(9), Record::default(), now)) {
            Some(Ok(_)) => Err((Wrong::Broken, "a record for no topic is accepted".to_owned())),
            _ => Ok(()),
        }
    }

    fn bad_name(&mut self) -> Result<(), Finding> {
        let name = self.dice.pick(&["", ".", "..", "a b", "a/b", "\u{e4}"]);
        let now = self.instant();
        match self.home.with(|producer| producer.topic(name, now)) {
            Some(Ok(_)) => Err((Wrong::Broken, format!("a topic is called {name:?}"))),
            _ => Ok(()),
        }
    }

    /// A topic that nobody writes to is registered, if there is room for it, and those before it keep their places.
    pub(super) fn another_topic(&mut self) -> Result<(), Finding> {
        let size = &super::memory::SIZES[self.scenario.size];
        let wanted = self.scenario.topics.iter().zip(&self.user.topics);
        let mut known: Vec<_> = wanted.filter_map(|((name, _), topic)| Some((*name, (*topic)?))).collect();
        if known.len() < self.scenario.topics.len() {
            // Their places are not taken from them.
            return Ok(());
        }
        known.extend(self.user.others.iter().copied());
        let name =
            self.dice.pick(&["x", "other", "yet-another", "a.name.that.takes.much.of.the.room.for.names"]);
        let bytes: usize = known.iter().map(|(name, _)| name.len()).sum();
        let before = known.iter().find(|(known, _)| *known == name).map(|(_, topic)| *topic);
        let now = self.instant();
        let Some(answer) = self.home.with(|producer| producer.topic(name, now)) else { return Ok(()) };
        self.timeline.note(|| format!("user    registers {name}: {answer:?}"));
        let right = match (before, answer) {
            (Some(before), answer) => answer == Ok(before),
            (None, Ok(topic)) => {
                self.user.others.push((name, topic));
                known.push((name, topic));
                known.len() <= size.topics
                    && bytes + name.len() <= size.name_bytes
                    && known.iter().filter(|(_, other)| *other == topic).count() == 1
            }
            (None, Err(TopicError::NoRoom)) => bytes + name.len() > size.name_bytes,
            (None, Err(TopicError::Full)) => known.len() == size.topics,
            (None, Err(_)) => false,
        };
        if !right {
            return Err((Wrong::Broken, format!("{name} is answered with {answer:?}, beside {known:?}")));
        }
        for (name, topic) in known {
            let again = self.home.with(|producer| producer.topic(name, now));
            if again != Some(Ok(topic)) {
                return Err((Wrong::Broken, format!("{name} was {topic:?} and is {again:?}")));
            }
        }
        Ok(())
    }

    /// What can be read at any time.
    pub(super) fn look_around(&mut self) -> Result<(), Finding> {
        self.counts()?;
        let damaged = self.scenario.has(fault::MALFORM);
        let wrong = self.home.with(|producer| {
            let asked = producer.requests_in_flight();
            if asked > MOST_REQUESTS {
                return Some(format!("{asked} requests in flight"));
            }
            let (_, to) = producer.trouble()?;
            let known = to.host.is_empty() || to.host == "broker" && to.port > 9000;
            (!known && !damaged).then(|| format!("trouble with {}:{}, which is nobody", to.host, to.port))
        });
        wrong.flatten().map_or(Ok(()), |what| Err((Wrong::Broken, what)))
    }

    /// What can be read is within its bounds.
    fn counts(&mut self) -> Result<(), Finding> {
        let most = super::memory::SIZES[self.scenario.size].batches;
        let topics: Vec<Topic> = self.user.topics.iter().flatten().copied().collect();
        let wrong = self.home.with(|producer| {
            let _ = producer.stats();
            let free = producer.free_buffers();
            let bad = topics.iter().filter_map(|topic| producer.partitions(*topic)).find(|count| *count < 0);
            if free > most {
                Some(format!("{free} free buffers of {most}"))
            } else {
                bad.map(|n| format!("{n} partitions"))
            }
        });
        wrong.flatten().map_or(Ok(()), |what| Err((Wrong::Broken, what)))
    }
}
