//! A whole producer between its user and a [`Net`], on one virtual clock, and what must hold whatever it is told.
//!
//! It is polled when the contract says so and never otherwise: after a call of the user, at the time it named, or when a
//! transport call that answered `Pending` could make progress.
use crate::home::{Home, SIZES};
use crate::net::{Deed, Director, Fate, NEVER, Net, Sent};
use crate::options::{Options, TOPICS};
use kurier_broker::codec::{self, RequestHeader};
use kurier_broker::{ApiRange, Cluster, TopicConfig};
use kurier_core::config::Acks;
use kurier_core::error::SendError;
use kurier_core::record::{Record, Ticket, Topic};
use kurier_core::sender::Wake;
use kurier_core::time::Instant;
use std::collections::BTreeMap;

/// Passes in a row without time passing, or anything happening, that are a busy loop.
const HOT: u32 = 60;
/// Passes in one virtual second, beside those that something happened for.
const MOST_PASSES: u64 = 4_000;

/// A batch as its user knows it.
#[derive(Debug, Default)]
struct Sold {
    topic: Topic0,
    partition: Option<i32>,
    records: u32,
    /// Records that were told of: a batch that went in pieces has several deliveries.
    told: u32,
}

type Topic0 = Option<Topic>;

/// Everything of one run.
pub(crate) struct World<D> {
    pub(crate) home: Home,
    pub(crate) net: Net<D>,
    /// µs.
    pub(crate) now: u64,
    /// The user has called something.
    pub(crate) touched: bool,
    /// Deliveries are left lying.
    pub(crate) lazy: bool,
    batches: usize,
    topics: [Topic0; TOPICS.len()],
    sold: BTreeMap<u32, Sold>,
    wake: Wake,
    hot: u32,
    second: u64,
    passes: u64,
    excused: u64,
}

/// The cluster of a run.
pub(crate) fn cluster(options: &Options, settings: kurier_broker::Settings) -> Cluster {
    let mut cluster = Cluster::new(settings);
    for broker in 1..=options.brokers {
        cluster.add_broker(i32::from(broker), "broker", 9090 + broker);
    }
    for (name, partitions) in TOPICS.iter().filter(|(_, partitions)| *partitions > 0) {
        let config = TopicConfig { timestamp_after_max_ms: i64::MAX, ..TopicConfig::default() };
        let _ = cluster.create_topic(name, *partitions, config);
    }
    cluster
}

impl<D: Director> World<D> {
    /// `None` if there is no such producer.
    pub(crate) fn new(options: &Options, cluster: Cluster, director: D) -> Option<Self> {
        let size = &SIZES[options.size % SIZES.len()];
        let now = 7_000_000;
        let mut net = Net::new(cluster, director, options);
        net.advance(now);
        Some(Self {
            home: (size.make)(options.config)?,
            net,
            now,
            touched: true,
            lazy: false,
            batches: size.batches,
            topics: [None; TOPICS.len()],
            sold: BTreeMap::new(),
            wake: Wake::Now,
            hot: 0,
            second: 0,
            passes: 0,
            excused: 0,
        })
    }

