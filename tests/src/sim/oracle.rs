//! What the user was told, against what lies in the logs.
use super::content::{Content, number};
use super::notes;
use kurier_broker::Cluster;
use kurier_core::delivery::Told;
use kurier_core::error::{DeliveryError, Fate, Outcome};
use kurier_core::record::Ticket;
use std::collections::BTreeMap;

/// How a history went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// An acknowledged record is not where it was said to be, or not as it was sent.
    Lost,
    /// A record is in the log twice, or although it was called not written.
    Duplicated,
    /// Records or deliveries of a partition are out of order.
    Reordered,
    /// Something that had to happen did not, or happened without end.
    Stuck,
    /// Another promise was broken.
    Broken,
}

/// What is wrong, in words.
pub(super) type Finding = (Wrong, String);

/// What the user was told of a record.
#[derive(Debug, Clone, Copy)]
struct Answer {
    partition: i32,
    fate: Fate,
    offset: Option<i64>,
    timestamp: Option<i64>,
}

struct Sent {
    topic: usize,
    /// Which of the producers it was given to, from 0.
    producer: u32,
    /// The time it was given, if not by its number.
    timestamp: Option<i64>,
    partition: Option<i32>,
    answer: Option<Answer>,
    /// It was never accepted.
    refused: bool,
    /// Its producer has crashed before it was told.
    crashed: bool,
}

/// A record in a log: life of the topic, partition, offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    life: u32,
    topic: usize,
    partition: i32,
    offset: i64,
    timestamp: i64,
}

/// Everything the user did and was told.
pub(super) struct Oracle {
    seed: u64,
    longest: u64,
    idempotent: bool,
    /// Acknowledged ones stay in order.
    ordered: bool,
    /// Acknowledged ones are in the log.
    durable: bool,
    /// The cluster may lose what one broker has acknowledged.
    pub(super) forgives: bool,
    /// Brokers stamp records.
    append_time: bool,
    /// A broker that refuses records says which, and nothing keeps that from the user.
    pub(super) noted: bool,
    sent: Vec<Sent>,
    /// The records of each batch, and how many of them were told; by producer and serial.
    batches: BTreeMap<(u32, u32), (Vec<usize>, usize)>,
    /// The newest serial told of each partition.
    newest: BTreeMap<(usize, i32), u32>,
    /// What logs held that are gone.
    places: Vec<(usize, Place)>,
    life: u32,
    /// Lost by the cluster, as it may with acks=1.
    pub(super) written: u64,
    lossy: Vec<usize>,
    /// Producers that have crashed.
    pub(super) producer: u32,
    /// The topics of batches that were dropped for newer ones, and of which nothing was told yet.
    pub(super) displaced: Vec<usize>,
}

impl Oracle {
    pub(super) fn new(
        seed: u64,
        longest: u64,
        idempotent: bool,
        ordered: bool,
        durable: bool,
        append_time: bool,
    ) -> Self {
        Self {
            seed,
            longest,
            idempotent,
            ordered,
            durable,
            forgives: false,
            append_time,
            noted: false,
            sent: Vec::new(),
            batches: BTreeMap::new(),
            newest: BTreeMap::new(),
            places: Vec::new(),
            life: 0,
            written: 0,
            lossy: Vec::new(),
            producer: 0,
            displaced: Vec::new(),
        }
    }

    /// The contents of the next record.
    pub(super) fn next(&self) -> Content {
        Content::new(self.seed, self.sent.len() as u64, self.longest)
    }

    /// It was accepted. Answers its number.
    pub(super) fn accepted(
        &mut self,
        topic: usize,
        partition: Option<i32>,
        timestamp: Option<i64>,
        ticket: Ticket,
    ) -> Result<usize, Finding> {
        let id = self.sent.len();
        self.sent.push(Sent {
            topic,
            producer: self.producer,
            timestamp,
            partition,
            answer: None,
            refused: false,
            crashed: false,
        });
        let (records, told) = self.batches.entry((self.producer, ticket.serial)).or_default();
        if *told > 0 || records.len() != ticket.index as usize {
            return Err((Wrong::Broken, format!("record {id} got the ticket {ticket:?} of another")));
        }
        records.push(id);
        Ok(id)
    }

    /// It can never be accepted.
    pub(super) fn refused(&mut self, topic: usize) {
        self.sent.push(Sent {
            topic,
            producer: self.producer,
            timestamp: None,
            partition: None,
            answer: None,
            refused: true,
            crashed: false,
        });
    }

