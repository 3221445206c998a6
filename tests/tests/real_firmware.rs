//! The device's image in QEMU against real Kafka, over a listener that the guest can reach; read back with kcat.
#![cfg(all(feature = "real-kafka", feature = "firmware"))]
#![allow(clippy::unwrap_used, clippy::panic)] // a test
use kurier_tests::ask_all::AskAll;
use kurier_tests::device::{Device, HOST, M3, number};
use kurier_tests::kafka::{Kafka, Listener, Options, Proxy, Way, read};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);
/// The broker's time in each record, since a device has none to give.
const STAMPED: [(&str, &str); 1] = [("message.timestamp.type", "LogAppendTime")];

/// Listeners that the guest can reach: a plain one, one that wants SASL, and one that wants TLS.
fn secured(options: Options) -> Options {
    const PASSWORD: &str = "for-a-test";
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware.p12");
    // Of an earlier run.
    let _ = std::fs::remove_file(&store);
    let mut keytool = Command::new("keytool");
    keytool.args([
        "-genkeypair",
        "-alias",
        "broker",
        "-keyalg",
        "EC",
        "-dname",
        "CN=10.0.2.2",
        "-validity",
        "2",
    ]);
    keytool.args(["-storetype", "PKCS12", "-storepass", PASSWORD, "-keystore"]).arg(&store);
    assert!(keytool.output().unwrap().status.success(), "keytool makes a key");
    let guest = |name, protocol| Listener::new(name, protocol).advertise(HOST, None);
    options
        .listener(guest("GUEST", "PLAINTEXT"))
        .listener(guest("SASLG", "SASL_PLAINTEXT"))
        .listener(guest("TLSG", "SSL"))
        .property("listener.name.saslg.sasl.enabled.mechanisms", "PLAIN")
        .property(
            "listener.name.saslg.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";",
        )
        .property("listener.name.tlsg.ssl.keystore.type", "PKCS12")
        .property("listener.name.tlsg.ssl.keystore.location", &store.display().to_string())
        .property("listener.name.tlsg.ssl.keystore.password", PASSWORD)
}

/// One node, whole again whatever the test before did to it.
fn kafka() -> MutexGuard<'static, Kafka> {
    static KAFKA: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let start = || Mutex::new(Kafka::start(secured(Options::new())).unwrap());
    let kafka = KAFKA.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
    if kafka.pid(1).is_none() {
        kafka.start_node(1).unwrap();
    }
    kafka
}

fn device(kafka: &Kafka, topic: &str, words: &[&str]) -> Device {
    device_at(kafka, "GUEST", topic, words)
}

fn device_at(kafka: &Kafka, listener: &str, topic: &str, words: &[&str]) -> Device {
    let bootstrap = format!("bootstrap={HOST}:{}", kafka.port(1, listener).unwrap());
    Device::start(M3, &[&[bootstrap.as_str(), &format!("topic={topic}")], words].concat()).unwrap()
}

fn samples(kafka: &Kafka, topic: &str) -> Vec<u64> {
    let records = read::records(&kafka.bootstrap(), topic).unwrap();
    assert!(records.iter().all(|record| record.headers == "source=kurier-firmware"));
    records.iter().map(|record| number(record.value.as_ref().unwrap()).unwrap()).collect()
}

#[test]
fn ten_thousand_records_are_acknowledged_and_kcat_finds_each_once_in_order() {
    let kafka = kafka();
    kafka.create_topic("firmware", 3, 1).unwrap();
    let (status, figures) = device(&kafka, "firmware", &["records=10000"]).end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged"), figures.of("failed")), (Some(0), 10_000, 0));
    assert_eq!(samples(&kafka, "firmware"), (0..10_000).collect::<Vec<_>>());
}

#[test]
fn four_devices_at_once_one_reset_and_one_cut_off_for_half_a_minute_do_not_disturb_one_another() {
    let kafka = kafka();
    kafka.create_topic("four", 2, 1).unwrap();
    let pace = ["records=900", "every=40"];
    let start = |seed: u32| device(&kafka, "four", &[&pace[..], &[&format!("seed={seed}")]].concat());
    let mut devices: Vec<_> = (1..=4).map(start).collect();
    for device in &mut devices {
        device.wait_for("network: ", PATIENCE).unwrap();
    }
    std::thread::sleep(Duration::from_secs(2));
    devices[1].reset().unwrap();
    devices[2].set_link(false).unwrap();
    std::thread::sleep(Duration::from_secs(30));
    devices[2].set_link(true).unwrap();
    let ended: Vec<_> = devices.into_iter().map(|device| device.end(PATIENCE).unwrap()).collect();
    let records = read::records(&kafka.bootstrap(), "four").unwrap();
    let of = |seed: u32| -> Vec<u64> {
        let own = records.iter().filter(|record| record.key.as_deref() == Some(&seed.to_be_bytes()));
        own.map(|record| number(record.value.as_ref().unwrap()).unwrap()).collect()
    };
    for (seed, (status, figures)) in (1..).zip(&ended) {
        let (acknowledged, refused) = (figures.of("acknowledged"), figures.of("refused"));
        assert_eq!((acknowledged + refused, figures.of("failed")), (900, 0));
        // Samples are refused where the storage is full, as a machine that is too busy may have it, too.
        assert_eq!(*status, Some(i32::from(refused > 0)));
        assert!(seed != 3 || refused > 100, "{figures:?}");
        let samples = of(seed);
        // Of the one that was reset what came before has an end, and a beginning.
        let begin = samples.len() - usize::try_from(acknowledged).unwrap();
        let (before, own) = samples.split_at(begin);
        assert_eq!(before.is_empty(), seed != 2, "{before:?}");
        assert!(before.is_sorted_by(|a, b| a < b) && before.first().is_none_or(|first| *first == 0));
        assert!(own.is_sorted_by(|a, b| a < b) && own[0] == 0 && own.contains(&899), "{seed}: {own:?}");
    }
}