    pub(crate) fn instant(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// Sends a record; whether it was accepted.
    pub(crate) fn send(&mut self, topic: usize, record: &Record<'_>) -> Result<(), SendError> {
        self.touched = true;
        let now = self.instant();
        let nth = topic % TOPICS.len();
        let known = match self.topics[nth] {
            Some(known) => known,
            None => {
                let Ok(known) = self.home.with(|producer| producer.topic(TOPICS[nth].0, now)) else {
                    return Err(SendError::UnknownTopic);
                };
                self.topics[nth] = Some(known);
                known
            }
        };
        let Ticket { serial, index } = self.home.with(|producer| producer.send(known, *record, now))?;
        crate::net::tell(self.now, || format!("sent: batch {serial} record {index}"));
        let sold = self.sold.entry(serial).or_insert(Sold {
            topic: Some(known),
            partition: record.partition,
            ..Sold::default()
        });
        assert!(sold.told == 0 && sold.topic == Some(known), "a ticket of another batch: {serial}");
        assert_eq!(sold.records, index, "the tickets of batch {serial}");
        sold.records += 1;
        Ok(())
    }

    /// Batches that were not told yet.
    pub(crate) fn untold(&self) -> usize {
        self.sold.values().filter(|sold| sold.told < sold.records).count()
    }

    /// Takes what deliveries there are.
    pub(crate) fn take(&mut self) {
        let Self { home, net, sold, .. } = self;
        home.with(|producer| {
            while let Some(told) = producer.next_delivery() {
                let serial = told.serial;
                let batch = sold.get_mut(&serial).unwrap_or_else(|| panic!("batch {serial} was never sent"));
                assert!(told.count > 0 && batch.told < batch.records, "batch {serial} is delivered twice");
                assert_eq!(batch.told, told.first, "a piece of batch {serial} out of turn");
                batch.told += told.count;
                assert_eq!(batch.records, batch.told + told.rest, "records of batch {serial}");
                assert_eq!(batch.topic, Some(told.topic), "topic of batch {serial}");
                assert!(batch.partition.is_none_or(|wanted| wanted == told.partition), "its partition");
                let of = |index| told.of(Ticket { serial, index });
                let records = told.first..batch.told;
                assert!(
                    records.clone().all(|index| of(index).is_some()),
                    "a record without outcome in batch {serial}"
                );
                assert!(of(batch.told).is_none(), "one record too many");
                assert!(told.first == 0 || of(told.first - 1).is_none(), "a record that was told of before");
                assert!(!told.outcome.to_string().is_empty());
                crate::net::tell(net.now, || format!("told: {:?}", *told));
                if let Some(deeds) = &mut net.deeds {
                    let each: Vec<_> = records.map(of).collect();
                    let message = told.message();
                    deeds.push(Deed::Told(format!("{:?} {each:?} {message:02x?}", *told)));
                }
            }
        });
    }

    /// One pass, if it is due.
    pub(crate) fn pass(&mut self) {
        self.net.advance(self.now);
        let due = match self.wake {
            Wake::Now => true,
            Wake::At(at) => at.as_micros() <= self.now,
            Wake::OnIo => false,
        };
        if !(due || self.touched || self.net.woken) {
            return;
        }
        let (progress, now) = (self.net.progress, self.instant());
        let excused = self.touched || self.net.woken;
        self.touched = false;
        self.net.begin_pass();
        let Self { home, net, .. } = self;
        self.wake = home.with(|producer| producer.poll(now, net));
        crate::net::tell(self.now, || format!("pass: {:?}", self.wake));
        self.count(excused || self.net.progress != progress, now);
        let free = self.home.with(|producer| producer.free_buffers());
        assert!(free <= self.batches, "{free} free buffers of {}", self.batches);
        if !self.lazy {
            self.take();
        }
    }

    /// Looks for busy loops.
    fn count(&mut self, excused: bool, now: Instant) {
        let late = match self.wake {
            Wake::Now => true,
            Wake::At(at) => at <= now,
            Wake::OnIo => false,
        };
        self.hot = if late && !excused { self.hot + 1 } else { 0 };
        assert!(self.hot < HOT, "a busy loop: {:?} at {}", self.wake, self.now);
        if self.second != self.now / 1_000_000 {
            (self.second, self.passes, self.excused) = (self.now / 1_000_000, 0, 0);
        }
        self.passes += 1;
        self.excused += u64::from(excused);
        assert!(self.passes < MOST_PASSES + 4 * self.excused, "{} passes in a second", self.passes);
    }

    /// Goes to the next thing that happens, at the latest to `limit`; false if there is nothing before it.
    pub(crate) fn step(&mut self, limit: u64) -> bool {
        let wake = match self.wake {
            Wake::Now => self.now,
            Wake::At(at) => at.as_micros(),
            Wake::OnIo => NEVER,
        };
        let next = if self.touched { self.now } else { wake.min(self.net.next_event()).max(self.now) };
        if next > limit {
            self.now = limit.max(self.now);
            self.net.advance(self.now);
            return false;
        }
        self.now = next;
        self.pass();
        true
    }

    /// Goes on for so long.
    pub(crate) fn run(&mut self, micros: u64) {
        let until = self.now.saturating_add(micros);
        while self.step(until) {}
    }

    /// Whether every buffer is free again.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        self.home.with(|producer| producer.free_buffers()) == self.batches
    }

    /// Where it stands, for a finding's message.
    pub(crate) fn state(&mut self) -> String {
        let (batches, wake, now) = (self.batches, self.wake, self.now);
        let free = self.home.with(|producer| producer.free_buffers());
        format!("{free} of {batches} free, {} untold, {wake:?} at {now}", self.untold())
    }