    /// A delivery was taken.
    pub(super) fn told(&mut self, told: &Told<'_>, topic: usize) -> Result<(), Finding> {
        let serial = told.serial;
        let Some((records, done)) = self.batches.get_mut(&(self.producer, serial)) else {
            return Err((Wrong::Broken, format!("a delivery of batch {serial}, which was never sent")));
        };
        // One that was too large is told piece by piece.
        let (first, count, rest) = (told.first as usize, told.count as usize, told.rest as usize);
        if count == 0 || first != *done || first + count + rest != records.len() {
            let known = records.len();
            return Err((
                Wrong::Broken,
                format!(
                    "batch {serial} has {known} records, {done} told, then {count} from {first}, {rest} left"
                ),
            ));
        }
        *done += count;
        if matches!(told.outcome, Outcome::Failed { error: DeliveryError::Displaced, .. }) {
            let Some(asked) = self.displaced.iter().position(|asked| *asked == topic) else {
                return Err((
                    Wrong::Broken,
                    format!("batch {serial} was dropped, and nobody asked for that"),
                ));
            };
            self.displaced.swap_remove(asked);
            if told.outcome.fate() != Fate::NotWritten {
                return Err((Wrong::Broken, format!("batch {serial} was dropped though it may be written")));
            }
        } else {
            self.in_turn(told, topic)?;
        }
        let Some((records, _)) = self.batches.get(&(self.producer, serial)) else { return Ok(()) };
        let contents = records.iter().skip(first).take(count);
        let keyless = contents.map(|id| Content::new(self.seed, *id as u64, self.longest).has_no_key());
        notes::check(told, keyless, self.noted)?;
        for (id, index) in records.iter().skip(first).take(count).zip(told.first..) {
            let of = told.of(Ticket { serial, index });
            let sent = &mut self.sent[*id];
            let Some(of) = of else {
                return Err((Wrong::Broken, format!("the delivery of batch {serial} has no record {index}")));
            };
            if sent.topic != topic || sent.partition.is_some_and(|wanted| wanted != told.partition) {
                return Err((Wrong::Broken, format!("record {id} went to partition {}", told.partition)));
            }
            let fate = of.outcome.fate();
            self.written += u64::from(fate == Fate::Written);
            sent.answer =
                Some(Answer { partition: told.partition, fate, offset: of.offset, timestamp: of.timestamp });
        }
        Ok(())
    }

    /// Batches of a partition are told in the order in which they were opened.
    fn in_turn(&mut self, told: &Told<'_>, topic: usize) -> Result<(), Finding> {
        let serial = told.serial;
        let newest = self.newest.entry((topic, told.partition)).or_insert(serial);
        if *newest > serial {
            return Err((
                Wrong::Reordered,
                format!("batch {serial} is told after {newest} of its partition"),
            ));
        }
        *newest = serial;
        Ok(())
    }

    /// The records of a batch.
    pub(super) fn records_of(&self, serial: u32) -> &[usize] {
        self.batches.get(&(self.producer, serial)).map_or(&[], |(records, _)| records)
    }

    /// Batches that were not told yet.
    pub(super) fn untold(&self) -> usize {
        self.batches.values().filter(|(records, told)| *told < records.len()).count()
    }

    /// A batch among the first `count` that was not told.
    pub(super) fn untold_before(&self, count: usize) -> Option<u32> {
        let open = |(records, told): &(Vec<usize>, usize)| *told < records.len();
        self.batches.iter().take(count).find(|(_, batch)| open(batch)).map(|((_, serial), _)| *serial)
    }

    /// Batches so far.
    pub(super) fn batches(&self) -> usize {
        self.batches.len()
    }

    /// The producer is gone, and with it what it has not told. Another takes its place.
    pub(super) fn crash(&mut self) {
        self.batches.retain(|_, (records, told)| *told == records.len());
        self.newest.clear();
        self.displaced.clear();
        for sent in &mut self.sent {
            sent.crashed |= sent.answer.is_none();
        }
        self.producer += 1;
    }

    /// Keeps what is in the logs of a topic that is about to be deleted.
    pub(super) fn bury(&mut self, cluster: &Cluster, topic: usize, name: &str) -> Result<(), Finding> {
        self.read(cluster, topic, name)?;
        self.life += 1;
        Ok(())
    }

    /// The cluster is about to lose what lies from `offset` on.
    pub(super) fn forgive(&mut self, cluster: &Cluster, name: &str, partition: i32, offset: i64) {
        let gone = cluster.records(name, partition).filter(|record| record.offset >= offset);
        self.lossy.extend(gone.filter_map(|record| number(&record)));
    }

