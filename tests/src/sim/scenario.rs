//! What a history is made of: settings, cluster, network, and which faults there are. All of it from the seed.
use super::dice::Dice;
use super::fault;
use super::memory::SIZES;
use kurier_broker::{Release, TimestampType, TopicConfig};
use kurier_core::config::{Acks, Config, MetadataRecovery};
use kurier_core::transport::Endpoint;

/// Names of topics, as far as a storage has room.
pub(super) const NAMES: [&str; 4] = ["a", "lines", "b.c_d-e", "telemetry"];

const fn broker(port: u16) -> Endpoint<'static> {
    Endpoint { host: "broker", port }
}
static SERVERS: [Endpoint<'static>; 6] =
    [broker(9099), broker(9091), broker(9092), broker(9093), broker(9094), broker(9095)];

/// One history's conditions.
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) size: usize,
    pub(super) config: Config<'static>,
    pub(super) acks: Acks,
    pub(super) idempotent: bool,
    pub(super) retries: u32,
    /// ms.
    pub(super) linger: u32,
    pub(super) in_flight: u32,
    /// ms, for how long progress may take.
    pub(super) patience: u64,
    /// ms, which a producer that waits for nobody may do nothing, while there is something to do: all of its backoffs.
    pub(super) pause: u64,
    pub(super) brokers: u16,
    pub(super) replication: usize,
    pub(super) topics: Vec<(&'static str, i32)>,
    pub(super) auto_create: bool,
    /// And the producer lets them.
    pub(super) creates: bool,
    pub(super) release: Release,
    /// Brokers stamp records when they take them.
    pub(super) append_time: bool,
    /// Brokers forget at once who wrote records without a time.
    pub(super) forgetful: bool,
    pub(super) faults: u32,
    /// Records to get accepted; in histories of the first manner, to try.
    pub(super) records: u64,
    /// Bytes of a record's value, at most, with few exceptions.
    pub(super) longest: u64,
    /// Mean µs between what the user does, and between faults.
    pub(super) pace: u64,
    pub(super) trouble: u64,
    /// Faults between requests, at most.
    pub(super) troubles: u64,
    /// µs a segment takes, from and to.
    pub(super) latency: (u64, u64),
    /// Bytes taken or given at a time, at most.
    pub(super) piece: u64,
    /// Bytes the sending side holds.
    pub(super) room: usize,
    pub(super) slow_flush: bool,
    pub(super) discard: bool,
    pub(super) lazy: bool,
    pub(super) ends_by: End,
    /// µs.
    pub(super) start: u64,
}

/// How the user leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Flush,
    Close,
    Abort,
}

impl Scenario {
    /// Nothing that a producer without features refuses: `acks=0`, and brokers before 2.8.
    fn keep_what_a_device_has(&mut self) {
        // Brokers forget producers by the records' timestamps, of which there are none.
        self.faults &= !fault::EXPIRE;
        self.config = self.config.connections_max_idle_ms(None);
        if matches!(self.acks, Acks::Zero) {
            self.acks = Acks::Leader;
            self.config = self.config.acks(self.acks);
        }
        if matches!(self.release, Release::V2_4 | Release::V2_1 | Release::V1_0 | Release::V0_11) {
            self.release = Release::V2_8;
        }
    }

