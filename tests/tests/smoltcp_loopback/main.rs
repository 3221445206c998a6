//! The core in the smallest useful storage over smoltcp, against the model brokers at the other end of a cable:
//! in virtual time, with frames that are lost, doubled, late and damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
mod bounds;

use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::error::SendError;
use kurier_core::producer::Producer;
use kurier_core::record::{Record, Topic};
use kurier_core::sender::Wake;
use kurier_core::storage::{Memory, Storage};
use kurier_core::transport::Endpoint;
use kurier_smoltcp::Links;
use kurier_tests::cable::{Brokers, CALM, End, HOST, Weather, cable};
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::FaultInjector;
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: HOST, port: 9091 }];
const FOUL: Weather = Weather { delay_ms: 3, loss: 5, twice: 3, late: 10 };

/// A device with `N` links, on a cable to the brokers.
struct World<const N: usize> {
    producer: Producer,
    links: Links<N>,
    interface: Interface,
    sockets: SocketSet<'static>,
    device: FaultInjector<End>,
    brokers: Brokers,
    now: Instant,
    delivered: u32,
    failed: u32,
    turns: u32,
}

impl<const N: usize> World<N> {
    fn new<M: Memory + 'static>(
        memory: M,
        config: Config<'static>,
        (brokers, partitions): (u16, i32),
        weather: Weather,
        seed: u32,
    ) -> Self {
        let (near, far) = cable(weather, seed);
        let mut brokers = Brokers::new(Cluster::new(Settings::default()), brokers, far);
        brokers.cluster.create_topic("lines", partitions, TopicConfig::default()).unwrap();
        let mut device = FaultInjector::new(near, seed);
        let mut settings = smoltcp::iface::Config::new(HardwareAddress::Ip);
        settings.random_seed = u64::from(seed);
        let mut interface = Interface::new(settings, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24)).unwrap());
        let mut sockets = SocketSet::new(vec![]);
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let handles = std::array::from_fn(|_| sockets.add(Socket::new(buffer(512), buffer(512))));
        let memory = Box::leak(Box::new(memory));
        let producer = Producer::new(memory, Box::leak(Box::new(config)), crc32c::crc32c_append).unwrap();
        Self {
            producer,
            links: Links::new(handles, seed),
            interface,
            sockets,
            device,
            brokers,
            now: Instant::from_millis(1),
            delivered: 0,
            failed: 0,
            turns: 0,
        }
    }

    /// The main loop of a device, then its sleep: until something is due or a frame arrives, and no longer.
    fn turn(&mut self) {
        self.turns += 1;
        let micros = u64::try_from(self.now.total_micros()).unwrap();
        self.interface.poll(self.now, &mut self.device, &mut self.sockets);
        let time = kurier_core::time::Instant::from_micros(micros);
        let wake = self.producer.poll(time, &mut self.links.on(&mut self.interface, &mut self.sockets));
        while let Some(delivery) = self.producer.next_delivery() {
            if delivery.is_ok() {
                self.delivered += delivery.count;
            } else {
                self.failed += delivery.count;
            }
        }
        self.brokers.poll(self.now, 1_700_000_000_000 + self.now.total_millis());
        let own = match wake {
            Wake::Now => Some(self.now),
            Wake::At(at) => Some(Instant::from_micros(i64::try_from(at.as_micros()).unwrap())),
            Wake::OnIo => None,
        };
        let network = self.interface.poll_at(self.now, &self.sockets);
        let (near, far) = (self.arrival(), self.brokers.next(self.now));
        let next = [own, network, near, far].into_iter().flatten().min();
        let next = next.expect("somebody waits for something");
        // The least time that passes in a turn.
        self.now = next.max(self.now + Duration::from_micros(50));
    }

    /// Frames for the device interrupt its sleep; the fault injector hides the cable, so its far end is asked.
    fn arrival(&self) -> Option<Instant> {
        self.brokers.arrival_at_peer()
    }

    fn topic(&mut self) -> Topic {
        let micros = u64::try_from(self.now.total_micros()).unwrap();
        self.producer.topic("lines", kurier_core::time::Instant::from_micros(micros)).unwrap()
    }

    fn send(&mut self, topic: Topic, record: Record<'_>) {
        for _ in 0..200_000 {
            let micros = u64::try_from(self.now.total_micros()).unwrap();
            match self.producer.send(topic, record, kurier_core::time::Instant::from_micros(micros)) {
                Ok(_) => return,
                Err(SendError::Full | SendError::NotReady) => self.turn(),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("stuck: {:?}", self.producer.stats());
    }

    fn finish(&mut self) {
        let mark = self.producer.flush();
        for _ in 0..200_000 {
            if self.producer.is_flushed(mark) {
                return;
            }
            self.turn();
        }
        panic!("stuck at flush: {:?}", self.producer.stats());
    }
}

fn config() -> Config<'static> {
    Config::new(SERVERS).linger_ms(2)
}

