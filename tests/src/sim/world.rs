//! One history: the producer, its user, the network, the cluster and what goes wrong, on one virtual clock.
//!
//! The producer is polled when the contract says so and never otherwise: after a call of the user, at the time it
//! named, or when a transport call that answered `Pending` could make progress. What it forgets to wait for is
//! found as a history in which nothing will ever happen again.
mod stages;

use super::dice::Dice;
use super::fault;
use super::inject;
use super::memory::{Home, SIZES};
use super::net::{NEVER, Net, Terms, Weather};
use super::oracle::{Finding, Oracle, Wrong};
use super::scenario::{Limit, Scenario};
use super::timeline::Timeline;
use super::user::User;
use super::watch::Watch;
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::config::Acks;
use kurier_core::sender::Wake;
use kurier_core::time::Instant;

/// Polls in a row without time passing, or anything happening, that are a busy loop.
const HOT: u32 = 60;
/// Polls in a virtual second in which nothing happened.
const MOST_IDLE: u32 = 3000;
/// Steps of a history that are too many for anything useful: most have a few hundred, and none needs a tenth of this.
const MOST_STEPS: u32 = 300_000;

/// Where a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The user acts and things go wrong.
    Storm,
    /// Nothing goes wrong any more; what was sent must end.
    Calm,
    /// A record must get through.
    Probe,
    /// The last answers come in.
    Settle,
}

/// Everything of one history.
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) dice: Dice,
    pub(super) home: Home,
    pub(super) net: Net,
    pub(super) oracle: Oracle,
    pub(super) user: User,
    pub(super) timeline: Timeline,
    /// µs.
    pub(super) now: u64,
    pub(super) user_at: u64,
    pub(super) trouble_at: u64,
    /// A fault waits for something to strike.
    pub(super) lurking: bool,
    /// Faults that struck between requests, while there was something to do.
    pub(super) struck: u64,
    /// When the clock jumped last.
    pub(super) jumped_at: u64,
    /// `delivery.timeout.ms`.
    pub(super) delivery_timeout: u64,
    wake: Wake,
    /// The user has called something.
    pub(super) touched: bool,
    stage: Stage,
    /// The stage must be over by then.
    until: u64,
    /// Records written when the probe began.
    written: u64,
    pub(super) polls: u64,
    idle_polls: u32,
    /// The virtual second, and passes in it in which nothing happened.
    second: u64,
    idle_in_second: u32,
    calm_at: u64,
    /// Since when nothing goes wrong any more, once that is so.
    pub(super) calm_since: Option<u64>,
    watch: Watch,
    /// The probe's end, moved for memory that was full; 0 if it was not.
    until_full: u64,
    /// Polled for the buffers of what was taken.
    pub(super) nudged: bool,
    /// Since when the producer, with batches to deliver, waits for nobody but itself.
    quiet_since: Option<u64>,
}

