//! What is done to the cluster and to the links, chosen by a seed.
//!
//! Brokers suffer one fault after the other, links at the same time on a thread of their own. The choice follows from
//! the seed alone; which broker leads the partition that was chosen, and how long Java takes to start, does not.
use super::records::PARTITIONS;
use crate::kafka::{Admin, Failure, Kafka, Partition, Proxy, Way};
use kurier_core::random::Random;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longer than any election.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a cut that was asked for may take to happen: links are silent while their broker is away.
const CUT: Duration = Duration::from_secs(2);

/// How often each fault was seen to happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Leaders killed by SIGKILL, and started again.
    pub kills: u64,
    /// Leaders ended by SIGTERM, and started again.
    pub restarts: u64,
    /// Brokers stopped by SIGSTOP for a while.
    pub pauses: u64,
    /// Partitions that got other replicas or another leader.
    pub reassigns: u64,
    /// Links cut: within requests, within answers, and wherever they were.
    pub cuts: [u64; 3],
    /// Links delayed, black-holed in one direction, or refused for a while.
    pub hindered: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Restart,
    Pause,
    /// Two brokers at once for longer than a delivery may take.
    Outage,
    Lead,
    Reassign,
}

/// Each kind of fault comes within the first of these, the rarer ones within the second.
const DECKS: [&[Fault]; 2] = [
    &[Fault::Kill, Fault::Kill, Fault::Kill, Fault::Pause, Fault::Lead, Fault::Reassign],
    &[Fault::Kill, Fault::Outage, Fault::Kill, Fault::Pause, Fault::Restart, Fault::Lead, Fault::Kill],
];

/// The faults of brokers.
pub(super) struct Brokers<'a> {
    kafka: &'a Kafka,
    admin: &'a Admin,
    random: Random,
    deck: Vec<Fault>,
    /// Decks that were begun.
    decks: usize,
    /// How long an outage of two brokers lasts.
    outage: Duration,
    begin: Instant,
    pub(super) happened: Happened,
}

impl<'a> Brokers<'a> {
    pub(super) fn new(kafka: &'a Kafka, admin: &'a Admin, seed: u64, outage: Duration) -> Self {
        let (random, begin) = (Random::new(seed), Instant::now());
        Self {
            kafka,
            admin,
            random,
            deck: Vec::new(),
            decks: 0,
            outage,
            begin,
            happened: Happened::default(),
        }
    }

    /// Whether each common kind has had its turn.
    pub(super) fn had_all(&self) -> bool {
        self.decks > 1 || (self.decks == 1 && self.deck.is_empty())
    }

    /// Does the next fault to the brokers of `topic` and mends it; fails only if the cluster cannot be mended. A
    /// change that the cluster refuses in its present state is told and not counted.
    pub(super) fn next(&mut self, topic: &str) -> Result<(), Failure> {
        if self.deck.is_empty() {
            let deck = DECKS.get(self.decks % 2).copied().unwrap_or_default();
            self.decks += 1;
            self.deck = deck.to_vec();
            for at in (1..self.deck.len()).rev() {
                let other = self.random.below(at as u32 + 1) as usize;
                self.deck.swap(at, other);
            }
        }
        let Some(fault) = self.deck.pop() else { return Ok(()) };
        let partition = self.random.below(PARTITIONS);
        let wait = self.within(300, 3000);
        match fault {
            Fault::Kill => {
                let leader = self.leader(topic, partition)?;
                self.say(&format!(
                    "broker {leader}, leader of partition {partition}, is killed for {wait:?}"
                ));
                self.kafka.kill_node(leader)?;
                self.happened.kills += 1;
                self.start_again(leader, wait)?;
            }
            Fault::Restart => {
                let leader = self.leader(topic, partition)?;
                self.say(&format!("broker {leader}, leader of partition {partition}, is told to end"));
                self.kafka.stop_node(leader)?;
                self.happened.restarts += 1;
                self.start_again(leader, wait)?;
            }
            Fault::Pause => {
                let leader = self.leader(topic, partition)?;
                self.say(&format!(
                    "broker {leader}, leader of partition {partition}, is paused for {:?}",
                    wait * 2
                ));
                self.pause(&[leader], wait * 2)?;
            }
            Fault::Outage => {
                let first = self.random.below(3) + 1;
                let two = [first, first % 3 + 1];
                self.say(&format!("brokers {two:?} are paused for {:?}", self.outage));
                self.pause(&two, self.outage)?;
            }
            Fault::Lead | Fault::Reassign => {
                let moved = self.move_partitions(topic, partition, matches!(fault, Fault::Reassign));
                if let Err(failure) = moved {
                    self.say(&format!("not moved: {failure}"));
                }
            }
        }
        std::thread::sleep(self.within(200, 1200));
        Ok(())
    }

    fn start_again(&self, broker: u32, wait: Duration) -> Result<(), Failure> {
        std::thread::sleep(wait);
        self.kafka.start_node(broker)?;
        self.say(&format!("broker {broker} is back"));
        Ok(())
    }

