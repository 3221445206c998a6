//! The whole core over the model broker, in virtual time, with small and large storage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_core::config::{Acks, Config};
use kurier_core::error::SendError;
use kurier_core::producer::Producer;
use kurier_core::record::{Record, Topic};
use kurier_core::sender::Wake;
use kurier_core::storage::{Memory, Storage};
use kurier_core::time::Instant;
use kurier_core::transport::Endpoint;
use kurier_core::wire::ErrorCode;
use kurier_tests::model_net::ModelNet;

struct Bench {
    producer: Producer,
    net: ModelNet,
    now: Instant,
    delivered: u32,
    failed: u32,
}

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 9091 }];

fn crc(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

impl Bench {
    fn new<M: Memory + 'static>(memory: M, config: Config<'static>, brokers: u16, partitions: i32) -> Self {
        let memory = Box::leak(Box::new(memory));
        let config = Box::leak(Box::new(config));
        let mut net = ModelNet::new(Cluster::new(Settings::default()), brokers);
        net.cluster.create_topic("lines", partitions, TopicConfig::default()).unwrap();
        let producer = Producer::new(memory, config, crc).unwrap();
        Self { producer, net, now: Instant::from_millis(1000), delivered: 0, failed: 0 }
    }

    fn turn(&mut self) {
        let wake = self.producer.poll(self.now, &mut self.net);
        while let Some(delivery) = self.producer.next_delivery() {
            if delivery.is_ok() {
                self.delivered += delivery.count;
            } else {
                self.failed += delivery.count;
            }
        }
        let before = self.now;
        self.now = match wake {
            Wake::Now => Instant::from_micros(before.as_micros() + 10),
            Wake::At(at) => at.max(Instant::from_micros(before.as_micros() + 10)).min(before.plus_millis(5)),
            Wake::OnIo => before.plus_millis(1),
        };
        self.net.now += i64::try_from(self.now.as_micros() / 1000 - before.as_micros() / 1000).unwrap();
        self.net.cluster.poll(self.net.now);
    }

    fn send(&mut self, topic: Topic, record: Record<'_>) {
        for _ in 0..10_000 {
            match self.producer.send(topic, record, self.now) {
                Ok(_) => return,
                Err(SendError::Full | SendError::NotReady) => self.turn(),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("stuck");
    }

    fn finish(&mut self) {
        let mark = self.producer.flush();
        for _ in 0..10_000 {
            if self.producer.is_flushed(mark) {
                return;
            }
            self.turn();
        }
        panic!("stuck at flush: {:?}", self.producer.stats());
    }

    fn logged(&self, partition: i32) -> Vec<Vec<u8>> {
        let records = self.net.cluster.records("lines", partition);
        records.map(|record| record.value.unwrap_or_default().to_vec()).collect()
    }
}

#[test]
fn records_arrive_once_and_in_order_in_the_smallest_storage() {
    for acks in [Acks::All, Acks::Leader, Acks::Zero] {
        let mut bench =
            Bench::new(Storage::<1, 1, 2, 128>::new(), Config::new(SERVERS).acks(acks).linger_ms(1), 1, 1);
        let topic = bench.producer.topic("lines", bench.now).unwrap();
        for n in 0..500_u32 {
            bench.send(topic, Record::value(&n.to_be_bytes()));
        }
        bench.finish();
        assert_eq!((bench.delivered, bench.failed), (500, 0), "{acks:?}");
        let expected: Vec<_> = (0..500_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(bench.logged(0), expected, "{acks:?}");
    }
}

#[test]
fn pieces_of_any_size_make_no_difference() {
    for limit in [1, 2, 3, 7, 61, 100, 511, 513] {
        let mut bench = Bench::new(Storage::<2, 4, 8, 1024>::new(), Config::new(SERVERS), 2, 4);
        bench.net.read_limit = limit;
        bench.net.write_limit = limit;
        let topic = bench.producer.topic("lines", bench.now).unwrap();
        for n in 0..300_u32 {
            let key = (n % 10).to_be_bytes();
            bench.send(topic, Record::value(&n.to_be_bytes()).key(&key));
        }
        bench.finish();
        assert_eq!((bench.delivered, bench.failed), (300, 0), "{limit}");
        let total: usize = (0..4).map(|partition| bench.logged(partition).len()).sum();
        assert_eq!(total, 300);
        for partition in 0..4 {
            assert!(bench.logged(partition).windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}

#[test]
fn links_that_are_cut_lose_and_double_nothing() {
    let mut bench = Bench::new(Storage::<3, 4, 16, 512>::new(), Config::new(SERVERS).linger_ms(0), 3, 4);
    let topic = bench.producer.topic("lines", bench.now).unwrap();
    bench.net.write_limit = 200;
    bench.net.read_limit = 50;
    for n in 0..2000_u32 {
        bench.send(topic, Record::value(&n.to_be_bytes()).partition((n % 4).cast_signed()));
        if n % 37 == 5 {
            bench.turn();
            bench.net.cut();
        }
    }
    bench.finish();
    assert_eq!((bench.delivered, bench.failed), (2000, 0));
    for partition in 0..4 {
        let expected: Vec<_> =
            (0..2000_u32).filter(|n| n % 4 == partition).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(bench.logged(partition.cast_signed()), expected);
    }
}

#[test]
fn more_brokers_than_links_and_more_partitions_than_slots_work() {
    let mut bench = Bench::new(Storage::<1, 2, 4, 256>::new(), Config::new(SERVERS).linger_ms(0), 3, 7);
    let topic = bench.producer.topic("lines", bench.now).unwrap();
    for n in 0..140_u32 {
        bench.send(topic, Record::value(&n.to_be_bytes()).partition((n % 7).cast_signed()));
    }
    bench.finish();
    assert_eq!((bench.delivered, bench.failed), (140, 0));
    for partition in 0..7 {
        let expected: Vec<_> =
            (0..140_u32).filter(|n| n % 7 == partition).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(bench.logged(partition.cast_signed()), expected);
    }
}

#[test]
fn a_producer_that_was_throttled_and_retried_works_on_after_weeks() {
    let mut bench = Bench::new(Storage::<2, 2, 4, 256>::new(), Config::new(SERVERS).linger_ms(0), 1, 1);
    let topic = bench.producer.topic("lines", bench.now).unwrap();
    let mut answers = 0;
    bench.net.cluster.inject(move |request| {
        answers += u32::from(request.api == 0);
        let first = request.api == 0 && answers == 1;
        first.then(|| kurier_broker::Fault {
            throttle_ms: Some(50),
            ..kurier_broker::Fault::refuse(ErrorCode::NOT_ENOUGH_REPLICAS)
        })
    });
    bench.send(topic, Record::value(b"before"));
    bench.finish();
    assert_eq!((bench.delivered, bench.failed), (1, 0));
    // In steps of a day, as a device that sleeps would come by.
    for _ in 0..26 {
        bench.turn();
        bench.now = bench.now.plus_millis(86_400_000);
        bench.net.now += 86_400_000;
    }
    bench.send(topic, Record::value(b"after"));
    bench.finish();
    assert_eq!((bench.delivered, bench.failed), (2, 0));
    assert_eq!(bench.logged(0), [b"before".to_vec(), b"after".to_vec()]);
}

/// The only server is the only broker, so it is found again with or without a new beginning: what counts is that
/// forgetting it every second does not forget its backoff. `scenarios/rebootstrap.rs` has what only a new beginning finds.
#[test]
fn a_broker_that_is_away_for_long_is_dialled_with_backoff_however_often_the_rebootstrap_trigger_passes() {
    let config = Config::new(SERVERS)
        .metadata_rebootstrap_trigger_ms(1000)
        .metadata_max_age_ms(1000)
        .request_timeout_ms(500)
        .linger_ms(0);
    let mut bench = Bench::new(Storage::<2, 2, 4, 256>::new(), config, 1, 1);
    let topic = bench.producer.topic("lines", bench.now).unwrap();
    bench.send(topic, Record::value(b"before"));
    bench.finish();
    bench.net.cluster.kill(1);
    bench.net.cut();
    bench.send(topic, Record::value(b"during"));
    let dials = bench.net.dials;
    let away_until = bench.now.plus_millis(10_000);
    while bench.now < away_until {
        bench.turn();
    }
    assert!(bench.net.dials - dials < 100, "{} dials in ten seconds", bench.net.dials - dials);
    bench.net.cluster.restart(1);
    bench.finish();
    assert_eq!((bench.delivered, bench.failed), (2, 0));
}