impl World {
    pub(super) fn new(seed: u64, limit: Limit, timeline: Timeline) -> Result<Self, Finding> {
        let scenario = Scenario::new(seed, limit);
        timeline.at(scenario.start);
        timeline.note(|| scenario.describe());
        let mut cluster = cluster(&scenario);
        let settings = scenario.config.check().map_err(|error| (Wrong::Broken, error.to_string()))?;
        let watch = Watch::new(settings.max_request_size() as usize, settings.allow_auto_create());
        cluster.inject(inject::injector(&scenario, timeline.clone(), watch.clone()));
        let weather = Weather {
            latency: scenario.latency,
            piece: scenario.piece,
            room: scenario.room,
            slow_flush: scenario.slow_flush,
            damage: scenario.has(fault::MALFORM),
        };
        let terms = Terms {
            answers: !matches!(scenario.acks, Acks::Zero),
            request_timeout: u64::from(settings.request_timeout_ms()) * 1000,
            max_idle: settings.connections_max_idle_ms().map(|ms| u64::from(ms) * 1000),
            throttles: scenario.has(fault::THROTTLE),
        };
        let size = &SIZES[scenario.size];
        let home = (size.make)(scenario.config).map_err(|error| (Wrong::Broken, error.to_string()))?;
        let durable = !matches!(scenario.acks, Acks::Zero);
        // Nobody can help it that a broker that has forgotten who wrote writes again.
        let idempotent = scenario.idempotent && !scenario.forgetful;
        let ordered = durable && (scenario.in_flight == 1 || scenario.forgetful);
        let mut world = Self {
            dice: Dice::new(seed, 2),
            home,
            net: Net::new(
                cluster,
                weather,
                (Self::wire(&scenario), terms),
                Dice::new(seed, 4),
                timeline.clone(),
            ),
            oracle: Oracle::new(seed, scenario.longest, idempotent, ordered, durable, scenario.append_time),
            user: User::default(),
            timeline,
            now: scenario.start,
            user_at: scenario.start,
            trouble_at: scenario.start,
            lurking: false,
            struck: 0,
            jumped_at: 0,
            delivery_timeout: u64::from(
                scenario.config.check().map_or(120_000, |checked| checked.delivery_timeout_ms()),
            ),
            wake: Wake::Now,
            touched: true,
            stage: Stage::Storm,
            until: NEVER,
            written: 0,
            polls: 0,
            idle_polls: 0,
            second: 0,
            idle_in_second: 0,
            calm_at: NEVER,
            calm_since: None,
            watch,
            until_full: 0,
            nudged: false,
            quiet_since: None,
            scenario,
        };
        world.oracle.noted = world.scenario.is_noted();
        world.oracle.forgives = !matches!(world.scenario.acks, Acks::All);
        world.trouble_at += world.dice.around(world.scenario.trouble);
        // Often nothing is wrong before there is work.
        if world.scenario.has(fault::WORK) && Dice::new(seed, 21).chance(700) {
            world.lurk();
        }
        if world.scenario.discard {
            world.home.with(|producer| producer.discard_deliveries());
        }
        Ok(world)
    }

