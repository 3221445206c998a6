//! Histories over real frames: the core, the smoltcp adapter and smoltcp itself on a cable to the model brokers that loses,
//! doubles, delays and damages frames, in virtual time. The same oracle compares what the user was told with the logs.
//!
//! Fewer kinds of faults than other histories have: the question here is what adapter and stack make of a bad cable, of streams
//! that break, of brokers that stop, and of clocks anywhere. `terms` draws the conditions, `user` sends,
//! `troubles` are what goes wrong beside the weather.
//!
//! Invariant: the device is woken as a main loop is: at the time that [`kurier_smoltcp::sleep`] tells, by a frame, and by its user.
mod terms;
mod troubles;
mod user;

use super::dice::Dice;
use super::memory::{Home, SIZES};
use super::net::{NEVER, unix};
use super::oracle::{Finding, Oracle, Wrong};
use super::timeline::Timeline;
use super::{Failure, Played, judged};
use crate::cable::{Brokers, CALM, End, cable};
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::config::Acks;
use kurier_core::record::Topic;
use kurier_smoltcp::Links;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::FaultInjector;
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::collections::BTreeMap;
use terms::Terms;

/// The most that any of the storages has.
const LINKS: usize = 8;
/// The least time that a turn takes, in µs.
const TURN: u64 = 50;
/// Turns in a row after which the device does not want to sleep, and nothing moves: a busy loop.
const HOT: u32 = 60;
/// Turns that are too many.
const MOST_TURNS: u32 = 400_000;
/// µs after the troubles in which everything must have come to its end, beside `delivery.timeout.ms`.
const PATIENCE: u64 = 60_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Storm,
    /// Nothing goes wrong any more; what was sent must end.
    Calm,
    /// A record must get through.
    Probe,
}

struct World {
    terms: Terms,
    dice: Dice,
    home: Home,
    links: Links<LINKS>,
    interface: Interface,
    sockets: SocketSet<'static>,
    device: FaultInjector<End>,
    brokers: Brokers,
    oracle: Oracle,
    timeline: Timeline,
    topics: Vec<Topic>,
    /// When each batch was opened, in µs.
    opened: BTreeMap<u32, u64>,
    stage: Stage,
    /// µs, all of these.
    now: u64,
    user_at: u64,
    trouble_at: u64,
    /// What is down comes back.
    mend_at: u64,
    calm_at: u64,
    until: u64,
    accepted: u64,
    troubles: u64,
    /// Records written when the probe began.
    written: u64,
    turns: u32,
    hot: u32,
}

/// Plays the history of `seed`.
///
/// # Errors
/// A promise was broken.
pub fn play(seed: u64) -> Result<Played, Failure> {
    run(seed, &Timeline::new(false))
}

/// Plays it again and tells it line by line.
pub fn tell(seed: u64) -> (Result<Played, Failure>, String) {
    let timeline = Timeline::new(true);
    let played = run(seed, &timeline);
    (played, timeline.text())
}

fn run(seed: u64, timeline: &Timeline) -> Result<Played, Failure> {
    judged(seed, timeline, || {
        let mut world = World::new(seed, timeline.clone())?;
        world.play()?;
        let mishaps: u32 = world.brokers.mishaps().iter().sum();
        Ok(Played {
            polls: world.turns.into(),
            accepted: world.accepted,
            written: world.oracle.written,
            struck: mishaps > 0 || world.troubles > 0,
        })
    })
}

fn instant(micros: u64) -> Instant {
    Instant::from_micros(micros.cast_signed())
}