    fn pause(&mut self, brokers: &[u32], time: Duration) -> Result<(), Failure> {
        brokers.iter().try_for_each(|broker| self.kafka.pause(*broker))?;
        self.happened.pauses += brokers.len() as u64;
        std::thread::sleep(time);
        brokers.iter().try_for_each(|broker| self.kafka.resume(*broker))
    }

    /// Moves four partitions: to another leader, or off their leader's broker and back to all.
    fn move_partitions(&mut self, topic: &str, first: u32, replicas: bool) -> Result<(), Failure> {
        for step in 0..4 {
            let partition = (first + step * 3) % PARTITIONS;
            let seen = self.admin.partition(topic, partition)?;
            let others: Vec<_> =
                seen.replicas.iter().copied().filter(|id| Some(*id) != seen.leader).collect();
            let Some(next) = others.get(self.random.below(2) as usize).copied() else { continue };
            if replicas {
                self.say(&format!(
                    "partition {partition} moves from {:?} to {others:?} and back to all",
                    seen.leader
                ));
                self.admin.reassign(topic, partition, &others)?;
                let all: Vec<_> = others.iter().copied().chain(seen.leader).collect();
                self.admin.reassign(topic, partition, &all)?;
            } else {
                self.say(&format!(
                    "partition {partition} is to be led by {next} instead of {:?}",
                    seen.leader
                ));
                self.admin.lead(topic, partition, next)?;
            }
            self.happened.reassigns += 1;
        }
        Ok(())
    }

    /// The leader of a partition, once it has one that runs.
    fn leader(&self, topic: &str, partition: u32) -> Result<u32, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.admin.partition(topic, partition) {
                Ok(Partition { leader: Some(leader), .. }) if self.kafka.pid(leader).is_some() => {
                    return Ok(leader);
                }
                seen if Instant::now() >= end => {
                    return Err(Failure::new(format!("{topic}-{partition} has no leader: {seen:?}")));
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn within(&mut self, low: u32, high: u32) -> Duration {
        Duration::from_millis(self.random.within(low, high).into())
    }

    fn say(&self, what: &str) {
        eprintln!("{:7.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }
}

/// The faults of links.
pub(super) struct Links<'a> {
    proxies: &'a [Proxy],
    /// Held while links suffer.
    turn: Mutex<Turn>,
    over: AtomicBool,
}

struct Turn {
    random: Random,
    hindered: u64,
}

impl<'a> Links<'a> {
    pub(super) fn new(proxies: &'a [Proxy], seed: u64) -> Self {
        let turn = Turn { random: Random::new(seed ^ 0x6c69_6e6b), hindered: 0 };
        Self { proxies, turn: Mutex::new(turn), over: AtomicBool::new(false) }
    }

    /// One fault after the other, until [`Self::end`].
    pub(super) fn run(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let pause = {
                let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                self.one(&mut turn);
                turn.random.within(200, 2000)
            };
            std::thread::sleep(Duration::from_millis(pause.into()));
        }
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Links suffer no more while `calm` runs.
    pub(super) fn spared<T>(&self, calm: impl FnOnce() -> T) -> T {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        calm()
    }

    pub(super) fn count(&self, happened: &mut Happened) {
        happened.hindered = self.turn.lock().unwrap_or_else(PoisonError::into_inner).hindered;
        for proxy in self.proxies {
            for (sum, cuts) in happened.cuts.iter_mut().zip(proxy.cuts()) {
                *sum += cuts;
            }
        }
    }

    fn one(&self, turn: &mut Turn) {
        let random = &mut turn.random;
        let Some(proxy) = self.proxies.get(random.below(self.proxies.len() as u32) as usize) else { return };
        let way = if random.below(2) == 0 { Way::Requests } else { Way::Answers };
        let percent = match random.below(4) {
            0 => 0,
            1 => 100,
            _ => random.within(1, 99) as u8,
        };
        let time = Duration::from_millis(random.within(300, 4000).into());
        let delay = Duration::from_millis(random.within(10, 300).into());
        match random.below(8) {
            // Requests of records are larger than this, and of the answers those to them come most often.
            0..4 => {
                proxy.cut_within(way, percent, if way == Way::Requests { 1000 } else { 20 });
                let end = Instant::now() + CUT;
                while proxy.armed(way) && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(5));
                }
                proxy.disarm();
                return;
            }
            4 => drop(proxy.cut_all()),
            5 => {
                proxy.delay(way, delay);
                std::thread::sleep(time);
                proxy.delay(way, Duration::ZERO);
            }
            6 => {
                proxy.hold(way, true);
                std::thread::sleep(time);
                // What was held goes on late, or never.
                if random.below(2) == 0 {
                    proxy.cut_all();
                }
                proxy.hold(way, false);
            }
            _ => {
                proxy.refuse(true);
                proxy.cut_all();
                std::thread::sleep(time);
                proxy.refuse(false);
            }
        }
        turn.hindered += 1;
    }
}