#[test]
fn a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    let kafka = kafka();
    kafka.admin().unwrap().create("killed", 1, 1, &STAMPED).unwrap();
    let mut device = device(&kafka, "killed", &["records=300", "every=100"]);
    device.wait_for("network: ", PATIENCE).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    kafka.kill_node(1).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    kafka.start_node(1).unwrap();
    let (_, figures) = device.end(PATIENCE).unwrap();
    let (acknowledged, refused) = (figures.of("acknowledged"), figures.of("refused"));
    assert_eq!((acknowledged + refused, figures.of("failed")), (300, 0));
    assert!(figures.of("connections") > 1, "{figures:?}");
    let samples = samples(&kafka, "killed");
    // Which one it is tells whether it was doubled, or written and not told of.
    assert_eq!(samples.len() as u64, acknowledged, "{figures:?} {samples:?}");
    assert!(samples.is_sorted_by(|a, b| a < b), "in order, none twice: {samples:?}");
}

#[test]
fn what_is_written_by_a_broker_that_dies_before_it_answers_is_there_once_if_the_topic_stamps_records() {
    let way = Proxy::start().unwrap();
    let guest = Listener::new("GUEST", "PLAINTEXT").advertise(HOST, Some(way.port()));
    let kafka = Kafka::start(Options::new().listener(guest)).unwrap();
    way.lead_to(kafka.port(1, "GUEST").unwrap());
    let start = |topic: &str, configs: &[(&str, &str)]| {
        kafka.admin().unwrap().create(topic, 1, 1, configs).unwrap();
        let (at, topic) = (format!("bootstrap={HOST}:{}", way.port()), format!("topic={topic}"));
        Device::start(M3, &[&at, &topic, "records=16", "every=1000"]).unwrap()
    };
    let mut devices = [("stamped", start("stamped", &STAMPED)), ("timeless", start("timeless", &[]))];
    let until = Instant::now() + PATIENCE;
    while devices.iter().any(|(topic, _)| samples(&kafka, topic).is_empty()) {
        assert!(Instant::now() < until, "both have written");
    }
    way.hold(Way::Answers, true);
    for (_, device) in &mut devices {
        device.hear();
        // What it says when nothing was acknowledged for five seconds: what it has sent meanwhile is in the log.
        device.wait_for("\"open\":", PATIENCE).unwrap();
    }
    kafka.kill_node(1).unwrap();
    way.cut_all();
    way.hold(Way::Answers, false);
    kafka.start_node(1).unwrap();
    for (topic, device) in devices {
        let (status, figures) = device.end(PATIENCE).unwrap();
        let sent = figures.of("acknowledged");
        assert_eq!((sent + figures.of("refused"), figures.of("failed")), (16, 0), "{status:?} {figures:?}");
        let mut samples = samples(&kafka, topic);
        // A broker that starts forgets who wrote a record longer ago than `producer.id.expiration.ms`, as the record's
        // timestamp has it (`ProducerStateManager.isProducerExpired`); one without a timestamp was written before 1970.
        assert_eq!(samples.len() as u64 == sent, topic == "stamped", "{samples:?}");
        samples.sort_unstable();
        samples.dedup();
        assert_eq!(samples.len() as u64, sent, "{samples:?}");
    }
}

#[test]
fn a_listener_that_wants_tls_or_sasl_is_named_as_such_and_tried_again() {
    let kafka = kafka();
    for (listener, wants) in [("TLSG", "TLS"), ("SASLG", "SASL")] {
        let mut device = device_at(&kafka, listener, "secured", &["records=1"]);
        let port = kafka.port(1, listener).unwrap();
        for _ in 0..2 {
            let trouble = device.wait_for("trouble: ", PATIENCE).unwrap();
            assert!(trouble.contains(&format!("at {HOST}:{port}")), "{trouble}");
            assert!(trouble.contains(&format!("does that port want {wants}")), "{trouble}");
        }
    }
}

#[test]
fn an_answer_about_fifty_thousand_partitions_passes_the_small_window() {
    // All of them are led by a broker that was killed, and whose session does not end: Kafka answers about it as ever, and no
    // broker has their hundred thousand files.
    let away = [3];
    let guest = Listener::new("GUEST", "PLAINTEXT").advertise(HOST, None);
    let options = Options::new().nodes(3).heap_mb(384).listener(guest);
    let kafka = Kafka::start(options.property("broker.session.timeout.ms", "3600000")).unwrap();
    let admin = kafka.admin().unwrap();
    admin.place("middle", &[&[1]], &[]).unwrap();
    kafka.kill_node(away[0]).unwrap();
    let partitions = [&away[..]; 100];
    for n in 0..500 {
        // The device's topic comes in the middle of them.
        admin.place(&format!("{}-{n}", if n < 250 { "giant" } else { "wide" }), &partitions, &[]).unwrap();
    }
    let broker = format!("127.0.0.1:{}", kafka.port(1, "GUEST").unwrap());
    let way = AskAll::start(broker.parse().unwrap()).unwrap();
    let bootstrap = format!("bootstrap={HOST}:{}", way.address.port());
    let device = Device::start(M3, &[bootstrap.as_str(), "topic=middle", "records=100"]).unwrap();
    let (status, figures) = device.end(PATIENCE).unwrap();
    assert_eq!((status, figures.of("acknowledged")), (Some(0), 100));
    assert_eq!(samples(&kafka, "middle"), (0..100).collect::<Vec<_>>());
    assert!(way.largest_answer() > 1_000_000, "it had {} bytes", way.largest_answer());
}