    fn partitions(&mut self) -> Vec<Option<i32>> {
        let topics = self.topics;
        topics.iter().flatten().map(|topic| self.home.with(|producer| producer.partitions(*topic))).collect()
    }
}

/// Replaces one answer, and lets the broker say the rest.
struct Instead<'b> {
    key: i16,
    body: &'b [u8],
    cuts: &'b [usize],
    /// The stream ends instead of the first so many answers.
    closes: u8,
    done: bool,
}

impl Director for Instead<'_> {
    fn dial(&mut self, _: u16) -> Option<bool> {
        Some(true)
    }

    fn request(&mut self, header: &RequestHeader) -> Fate {
        if header.key == self.key && self.closes > 0 {
            self.closes -= 1;
            return Fate::Close;
        }
        Fate::Serve
    }

    fn answer(&mut self, header: &RequestHeader, honest: Vec<u8>) -> Sent {
        if header.key != self.key || self.done || honest.is_empty() {
            return Sent::whole(honest);
        }
        self.done = true;
        let frame = codec::frame(&[&header.correlation.to_be_bytes(), self.body].concat());
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in self.cuts.iter().map(|cut| (cut + 8).min(frame.len())).chain([frame.len()]) {
            pieces.push(frame[from..cut.max(from)].to_vec());
            from = cut.max(from);
        }
        Sent { pieces, ..Sent::default() }
    }

    fn lies(&self) -> bool {
        true
    }
}

/// What a producer does, and tells, when its first answer of this API and version is `body`, cut at these places: at
/// most eight, so that it is read in one pass.
pub(crate) fn answered(
    key: i16,
    version: i16,
    body: &[u8],
    cuts: &[usize],
    setup: u8,
) -> (Vec<Deed>, Vec<Option<i32>>) {
    let size = [0, 5, 3, 4][usize::from(setup >> 1 & 3)];
    let acks = if setup & 1 == 0 || key == 22 { Acks::All } else { Acks::Leader };
    let options = Options::plain(acks, size);
    let mut settings = options.settings();
    for range in settings.apis.iter_mut().filter(|range| range.key == key && key != 18) {
        *range = ApiRange { max: version, ..*range };
    }
    // A client greets with version 0 after a link that broke while greeting.
    let closes = u8::from(key == 18 && version < 4);
    let director = Instead { key, body, cuts, closes, done: false };
    let Some(mut world) = World::new(&options, cluster(&options, settings), director) else {
        return Default::default();
    };
    world.net.deeds = Some(Vec::new());
    for round in 0..4 {
        for (topic, partition) in [(0, 0), (0, 1), (1, 0), (0, 2)] {
            let _ = world.send(topic, &Record::value(&[round; 20]).partition(partition));
        }
        world.run(30_000);
    }
    world.run(1_000_000);
    assert_eq!(world.untold(), 0, "records without delivery");
    let partitions = world.partitions();
    (world.net.deeds.take().unwrap_or_default(), partitions)
}

/// The honest answers of an API in a version, for the first inputs of the fuzzer.
pub(crate) fn honest(key: i16, version: i16) -> Vec<Vec<u8>> {
    struct Listen(i16, Vec<Vec<u8>>);
    impl Director for Listen {
        fn dial(&mut self, _: u16) -> Option<bool> {
            Some(true)
        }
        fn request(&mut self, _: &RequestHeader) -> Fate {
            Fate::Serve
        }
        fn answer(&mut self, header: &RequestHeader, honest: Vec<u8>) -> Sent {
            if header.key == self.0 && honest.len() > 8 {
                self.1.push(honest[8..].to_vec());
            }
            Sent::whole(honest)
        }
        fn lies(&self) -> bool {
            false
        }
    }
    let options = Options::plain(Acks::All, 5);
    let mut settings = options.settings();
    for range in settings.apis.iter_mut().filter(|range| range.key == key) {
        *range = ApiRange { max: version, ..*range };
    }
    let Some(mut world) = World::new(&options, cluster(&options, settings), Listen(key, Vec::new())) else {
        return Vec::new();
    };
    for round in 0..4 {
        for (topic, partition) in [(0, 0), (0, 1), (1, 0), (0, 2)] {
            let _ = world.send(topic, &Record::value(b"value").partition(partition));
        }
        if round == 2 {
            world.net.cluster.move_leader("t", 0, 2);
            world.net.cluster.move_leader("t", 1, 1);
        }
        world.run(100_000);
    }
    world.net.director.1
}