    fn read(&mut self, cluster: &Cluster, topic: usize, name: &str) -> Result<(), Finding> {
        for partition in 0..cluster.partitions(name) {
            if self.forgives {
                self.lossy.extend(cluster.lost(name, partition).filter_map(|record| number(&record)));
            }
            for record in cluster.records(name, partition) {
                let known = number(&record).filter(|id| self.sent.get(*id).is_some_and(|sent| !sent.refused));
                let (offset, timestamp) = (record.offset, record.timestamp);
                let place = Place { life: self.life, topic, partition, offset, timestamp };
                let Some(id) = known else {
                    return Err((Wrong::Broken, format!("a record that nobody sent: {place:?}")));
                };
                let content = Content::new(self.seed, id as u64, self.longest).at(self.sent[id].timestamp);
                if !content.equals(&record, self.append_time) {
                    return Err((Wrong::Lost, format!("record {id} lies in the log with other contents")));
                }
                self.places.push((id, place));
            }
        }
        Ok(())
    }

    /// Compares everything.
    pub(super) fn check(
        &mut self,
        cluster: &Cluster,
        topics: &[&str],
        all_told: bool,
    ) -> Result<(), Finding> {
        for (topic, name) in topics.iter().enumerate() {
            self.read(cluster, topic, name)?;
        }
        let mut found: Vec<Vec<Place>> = vec![Vec::new(); self.sent.len()];
        for (id, place) in &self.places {
            found[*id].push(*place);
        }
        for (id, (sent, places)) in self.sent.iter().zip(&found).enumerate() {
            let partition = sent.answer.map(|answer| answer.partition).or(sent.partition);
            if let Some(astray) = places
                .iter()
                .find(|p| p.topic != sent.topic || partition.is_some_and(|known| known != p.partition))
            {
                return Err((Wrong::Broken, format!("record {id} lies astray: {astray:?}")));
            }
            let twice = places.windows(2).any(|pair| pair[0].life == pair[1].life);
            if self.idempotent && twice {
                return Err((Wrong::Duplicated, format!("record {id} lies at {places:?}")));
            }
            let Some(answer) = sent.answer else {
                if all_told && !sent.refused && !sent.crashed {
                    return Err((Wrong::Stuck, format!("record {id} has no delivery")));
                }
                continue;
            };
            self.judge(id, answer, places)?;
        }
        self.order()
    }

    fn judge(&self, id: usize, answer: Answer, places: &[Place]) -> Result<(), Finding> {
        match answer.fate {
            Fate::NotWritten if !places.is_empty() => {
                Err((Wrong::Duplicated, format!("record {id} was called not written and lies at {places:?}")))
            }
            Fate::Written if self.durable && !self.lossy.contains(&id) => {
                // Of a retried batch the broker's time is not told when it is that of the newest record in it, for then
                // it looks like that of a batch which the broker had already.
                let own = self.sent[id].timestamp;
                let stamped = |place: &Place| {
                    let told = if self.append_time { answer.timestamp.or(own) } else { answer.timestamp };
                    told.map_or(!self.append_time || !cfg!(feature = "whole"), |told| told == place.timestamp)
                };
                let there = match answer.offset {
                    Some(offset) => places.iter().any(|place| place.offset == offset && stamped(place)),
                    None => !places.is_empty(),
                };
                if there {
                    return Ok(());
                }
                Err((
                    Wrong::Lost,
                    format!("record {id} is acknowledged as {answer:?} and lies at {places:?}"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// The order of each partition: of every record under idempotence, else of the first copies of acknowledged ones.
    fn order(&self) -> Result<(), Finding> {
        if !self.ordered && !self.idempotent {
            return Ok(());
        }
        let mut last: BTreeMap<(u32, usize, i32, u32), (usize, i64)> = BTreeMap::new();
        let mut seen = vec![u32::MAX; self.sent.len()];
        let mut places: Vec<_> = self.places.iter().map(|(id, place)| (*place, *id)).collect();
        places.sort_unstable();
        for (place, id) in places {
            let acknowledged = self.sent[id].answer.is_some_and(|answer| answer.fate == Fate::Written);
            let copy = std::mem::replace(&mut seen[id], place.life) == place.life;
            if copy || (!self.idempotent && !acknowledged) || self.lossy.contains(&id) {
                continue;
            }
            let before = last.insert(
                (place.life, place.topic, place.partition, self.sent[id].producer),
                (id, place.offset),
            );
            if let Some((before, offset)) = before
                && before > id
            {
                return Err((
                    Wrong::Reordered,
                    format!("record {id} lies at {place:?}, behind record {before} at {offset}"),
                ));
            }
        }
        Ok(())
    }
}