    pub(super) fn new(seed: u64, limit: Limit) -> Self {
        let d = &mut Dice::new(seed, 1);
        let size = d.below(SIZES.len() as u64) as usize;
        let memory = &SIZES[size];
        let brokers = d.within(1, 5) as u16;
        let mut faults = match d.below(6) {
            0 => 0,
            1 | 2 => 1 << d.below(16),
            3 => (1 << d.below(16)) | (1 << d.below(16)),
            _ => d.next() as u32 & d.next() as u32,
        };
        if Dice::new(seed, 8).chance(150) {
            faults |= fault::LIMIT;
        }
        faults &= (1 << fault::LATER.0) - 1;
        if Dice::new(seed, 22).chance(100) {
            faults |= fault::STALE;
        }
        faults = (faults | fault::later(seed) | fault::last(seed)) & limit.faults;
        if faults & fault::EXPIRE != 0 {
            // What arrives after its producer was forgotten is taken for new: nobody can help that.
            faults &= !(fault::RESTART | fault::STALL | fault::LAG);
        }
        let acks = d.pick(&[Acks::All, Acks::All, Acks::All, Acks::Leader, Acks::Zero]);
        let retries = d.pick(&[u32::MAX >> 1, u32::MAX >> 1, u32::MAX >> 1, 0, 1, 3]);
        let may = matches!(acks, Acks::All) && retries > 0;
        let idempotent = may && !d.chance(200);
        let in_flight = d.within(1, 5) as u32;
        let linger = d.pick(&[0, 0, 1, 5, 20, 100]);
        let mut request_timeout = d.pick(&[40, 100, 500, 3000, 30_000]);
        let (retry, retry_max) = (d.pick(&[1, 10, 100]), d.pick(&[1, 50, 1000]));
        let longest = most_delivery(retry, retry_max);
        request_timeout = request_timeout.min(longest / 2);
        let (dial, dial_max) = (d.pick(&[1, 20, 50]), d.pick(&[1, 50, 1000]));
        let (setup, setup_max) = (d.pick(&[50, 300, 10_000]), d.pick(&[50, 500, 30_000]));
        let dead = usize::from(!d.chance(200));
        let listed = d.within(1, u64::from(brokers)) as usize;
        let max_age = d.pick(&[50, 300, 5000, 300_000]);
        let mut config = Config::new(&SERVERS[dead..=listed])
            .acks(acks)
            .retries(retries)
            .max_in_flight(in_flight)
            .linger_ms(linger)
            .request_timeout_ms(request_timeout)
            .retry_backoff_ms(retry)
            .retry_backoff_max_ms(retry_max)
            .reconnect_backoff_ms(dial)
            .reconnect_backoff_max_ms(dial_max)
            .socket_connection_setup_timeout_ms(setup)
            .socket_connection_setup_timeout_max_ms(setup_max)
            .metadata_max_age_ms(max_age)
            .metadata_max_idle_ms(d.pick(&[5000, 300_000]))
            .connections_max_idle_ms(d.pick(&[None, Some(50), Some(1000), Some(540_000)]))
            .batch_size(d.pick(&[0, 100, 180, 16_384, 16_384]))
            .max_request_size(d.pick(&[memory.batch_bytes as u32, 600, 1 << 20]))
            .partitioner_ignore_keys(d.chance(100))
            .partitioner_adaptive(d.chance(700))
            .seed(d.next());
        if may {
            config = config.enable_idempotence(idempotent);
        }
        let explicit = d.chance(500);
        if explicit || longest < 120_000 {
            let more = if explicit { d.pick(&[0, 20, 200, 5000]) } else { longest };
            let least = linger + request_timeout;
            config = config.delivery_timeout_ms((least + more).min(longest.max(least)));
        }
        let patience =
            [request_timeout, retry.max(retry_max), dial.max(dial_max), setup.max(setup_max), linger]
                .iter()
                .map(|ms| u64::from(*ms))
                .sum::<u64>();
        let count = d.within(1, memory.topics.min(3) as u64) as usize;
        let mut topics: Vec<_> = NAMES[..count].iter().map(|name| (*name, d.within(1, 5) as i32)).collect();
        let auto_create = d.chance(500);
        if auto_create && d.chance(300) && count > 1 {
            // Nobody has created it yet.
            topics[count - 1].1 = 0;
        }
        let slow = faults & fault::SLOW != 0;
        let old = [
            Release::V4_0,
            Release::V3_9,
            Release::V2_8,
            Release::V2_4,
            Release::V2_1,
            Release::V1_0,
            Release::V0_11,
        ];
        let mut scenario = Self {
            seed,
            size,
            config,
            acks,
            idempotent,
            retries,
            linger,
            in_flight,
            patience: patience * 6 + 10_000,
            // A jitter of a fifth.
            pause: u64::from(linger + (retry.max(retry_max) + dial.max(dial_max)) * 6 / 5 + 10),
            brokers,
            replication: (d.within(1, 3) as usize).max(if faults & fault::LAG != 0 { 2 } else { 1 }),
            topics,
            auto_create,
            creates: auto_create,
            append_time: Dice::new(seed, 9).chance(150),
            forgetful: false,
            release: if d.chance(600) { Release::V4_3 } else { d.pick(&old) },
            faults,
            records: d.pick(&[3, 10, 30, 60, 120]).min(limit.records),
            longest: (memory.batch_bytes as u64).saturating_sub(61 + 30),
            pace: d.pick(&[20, 500, 5000, 30_000]),
            trouble: d.pick(&[2000, 20_000, 100_000]),
            troubles: u64::MAX,
            latency: if slow {
                d.pick(&[(0, 50_000), (20_000, 400_000)])
            } else {
                d.pick(&[(0, 0), (0, 500), (200, 2000)])
            },
            piece: if d.chance(300) { d.pick(&[1, 7, 61, 300]) } else { 1 << 20 },
            room: if d.chance(200) { d.pick(&[1, 50, 500]) } else { 1 << 20 },
            slow_flush: d.chance(200),
            discard: d.chance(60),
            lazy: d.chance(200),
            ends_by: d.pick(&[End::Flush, End::Flush, End::Close, End::Close, End::Abort]),
            start: d.pick(&[0, 1_000_000, ((1 << 32) - 700) * 1000, (1 << 31) * 1000 - 500_000, 77_777_777]),
        };
        if limit.faults & fault::SETTINGS != 0 {
            scenario.draw_settings();
        }
        scenario.sharpen(limit);
        if !cfg!(feature = "whole") {
            scenario.keep_what_a_device_has();
        }
        scenario.lower(limit);
        if scenario.has(fault::STALE) {
            // Who is told the wrong thing asks very often; byte by byte that is half a million polls.
            scenario.room = scenario.room.max(50);
        }
        if scenario.has(fault::WORK) {
            // How long the user is at it, with nothing wrong: a few faults fall into that.
            let life = scenario.records * scenario.pace + scenario.latency.1 * 4 + u64::from(linger) * 1000;
            scenario.trouble = scenario.trouble.min(life / 2 + 250);
        }
        scenario
    }