    pub(super) fn instant(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// Plays it to the end.
    pub(super) fn play(&mut self) -> Result<(), Finding> {
        for _ in 0..MOST_STEPS {
            let next = self.next();
            if next >= NEVER {
                return Err((Wrong::Stuck, format!("nothing will ever happen again: {}", self.state())));
            }
            if next >= self.until && next > self.now {
                return Err((Wrong::Stuck, format!("out of patience: {}", self.state())));
            }
            self.now = self.now.max(next);
            self.timeline.at(self.now);
            if self.step()? {
                return Ok(());
            }
            if let Some(breach) = self.net.breach.take().or_else(|| self.watch.take()) {
                return Err((Wrong::Broken, breach));
            }
            if let Some(disorder) = self.net.disorder.take() {
                return Err(disorder);
            }
        }
        Err((Wrong::Stuck, format!("no end after {MOST_STEPS} steps: {}", self.state())))
    }

    fn state(&mut self) -> String {
        let (stage, untold, wake) = (self.stage, self.oracle.untold(), self.wake);
        let free = self.home.with(|producer| producer.free_buffers());
        format!("{stage:?}, {untold} batches untold, {free:?} buffers free, {wake:?} at {}", self.now)
    }

    /// When something happens next.
    fn next(&self) -> u64 {
        let wake = match self.wake {
            Wake::Now => self.now,
            Wake::At(at) => at.as_micros(),
            Wake::OnIo => NEVER,
        };
        // Links may have been cut since the last pass, when the faults ended.
        if self.touched || self.net.woken {
            return self.now;
        }
        wake.min(self.net.next_event()).min(self.user_at).min(self.trouble_at).min(self.calm_at)
    }

    /// What is due now. Answers whether the history is over.
    fn step(&mut self) -> Result<bool, Finding> {
        if let Some(what) = self.net.overdue(self.now, self.jumped_at) {
            return Err((Wrong::Stuck, format!("{what}: {}", self.state())));
        }
        self.net.advance(self.now);
        if self.trouble_at <= self.now {
            let before = self.now;
            self.trouble()?;
            self.net.advance(self.now);
            // A clock that jumps is nobody's pause.
            if self.now > before {
                self.quiet_since = None;
                self.jumped_at = self.now;
            }
        }
        if self.user_at <= self.now {
            self.touched = true;
            match self.stage {
                Stage::Storm => self.act()?,
                _ => self.probe()?,
            }
            // It may have polled in between.
            self.touched = true;
        }
        let due = match self.wake {
            Wake::Now => true,
            Wake::At(at) => at.as_micros() <= self.now,
            Wake::OnIo => false,
        };
        if due || self.touched || std::mem::take(&mut self.net.woken) {
            self.poll()?;
        }
        self.move_on()
    }

    pub(super) fn poll(&mut self) -> Result<(), Finding> {
        self.net.calls = 0;
        let before = (self.net.progress, self.now);
        let now = self.instant();
        let touched = std::mem::take(&mut self.touched);
        self.net.woken = false;
        self.polls += 1;
        self.user.exhausted = false;
        let Self { home, net, .. } = self;
        let wake = home.with(|producer| producer.poll(now, net)).unwrap_or(Wake::OnIo);
        self.wake = wake;
        let idle = !touched && before == (self.net.progress, self.now) && matches!(wake, Wake::Now);
        let late = matches!(wake, Wake::At(at) if at <= now);
        let nothing = !touched && before.0 == self.net.progress;
        self.count_idle(nothing)?;
        self.idle_polls = if idle || late { self.idle_polls + 1 } else { 0 };
        if self.idle_polls > HOT {
            return Err((Wrong::Stuck, format!("a busy loop: {}", self.state())));
        }
        if !late
            && !matches!(wake, Wake::Now)
            && let Some(what) = self.net.forgotten()
        {
            return Err((Wrong::Stuck, format!("nobody will wake up for this: {what}: {}", self.state())));
        }
        let take = !self.scenario.lazy || self.stage != Stage::Storm || self.dice.chance(50);
        if take {
            self.take(usize::MAX)?;
            self.check_marks(false)?;
        }
        self.count_pause(nothing)
    }

    /// Passes in which nothing happened are few in each second: timers go by the millisecond.
    fn count_idle(&mut self, idle: bool) -> Result<(), Finding> {
        let second = self.now / 1_000_000;
        if std::mem::replace(&mut self.second, second) != second {
            self.idle_in_second = 0;
        }
        self.idle_in_second += u32::from(idle);
        if self.idle_in_second > MOST_IDLE {
            return Err((
                Wrong::Stuck,
                format!("{MOST_IDLE} passes for nothing in a second: {}", self.state()),
            ));
        }
        Ok(())
    }

    /// While batches are to be delivered, nothing is under way and nobody calls, the producer goes on after its backoffs.
    fn count_pause(&mut self, nothing: bool) -> Result<(), Finding> {
        let paused = self.quiet_since.map_or(0, |since| self.now.saturating_sub(since));
        if paused > self.scenario.pause * 1000 {
            return Err((Wrong::Stuck, format!("nothing was done for {paused} us: {}", self.state())));
        }
        let told_late = self.scenario.discard || self.scenario.lazy;
        let from = self.net.quiet_from().filter(|_| !told_late && self.oracle.untold() > 0);
        let since = self.quiet_since.filter(|_| nothing).unwrap_or(self.now);
        self.quiet_since = from.map(|from| since.max(from));
        Ok(())
    }

    /// Whether a fault has struck while there was something to do.
    pub(super) fn was_struck(&self) -> bool {
        self.struck > 0 || self.watch.was_struck()
    }
}

fn cluster(scenario: &Scenario) -> Cluster {
    let mut settings = Settings::release(scenario.release);
    settings.auto_create_topics = scenario.auto_create;
    settings.default_replication_factor = scenario.replication;
    settings.num_partitions = 2;
    settings.topic_defaults = scenario.topic();
    if scenario.has(fault::LAG) {
        settings.replication_lag_ms = [1, 5, 30][(scenario.seed % 3) as usize];
    }
    if scenario.forgetful {
        settings.producer_id_expiration_check_interval_ms = 1;
    } else if scenario.has(fault::EXPIRE) {
        settings.producer_id_expiration_ms = scenario.expiration();
        settings.producer_id_expiration_check_interval_ms = 50;
    } else {
        // Kafka goes by the records' timestamps, which are old or missing here: it would forget producers it has just
        // heard of, and take again what comes late.
        settings.producer_id_expiration_ms = i64::MAX;
    }
    let mut cluster = Cluster::new(settings);
    for broker in 1..=scenario.brokers {
        cluster.add_broker(i32::from(broker), "broker", 9090 + broker);
    }
    let config = TopicConfig {
        min_insync_replicas: if scenario.has(fault::SHRINK) { 2 } else { 1 },
        ..scenario.topic()
    };
    for (name, partitions) in scenario.topics.iter().filter(|(_, partitions)| *partitions > 0) {
        let _ = cluster.create_topic(name, *partitions, config);
    }
    cluster
}