#[test]
fn records_arrive_once_and_in_order_in_the_smallest_storage() {
    let mut world = World::<1>::new(Storage::<1, 1, 2, 128>::new(), config(), (1, 1), CALM, 1);
    let topic = world.topic();
    for n in 0..300_u32 {
        world.send(topic, Record::value(&n.to_be_bytes()));
    }
    world.finish();
    assert_eq!((world.delivered, world.failed), (300, 0));
    assert_eq!(world.brokers.numbers("lines", 0), (0..300).collect::<Vec<_>>());
    assert_eq!(world.brokers.opened, 1, "the stream to the bootstrap server is the broker's own");
}

#[test]
fn frames_that_are_lost_doubled_or_overtaken_lose_and_double_no_record() {
    let mut mishaps = [0; 3];
    for seed in 1..=6 {
        let memory = Storage::<2, 4, 8, 512>::new();
        let mut world = World::<2>::new(memory, config(), (2, 3), FOUL, seed);
        let topic = world.topic();
        for n in 0..600_u32 {
            world.send(topic, Record::value(&n.to_be_bytes()).partition((n % 3).cast_signed()));
        }
        world.finish();
        assert_eq!((world.delivered, world.failed), (600, 0), "seed {seed}");
        for partition in 0..3_u32 {
            let expected: Vec<_> = (0..600).filter(|n| n % 3 == partition).collect();
            assert_eq!(world.brokers.numbers("lines", partition.cast_signed()), expected, "seed {seed}");
        }
        mishaps = std::array::from_fn(|kind| mishaps[kind] + world.brokers.mishaps()[kind]);
    }
    assert!(mishaps.iter().all(|count| *count > 10), "the cable did its worst: {mishaps:?}");
}

#[test]
fn damaged_frames_are_thrown_away_and_sent_again() {
    let mut world = World::<1>::new(Storage::<1, 1, 4, 256>::new(), config(), (1, 1), CALM, 11);
    world.device.set_corrupt_chance(10);
    world.device.set_drop_chance(10);
    let topic = world.topic();
    for n in 0..300_u32 {
        world.send(topic, Record::value(&n.to_be_bytes()));
    }
    world.finish();
    assert_eq!((world.delivered, world.failed), (300, 0));
    assert_eq!(world.brokers.numbers("lines", 0), (0..300).collect::<Vec<_>>());
}

#[test]
fn streams_that_are_cut_are_opened_again_and_nothing_is_lost() {
    for seed in 21..=23 {
        let mut world = World::<1>::new(Storage::<1, 2, 4, 256>::new(), config(), (2, 2), CALM, seed);
        let topic = world.topic();
        for n in 0..400_u32 {
            world.send(topic, Record::value(&n.to_be_bytes()).partition((n % 2).cast_signed()));
            if n % 97 == 50 {
                world.turn();
                world.brokers.cut();
            }
        }
        world.finish();
        assert_eq!((world.delivered, world.failed), (400, 0), "seed {seed}");
        for partition in 0..2_u32 {
            let expected: Vec<_> = (0..400).filter(|n| n % 2 == partition).collect();
            assert_eq!(world.brokers.numbers("lines", partition.cast_signed()), expected, "seed {seed}");
        }
        assert!(world.brokers.opened > 4, "one link for two brokers, cut again and again");
    }
}

#[test]
fn a_network_that_is_gone_for_a_while_costs_time_and_nothing_else() {
    let mut world = World::<1>::new(Storage::<1, 1, 4, 256>::new(), config(), (1, 1), CALM, 5);
    let topic = world.topic();
    for n in 0..50_u32 {
        world.send(topic, Record::value(&n.to_be_bytes()));
    }
    world.brokers.set_weather(Weather { loss: 100, ..CALM });
    let back = world.now + Duration::from_secs(20);
    for n in 50..100_u32 {
        world.send(topic, Record::value(&n.to_be_bytes()));
        while n == 60 && world.now < back {
            world.turn();
        }
        if n == 60 {
            world.brokers.set_weather(CALM);
        }
    }
    world.finish();
    assert_eq!((world.delivered, world.failed), (100, 0));
    assert_eq!(world.brokers.numbers("lines", 0), (0..100).collect::<Vec<_>>());
    assert!(world.now >= back);
}

#[test]
fn an_idle_producer_lets_the_device_sleep() {
    let mut world = World::<1>::new(Storage::<1, 1, 2, 128>::new(), config(), (1, 1), CALM, 3);
    let topic = world.topic();
    world.send(topic, Record::value(b"0000"));
    world.finish();
    let (turns, until) = (world.turns, world.now + Duration::from_secs(60));
    while world.now < until {
        world.turn();
    }
    assert!(world.turns - turns < 20, "{} turns in a minute without work", world.turns - turns);
}