    /// Settings that few change. Where brokers move to other addresses, or send the producer away, who never asks the bootstrap
    /// servers again stays away.
    fn draw_settings(&mut self) {
        let d = &mut Dice::new(self.seed, 23);
        let creates = !d.chance(200);
        let (trigger, patience) =
            (d.pick(&[50, 500, 5000, 300_000, 300_000]), d.pick(&[0, 0, 0, 5, 100, 5000]));
        self.config = self
            .config
            .allow_auto_create(creates)
            .metadata_rebootstrap_trigger_ms(trigger)
            .partitioner_availability_timeout_ms(patience);
        if d.chance(200) && self.faults & (fault::ADDRESS | fault::REBOOTSTRAP) == 0 {
            self.config = self.config.metadata_recovery(MetadataRecovery::None);
        }
        self.creates &= creates;
    }

    /// A smaller history, as far as it is to be one.
    fn lower(&mut self, limit: Limit) {
        self.topics.truncate(limit.topics.max(1));
        self.brokers = self.brokers.min(limit.brokers.max(1));
        self.troubles = limit.troubles;
    }

    /// How topics are made.
    pub(super) fn topic(&self) -> TopicConfig {
        let timestamp_type =
            if self.append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
        TopicConfig { timestamp_type, timestamp_after_max_ms: i64::MAX, ..TopicConfig::default() }
    }

    /// How long a broker remembers a producer, in ms: longer than any batch is tried.
    pub(super) fn expiration(&self) -> i64 {
        i64::from(self.config.check().map_or(120_000, |checked| checked.delivery_timeout_ms())) + 5000
    }

