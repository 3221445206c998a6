//! The device's image in QEMU against the model broker: the real driver, smoltcp, DHCP, and the producer as it is linked.
#![cfg(feature = "firmware")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_broker::{Body, Server, ServerOptions, TopicConfig};
use kurier_tests::ask_all::AskAll;
use kurier_tests::device::{Device, HOST, M3, SISTERS, number};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// The model broker, seen from the guest.
struct Broker(Server);

impl Broker {
    fn start(listen: &str, partitions: i32) -> Self {
        let advertised_host = Some(HOST.to_owned());
        let options =
            ServerOptions { listen: listen.to_owned(), advertised_host, ..ServerOptions::default() };
        let server = Server::start(options).unwrap();
        server.with(|cluster| cluster.create_topic("telemetry", partitions, TopicConfig::default()).unwrap());
        Self(server)
    }

    fn bootstrap(&self) -> String {
        format!("bootstrap={HOST}:{}", self.0.addresses()[0].port())
    }

    /// Starts an image that sends to it.
    fn device(&self, machine: &str, words: &[&str]) -> Device {
        let bootstrap = self.bootstrap();
        Device::start(machine, &[&[bootstrap.as_str(), "topic=telemetry"], words].concat()).unwrap()
    }

    /// Samples of the image with this seed that lie in batches which are as good as full.
    fn full(&self, seed: u32) -> Vec<u64> {
        self.0.with(|cluster| {
            let batches = cluster.batches("telemetry", 0).map(|batch| batch.header);
            let large = batches.filter(|header| header.count > 5);
            let offsets: Vec<_> = large
                .flat_map(|header| (0..i64::from(header.count)).map(move |nth| header.base_offset + nth))
                .collect();
            let own = |record: &kurier_broker::Record<'_>| {
                record.key == Some(&seed.to_be_bytes()[..]) && offsets.contains(&record.offset)
            };
            let records = cluster.records("telemetry", 0).filter(own);
            records.map(|record| number(record.value.unwrap()).unwrap()).collect()
        })
    }

    /// The samples of the image with this seed, in the order of the log.
    fn samples(&self, seed: u32) -> Vec<u64> {
        self.0.with(|cluster| {
            let mut found = Vec::new();
            for partition in 0..cluster.partitions("telemetry") {
                let own = |record: &kurier_broker::Record<'_>| record.key == Some(&seed.to_be_bytes()[..]);
                let records = cluster.records("telemetry", partition).filter(own);
                found.extend(records.map(|record| number(record.value.unwrap()).unwrap()));
            }
            found
        })
    }
}

#[test]
fn ten_thousand_records_are_acknowledged_and_in_the_log_once_each_in_order() {
    let broker = Broker::start("127.0.0.1:0", 3);
    let (status, figures) = broker.device(M3, &["records=10000", "seed=5"]).end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged"), figures.of("failed")), (Some(0), 10_000, 0));
    assert_eq!(broker.samples(5), (0..10_000).collect::<Vec<_>>());
}

#[test]
fn the_same_image_runs_on_its_sister_machines() {
    let broker = Broker::start("127.0.0.1:0", 1);
    for (seed, machine) in (10..).zip(SISTERS) {
        let seed_word = format!("seed={seed}");
        let (status, _) = broker.device(machine, &["records=500", &seed_word]).end(PATIENCE).unwrap();
        assert_eq!(status, Some(0), "{machine}");
        assert_eq!(broker.samples(seed), (0..500).collect::<Vec<_>>(), "{machine}");
    }
}