impl World {
    fn new(seed: u64, timeline: Timeline) -> Result<Self, Finding> {
        let broken = |error: &dyn std::fmt::Display| (Wrong::Broken, error.to_string());
        let terms = Terms::new(&mut Dice::new(seed, 30));
        let now = terms.start;
        timeline.at(now);
        timeline.note(|| format!("{} with {terms:?}", SIZES[terms.size].name));
        let (near, far) = cable(terms.weather, seed as u32);
        // Kafka goes by the records' timestamps, which are old or missing here.
        let settings = Settings { producer_id_expiration_ms: i64::MAX, ..Settings::default() };
        let mut brokers = Brokers::new(Cluster::new(settings), terms.brokers, far);
        for name in terms.names() {
            brokers
                .cluster
                .create_topic(name, terms.partitions, TopicConfig::default())
                .map_err(|error| broken(&format!("{error:?}")))?;
        }
        let mut device = FaultInjector::new(near, seed as u32 | 1);
        device.set_corrupt_chance(terms.damage);
        device.set_drop_chance(terms.drop);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, instant(now));
        interface.update_ip_addrs(|list| {
            let _ = list.push(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24));
        });
        let mut sockets = SocketSet::new(vec![]);
        let (send, receive) = terms.buffers;
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let handles = std::array::from_fn(|_| sockets.add(Socket::new(buffer(receive), buffer(send))));
        let mut home = (SIZES[terms.size].make)(terms.config).map_err(|error| broken(&error))?;
        let at = kurier_core::time::Instant::from_micros(now);
        let mut topics = Vec::new();
        for name in terms.names() {
            match home.with(|producer| producer.topic(name, at)) {
                Some(Ok(topic)) => topics.push(topic),
                other => return Err(broken(&format!("topic {name}: {other:?}"))),
            }
        }
        let durable = !matches!(terms.acks, Acks::Zero);
        let ordered = durable && terms.in_flight == 1;
        let oracle = Oracle::new(seed, terms.longest, terms.idempotent, ordered, durable, false);
        let mut dice = Dice::new(seed, 31);
        Ok(Self {
            links: Links::new(handles, seed as u32),
            trouble_at: if terms.troubles > 0 { now + dice.around(terms.trouble) } else { NEVER },
            dice,
            home,
            interface,
            sockets,
            device,
            brokers,
            oracle,
            timeline,
            topics,
            opened: BTreeMap::new(),
            stage: Stage::Storm,
            now,
            user_at: now,
            mend_at: NEVER,
            calm_at: NEVER,
            until: NEVER,
            accepted: 0,
            troubles: 0,
            written: 0,
            turns: 0,
            hot: 0,
            terms,
        })
    }

    fn play(&mut self) -> Result<(), Finding> {
        for _ in 0..MOST_TURNS {
            self.timeline.at(self.now);
            if self.trouble_at <= self.now {
                self.strike();
            }
            if self.mend_at <= self.now {
                self.mend();
            }
            if self.user_at <= self.now {
                self.act()?;
            }
            let next = self.turn()?;
            let stage = self.stage;
            if self.move_on()? {
                return Ok(());
            }
            let next = if self.stage == stage { next } else { self.now };
            if next >= NEVER {
                return Err((Wrong::Stuck, format!("nothing will ever happen again: {}", self.state())));
            }
            self.now = next.max(self.now + TURN);
            if self.now > self.until {
                return Err((Wrong::Stuck, format!("out of patience: {}", self.state())));
            }
        }
        Err((Wrong::Stuck, format!("no end after {MOST_TURNS} turns: {}", self.state())))
    }

    fn state(&mut self) -> String {
        let (stage, untold) = (self.stage, self.oracle.untold());
        let producer = self.home.with(|producer| (producer.free_buffers(), *producer.stats()));
        format!("{stage:?}, {untold} batches untold, {producer:?} at {}", self.now)
    }

    /// The main loop of a device. Answers when there is something to do again.
    fn turn(&mut self) -> Result<u64, Finding> {
        self.turns += 1;
        let (now, at) = (instant(self.now), kurier_core::time::Instant::from_micros(self.now));
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        let Self { home, links, interface, sockets, .. } = self;
        let wake = home.with(|producer| producer.poll(at, &mut links.on(interface, sockets)));
        let Some(wake) = wake else { return Ok(NEVER) };
        let told = self.take()?;
        let sleep = kurier_smoltcp::sleep(wake, &mut self.interface, &self.sockets, now);
        let frames = self.brokers.frames();
        self.brokers.poll(now, unix(self.now));
        // Buffers of what was told are free at the next poll.
        let own = if told { self.now } else { sleep.map_or(NEVER, |sleep| self.now + sleep.total_micros()) };
        let idle = !told && sleep == Some(Duration::ZERO) && self.brokers.frames() == frames;
        self.hot = if idle { self.hot + 1 } else { 0 };
        if self.hot > HOT {
            return Err((Wrong::Stuck, format!("a busy loop: {}", self.state())));
        }
        let micros = |at: Instant| at.total_micros().cast_unsigned();
        let far = self.brokers.next(now).map_or(NEVER, micros);
        let arrival = self.brokers.arrival_at_peer().map_or(NEVER, micros);
        let deadline = self.brokers.cluster.next_deadline();
        let deadline = deadline.map_or(NEVER, |ms| (ms - unix(0)).cast_unsigned() * 1000);
        let user = self.user_at.min(self.trouble_at).min(self.mend_at).min(self.calm_at);
        Ok(own.min(far).min(arrival).min(deadline).min(user))
    }

    /// From the storm to the calm, the probe and the end. Answers whether it is over.
    fn move_on(&mut self) -> Result<bool, Finding> {
        let patience = PATIENCE + u64::from(self.terms.delivery_timeout) * 1000;
        match self.stage {
            Stage::Storm if self.calm_at <= self.now => {
                self.timeline.note(|| "clear   no faults from here on".to_owned());
                self.stage = Stage::Calm;
                (self.calm_at, self.trouble_at) = (NEVER, NEVER);
                self.mend();
                self.brokers.set_weather(CALM);
                self.device.set_corrupt_chance(0);
                self.device.set_drop_chance(0);
                self.flush();
                self.until = self.now + patience;
            }
            Stage::Calm if self.oracle.untold() == 0 => {
                self.stage = Stage::Probe;
                self.written = self.oracle.written;
                self.until = self.now + patience;
                self.user_at = self.now;
            }
            Stage::Probe if self.oracle.written > self.written && self.oracle.untold() == 0 => {
                let free = self.home.with(|producer| producer.free_buffers());
                if free != Some(SIZES[self.terms.size].batches) {
                    return Ok(false);
                }
                self.oracle.check(&self.brokers.cluster, self.terms.names(), true)?;
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }
}