    /// Whether a broker's notes on a refusal always get to the user: all brokers give them, nothing breaks an answer off, and
    /// no batch is refused without any.
    pub(super) fn is_noted(&self) -> bool {
        const HARMLESS: u32 =
            fault::KEYS | fault::ERROR | fault::LIMIT | fault::GROW | fault::THROTTLE | fault::MANNERS;
        let old = matches!(self.release, Release::V2_1 | Release::V1_0 | Release::V0_11);
        !old && self.faults & !HARMLESS == 0
    }

    pub(super) fn has(&self, kind: u32) -> bool {
        self.faults & kind != 0
    }

    pub(super) fn describe(&self) -> String {
        let names: Vec<_> =
            fault::KINDS.iter().filter(|(kind, _)| self.has(*kind)).map(|(_, name)| *name).collect();
        format!(
            "{} brokers {:?}, replication {}, topics {:?}, {}, {} records, faults [{}], pieces of {}, room {}, latency {:?} us, discard {}, lazy {}, ends by {:?}\n{:?}",
            self.brokers,
            self.release,
            self.replication,
            self.topics,
            SIZES[self.size].name,
            self.records,
            names.join(" "),
            self.piece,
            self.room,
            self.latency,
            self.discard,
            self.lazy,
            self.ends_by,
            self.config,
        )
    }
}

/// How long a batch may be tried, in ms: where the cluster is asked again each millisecond, two minutes of it would be
/// a hundred times as long as the history, and tell nothing new.
const fn most_delivery(retry: u32, retry_max: u32) -> u32 {
    match (retry, retry_max) {
        (0..10, _) | (_, 0..10) => 1000,
        (10..100, _) | (_, 10..1000) => 10_000,
        _ => 120_000,
    }
}

/// How a history is made smaller to look at it.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Records accepted, at most; in histories of the first manner, tried.
    pub records: u64,
    /// Kinds of faults, as bits.
    pub faults: u32,
    /// Topics, at most; at least one.
    pub topics: usize,
    /// Brokers, at most; at least one.
    pub brokers: u16,
    /// Faults between requests, at most.
    pub troubles: u64,
}

impl Limit {
    /// None: the history as its seed has it.
    pub const NONE: Self = Self {
        records: u64::MAX,
        faults: u32::MAX,
        topics: usize::MAX,
        brokers: u16::MAX,
        troubles: u64::MAX,
    };

    /// The kinds of faults that there were at first, and nothing of how users act now: histories of that time.
    pub const FIRST: Self = Self { faults: (1 << fault::LATER.0) - 1, ..Self::NONE };

    /// The same with the kinds that came next.
    pub const SECOND: Self = Self { faults: (1 << fault::LAST.0) - 1, ..Self::NONE };

    /// Lowers what `name` limits. Answers whether there is such a name.
    ///
    /// # Errors
    /// There are not as many bits, topics or brokers.
    pub fn set(&mut self, name: &str, number: u64) -> Result<bool, std::num::TryFromIntError> {
        match name {
            "--records" => self.records = number,
            "--faults" => self.faults = u32::try_from(number)?,
            "--topics" => self.topics = usize::try_from(number)?,
            "--brokers" => self.brokers = u16::try_from(number)?,
            "--troubles" => self.troubles = number,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The options that limit so: what is not limited is not named.
impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut option = |limited: bool, name: &str, number: u64| {
            if limited { write!(f, " --{name} {number}") } else { Ok(()) }
        };
        option(self.records != u64::MAX, "records", self.records)?;
        option(self.faults != u32::MAX, "faults", u64::from(self.faults))?;
        option(self.topics != usize::MAX, "topics", self.topics as u64)?;
        option(self.brokers != u16::MAX, "brokers", u64::from(self.brokers))?;
        option(self.troubles != u64::MAX, "troubles", self.troubles)
    }
}
