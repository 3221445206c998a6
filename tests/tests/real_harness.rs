//! The harness around real Kafka does what other tests rely on, with kcat and Kafka's own clients only.
#![cfg(feature = "real-kafka")]

use kurier_tests::kafka::{Kafka, Listener, Options, read, shared};
use std::time::{Duration, Instant};

#[test]
fn what_kcat_produces_is_read_back_by_three_tools() {
    let kafka = shared().unwrap();
    let topic = kafka.topic("three-tools", 2).unwrap();
    let to = kafka.bootstrap();
    read::produce(to, &topic, b"a:1\nb:\n:3\n", &["-K", ":", "-Z", "-p", "1", "-H", "h=x"]).unwrap();

    let by_kcat = read::records(to, &topic).unwrap();
    let seen: Vec<_> = by_kcat.iter().map(|r| (r.partition, r.offset, r.key.as_deref())).collect();
    assert_eq!(seen, [(1, 0, Some(&b"a"[..])), (1, 1, Some(&b"b"[..])), (1, 2, None)]);
    let values: Vec<_> = by_kcat.iter().map(|r| r.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"1"[..]), None, Some(&b"3"[..])]);
    assert_eq!(by_kcat[0].headers, "h=x");

    let by_java = kafka.admin().read(&topic, 1, true).unwrap();
    assert_eq!(by_java.len(), 3);
    assert_eq!((by_java[1].key.as_deref(), by_java[1].value.as_deref()), (Some(&b"b"[..]), None));
    assert_eq!(by_java[0].headers, [("h".to_owned(), Some(b"x".to_vec()))]);
    assert_eq!(kafka.admin().offsets(&topic).unwrap(), [(0, 0), (0, 3)]);

    if kafka.log_dir().is_some() {
        let dumped = kafka.dump(&topic, 1, true).unwrap();
        let records = dumped.iter().filter(|line| line.is_record());
        assert_eq!(
            records.map(|line| line.number("offset")).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(2)]
        );
        assert!(dumped.iter().any(|line| line.field("isvalid") == Some("true")));
    }
}

#[test]
fn topics_change_under_the_admin_client() {
    let kafka = shared().unwrap();
    let (topic, admin) = (kafka.topic("changing", 1).unwrap(), kafka.admin());
    let id = admin.describe(&topic).unwrap().id;
    admin.grow(&topic, 3).unwrap();
    assert_eq!(admin.describe(&topic).unwrap().partitions.len(), 3);

    read::produce(kafka.bootstrap(), &topic, b"1\n2\n3\n", &["-p", "0"]).unwrap();
    admin.trim(&topic, 0, 2).unwrap();
    assert_eq!(admin.offsets(&topic).unwrap()[0], (2, 3));

    admin.configure(&topic, &[("max.message.bytes", "100")]).unwrap();
    let refused = read::produce(kafka.bootstrap(), &topic, &[b'x'; 1000], &[]).unwrap_err();
    assert!(refused.to_string().contains("too large"), "{refused}");

    admin.delete(&topic).unwrap();
    assert_ne!(admin.create(&topic, 1, 1, &[]).unwrap(), id);
    assert!(admin.list().unwrap().contains(&topic));
    let unknown = admin.describe("nothing-here").unwrap_err();
    assert!(unknown.to_string().contains("UnknownTopicOrPartition"), "{unknown}");
}

#[test]
fn a_cluster_loses_and_regains_its_brokers() {
    let guest = Listener::new("GUEST", "PLAINTEXT").advertise("10.0.2.2", None);
    let kafka = Kafka::start(Options::new().nodes(3).listener(guest)).unwrap();
    let admin = kafka.admin().unwrap();
    admin.place("placed", &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[]).unwrap();
    let leaders = |what: &str| {
        let seen = admin.describe("placed").unwrap().partitions;
        seen.iter().map(|p| p.leader.expect(what)).collect::<Vec<_>>()
    };
    assert_eq!(leaders("after placing"), [1, 2, 3]);
    assert_eq!(admin.brokers().unwrap().len(), 3);

    admin.lead("placed", 0, 3).unwrap();
    assert_eq!(leaders("after moving"), [3, 2, 3]);

    let patience = Duration::from_secs(30);
    let mut step = Instant::now();
    let mut took =
        |what: &str| println!("{what}: {:?}", std::mem::replace(&mut step, Instant::now()).elapsed());
    kafka.kill_node(2).unwrap();
    admin.await_topic("placed", patience, |p| p.leader.is_some_and(|leader| leader != 2)).unwrap();
    took("another leader than the killed one");
    kafka.start_node(2).unwrap();
    admin.await_topic("placed", patience, |p| p.in_sync.len() == 3).unwrap();
    took("killed broker in sync again");

    kafka.pause(3).unwrap();
    admin.await_topic("placed", patience, |p| p.leader.is_some_and(|leader| leader != 3)).unwrap();
    took("another leader than the paused one");
    kafka.resume(3).unwrap();
    admin.await_topic("placed", patience, |p| p.in_sync.len() == 3).unwrap();
    took("paused broker in sync again");

    assert!(kafka.stop_node(1).unwrap(), "SIGTERM is enough");
    kafka.start_node(1).unwrap();
    admin.await_topic("placed", patience, |p| p.in_sync.len() == 3).unwrap();
    took("stopped broker in sync again");
    assert!((1..=3).contains(&admin.controller().unwrap()));

    // The guest's listener names the address that a guest can reach.
    let guest = format!("127.0.0.1:{}", kafka.port(1, "GUEST").unwrap());
    let listed = read::kcat(&guest).args(["-L", "-t", "placed"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("at 10.0.2.2:"));
}

#[test]
fn nothing_is_left_of_a_cluster_that_was_dropped() {
    let kafka = Kafka::start(Options::new()).unwrap();
    let (pid, data) = (kafka.pid(1).unwrap(), kafka.log_dir(1));
    assert!(data.is_dir());
    drop(kafka);
    assert!(!data.exists());
    assert!(!std::path::Path::new("/proc").join(pid.to_string()).exists());
}

#[test]
fn a_broker_that_cannot_start_says_why() {
    let failure = Kafka::start(Options::new().property("log.flush.interval.ms", "soon")).unwrap_err();
    assert!(failure.to_string().contains("soon"), "{failure}");
}