#[test]
fn four_devices_at_once_do_not_disturb_one_another() {
    let broker = Broker::start("127.0.0.1:0", 2);
    let start = |seed: u32| broker.device(M3, &["records=1000", &format!("seed={seed}")]);
    let devices: Vec<_> = (1..=4).map(start).collect();
    for (seed, device) in (1..).zip(devices) {
        assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
        assert_eq!(broker.samples(seed), (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn a_cable_that_is_out_for_half_a_minute_costs_what_had_no_room_and_nothing_that_was_taken() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let start = |seed: &str, full: &str| broker.device(M3, &["records=400", "every=100", seed, full]);
    let mut devices = [start("seed=3", "full=refuse"), start("seed=4", "full=drop")];
    for device in &mut devices {
        device.wait_for("network: ", PATIENCE).unwrap();
    }
    std::thread::sleep(Duration::from_secs(2));
    for device in &mut devices {
        device.set_link(false).unwrap();
    }
    std::thread::sleep(Duration::from_secs(30));
    for device in &mut devices {
        device.set_link(true).unwrap();
    }
    for (device, (seed, what)) in devices.into_iter().zip([(3, "refused"), (4, "dropped")]) {
        let (status, figures) = device.end(PATIENCE).unwrap();
        assert_eq!(status, Some(1), "samples were {what}, and it says so");
        let (acknowledged, lost) = (figures.of("acknowledged"), figures.of(what));
        assert_eq!((acknowledged + lost, figures.of("failed")), (400, 0));
        assert!(lost > 100 && acknowledged > 100, "{figures:?}");
        let samples = broker.samples(seed);
        assert_eq!(samples.len() as u64, acknowledged);
        assert!(samples.is_sorted_by(|a, b| a < b), "in order, none twice");
        assert!(samples.contains(&399), "the storage is of use again");
        // Batches fill up only while the network is away: they hold what came before the gap, or what came behind it.
        let gap = samples.iter().zip(0..).find(|(sample, nth)| **sample != *nth).unwrap().1;
        let full = broker.full(seed);
        assert!(full.len() >= 6, "{full:?}");
        assert!(
            full.iter().all(|sample| (*sample > gap) == (what == "dropped")),
            "{full:?}, the gap is at {gap}"
        );
    }
}

#[test]
fn a_device_that_sleeps_without_memory_goes_on_as_the_same_producer_without_asking() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    broker.0.with(|cluster| {
        cluster.observe(move |request| {
            if matches!(request.body, Body::InitProducerId(_)) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    let (status, figures) = broker.device(M3, &["records=20", "naps=3", "seed=9"]).end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged")), (Some(0), 20));
    assert_eq!(broker.samples(9), (0..20).cycle().take(80).collect::<Vec<_>>());
    let mut stamps: Vec<_> = broker.0.with(|cluster| {
        let batches = cluster.batches("telemetry", 0).map(|batch| batch.header);
        batches.map(|header| (header.producer_id, header.producer_epoch)).collect()
    });
    stamps.dedup();
    let id = stamps[0].0;
    assert_eq!(stamps, [(id, 0), (id, 1), (id, 2), (id, 3)]);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "an identity was asked for once");
}

#[test]
fn a_device_that_is_reset_in_the_middle_begins_anew_and_doubles_nothing() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let mut device = broker.device(M3, &["records=300", "every=10", "seed=8"]);
    device.wait_for("network: ", PATIENCE).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    device.reset().unwrap();
    assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
    let samples = broker.samples(8);
    let first = samples.len() - 300;
    assert!(first > 0 && first < 300, "{first} samples before the reset");
    assert_eq!(samples, (0..first as u64).chain(0..300).collect::<Vec<_>>());
}

#[test]
fn a_fault_of_the_core_is_a_new_beginning_that_says_once_where_it_was_and_doubles_nothing() {
    // In a part of the stack that is never in use: exceptions are let in again (`cpsie i`), and one asked for (`svc 0`).
    const CODE: (u32, u32) = (0x2001_8000, 0xDF00_B662);
    let breaks = |(seed, register, value, place): (u32, u8, u32, &str)| {
        let broker = Broker::start("127.0.0.1:0", 1);
        let mut device = broker.device(M3, &["records=300", "every=10", &format!("seed={seed}")]);
        device.wait_for("network: ", PATIENCE).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        device.overwrite(CODE.0, CODE.1).unwrap();
        device.corrupt(register, value).unwrap();
        let said = device.wait_for("restarted by a fault ", Duration::from_secs(10)).unwrap();
        assert!(said.contains(place) && said.contains(", number 1 "), "{said}");
        device.wait_for("network: ", PATIENCE).unwrap();
        device.reset().unwrap();
        let again = device.wait_for("restarted by a fault ", Duration::from_secs(1));
        assert!(again.is_err(), "{again:?}");
        assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
        // Those before the fault, perhaps some before the reset, and the rest.
        let samples = broker.samples(seed);
        let boots: Vec<_> = samples.chunk_by(|one, next| one + 1 == *next).collect();
        assert!(boots.len() >= 2 && boots.iter().all(|boot| boot[0] == 0), "{boots:?}");
        assert_eq!((boots[0].len() < 300, boots[boots.len() - 1].len()), (true, 300), "{boots:?}");
    };
    // A jump to where no memory is; a stack that has left it, as one that runs over does where it lies at the bottom; an
    // exception that nobody takes.
    let all = [
        (21, 15, 0x3000_0000, "at 0x30000000,"),
        (22, 13, 0x1FFF_FF00, "at 0xfffffffe,"),
        (23, 15, CODE.0, "at 0x2001800"),
    ];
    std::thread::scope(|scope| all.map(|one| drop(scope.spawn(move || breaks(one)))));
}

#[test]
fn a_broker_that_comes_later_is_found_and_until_then_the_device_says_what_is_wrong() {
    let port = kurier_tests::kafka::free_port().unwrap();
    let bootstrap = format!("bootstrap={HOST}:{}", port.number());
    let mut device = Device::start(M3, &[&bootstrap, "topic=telemetry", "records=50", "seed=2"]).unwrap();
    let trouble = device.wait_for("trouble: ", PATIENCE).unwrap();
    assert_eq!(trouble, format!("trouble: Unreachable at {HOST}:{}", port.number()));
    assert!(device.said.iter().any(|line| line == "link: connection refused"), "{:?}", device.said);
    let broker = Broker::start(&format!("127.0.0.1:{}", port.number()), 1);
    assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
    assert_eq!(broker.samples(2), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_name_that_leads_nowhere_is_trouble_and_not_the_end() {
    let mut device = Device::start(M3, &["bootstrap=no-such-host.invalid:9092", "topic=telemetry"]).unwrap();
    for _ in 0..2 {
        let trouble = device.wait_for("trouble: ", PATIENCE).unwrap();
        assert_eq!(trouble, "trouble: Unreachable at no-such-host.invalid:9092");
    }
}

#[test]
fn an_answer_about_fifty_thousand_partitions_passes_the_small_window() {
    let broker = Broker::start("127.0.0.1:0", 100);
    broker.0.with(|cluster| {
        for n in 0..500 {
            // The device's topic comes in the middle of them.
            let name = format!("{}-{n}", if n < 250 { "other" } else { "zone" });
            cluster.create_topic(&name, 100, TopicConfig::default()).unwrap();
        }
    });
    let way = AskAll::start(broker.0.addresses()[0]).unwrap();
    let bootstrap = format!("bootstrap={HOST}:{}", way.address.port());
    let words = [bootstrap.as_str(), "topic=telemetry", "records=200", "seed=6"];
    let (status, _) = Device::start(M3, &words).unwrap().end(PATIENCE).unwrap();
    assert_eq!(status, Some(0));
    assert_eq!(broker.samples(6), (0..200).collect::<Vec<_>>());
    assert!(way.largest_answer() > 1_000_000, "the answer had {} bytes", way.largest_answer());
}

#[test]
fn a_lamp_changes_with_each_batch_that_is_written_and_another_tells_of_one_that_is_not() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let narrow = TopicConfig { max_message_bytes: 100, ..TopicConfig::default() };
    broker.0.with(|cluster| cluster.create_topic("narrow", 1, narrow).unwrap());
    let shows = |device: &Device, lamps: u32| {
        let until = std::time::Instant::now() + PATIENCE;
        while device.lamps().unwrap() != lamps {
            std::thread::sleep(Duration::from_millis(5));
            assert!(std::time::Instant::now() < until, "never {lamps:b}");
        }
    };
    let device = broker.device(M3, &["every=50", "linger=0"]);
    for lamps in [0b01, 0b00, 0b01, 0b00] {
        shows(&device, lamps);
    }
    let mut device = broker.device(M3, &["topic=narrow", "every=50", "linger=0"]);
    device.wait_for("not-written", PATIENCE).unwrap();
    shows(&device, 0b10);
}

#[test]
fn a_device_that_has_little_to_say_sleeps() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let words = ["records=4", "every=2000", "linger=1000", "seed=4"];
    let (status, figures) = broker.device(M3, &words).end(PATIENCE).unwrap();
    assert_eq!(status, Some(0));
    assert!(figures.of("sleeps") < 80, "woken {} times in seven seconds", figures.of("sleeps"));
}

#[test]
fn a_device_with_an_address_of_its_own_asks_nobody_for_one() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let mut device = broker.device(M3, &["address=10.0.2.44", "records=20", "seed=7"]);
    device.wait_for("network: 10.0.2.44/24", PATIENCE).unwrap();
    assert_eq!(device.end(PATIENCE).unwrap().0, Some(0));
    assert_eq!(broker.samples(7), (0..20).collect::<Vec<_>>());
}

#[test]
fn settings_that_contradict_one_another_end_it_with_their_names() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let mut device = broker.device(M3, &["delivery=1000"]);
    let error = device.wait_for("error: ", PATIENCE).unwrap();
    assert!(error.contains("delivery.timeout.ms") && error.contains("request.timeout.ms"), "{error}");
}

#[test]
fn words_that_cannot_be_read_end_it_with_how_to_say_them() {
    let good = ["bootstrap=a:1", "topic=t"];
    let rest: [&[&str]; 8] = [
        &["records=x"],
        &["address=10.0.2.44/33"],
        &["address=10.0.2.44/"],
        &["address=224.0.0.1"],
        &["address=0.0.0.0"],
        &["address=10.0.2.44", "router=255.255.255.255"],
        &["router=10.0.2.2"],
        &["dns=10.0.2.3"],
    ];
    let rest = rest.map(|rest| [&good, rest].concat());
    let bad = [vec!["topic=t"], vec!["bootstrap=10.0.2.2", "topic=t"]];
    for words in bad.iter().chain(&rest) {
        let mut device = Device::start(M3, words).unwrap();
        device.wait_for("bootstrap=HOST:PORT", PATIENCE).unwrap();
    }
}

#[test]
fn an_image_with_the_log_says_what_the_stack_does_at_the_level_that_is_asked_for() {
    let broker = Broker::start("127.0.0.1:0", 1);
    let bootstrap = broker.bootstrap();
    let said = |seed: &str, level: &str| {
        let words = [bootstrap.as_str(), "topic=telemetry", "records=3", seed, level];
        let mut device = Device::start_logging(M3, &words).unwrap();
        device.wait_for("\"acknowledged\":3,", PATIENCE).unwrap();
        device.said.join("\n")
    };
    let lease = "[DEBUG smoltcp::socket::dhcpv4] DHCP recv Ack";
    let opened = "[TRACE smoltcp::socket::tcp] state=SYN-SENT=>ESTABLISHED";
    for (seed, level, shown) in [
        ("seed=1", "log=trace", &[lease, opened][..]),
        ("seed=2", "log=debug", &[lease]),
        ("seed=3", "log=off", &[]),
    ] {
        let said = said(seed, level);
        for line in [lease, opened] {
            assert_eq!(said.contains(line), shown.contains(&line), "{level}, `{line}`: {said}");
        }
    }
    assert_eq!(broker.samples(1), [0, 1, 2]);
}
