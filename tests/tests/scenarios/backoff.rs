//! Who waits before the next attempt, and who need not: dials and requests are counted. And whose turn it is.
use kurier_broker::codec::Value;
use kurier_broker::{Body, Fault, RequestInfo, Settings};
use kurier_core::config::Config;
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::transport::Endpoint;
use kurier_core::wire::ErrorCode;
use kurier_tests::meddler::{field, list};
use kurier_tests::scene::{SERVERS, Scene};
use std::sync::{Arc, Mutex};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const INIT_PRODUCER_ID: i16 = 22;

/// Backoffs from 50 ms to 1 s: in three seconds some seven attempts, and sixty if they did not grow.
fn config() -> Config<'static> {
    Config::new(SERVERS)
        .linger_ms(0)
        .retry_backoff_ms(50)
        .retry_backoff_max_ms(1_000)
        .reconnect_backoff_ms(50)
        .reconnect_backoff_max_ms(1_000)
}

/// A record to each of so many partitions, each on the broker of the same place.
fn led(config: Config<'static>, partitions: i32) -> Scene {
    let mut scene =
        Scene::new(Storage::<4, 4, 16, 512>::new(), config, u16::try_from(partitions).unwrap(), partitions);
    for partition in 0..partitions {
        scene.cluster().move_leader("lines", partition, partition + 1);
    }
    let topic = scene.lines();
    for partition in 0..partitions {
        scene.send(topic, Record::value(b"x").partition(partition));
    }
    assert!(scene.flush(5_000));
    scene
}

/// Changes every answer to Metadata.
fn meddle(scene: &mut Scene, change: impl Fn(&mut Value) + 'static) {
    scene.net.meddle(move |answer| {
        if answer.asked.api != METADATA {
            return vec![answer.frame.clone()];
        }
        let mut value = answer.value();
        change(&mut value);
        vec![answer.saying(&value).frame]
    });
}

#[test]
fn a_broker_that_cannot_be_reached_is_dialled_ever_less_often() {
    let mut scene = led(config(), 2);
    scene.net.inner.ports.remove(&9092);
    scene.net.cut();
    scene.net.dials.clear();
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x").partition(1));
    scene.run(3_000);
    let dials = scene.net.dials.iter().filter(|(_, port)| *port == 9092).count();
    assert!((4..=12).contains(&dials), "{dials}");
}

#[test]
fn each_bootstrap_server_is_tried_and_then_the_list_waits_ever_longer() {
    const DEAD: &[Endpoint<'static>] =
        &[Endpoint { host: "broker", port: 9191 }, Endpoint { host: "broker", port: 9192 }];
    let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config().bootstrap(DEAD), 1, 1);
    scene.lines();
    scene.run(3_000);
    for port in [9191, 9192] {
        let dials = scene.net.dials.iter().filter(|(_, dialled)| *dialled == port).count();
        assert!((4..=12).contains(&dials), "{port}: {dials}");
    }
}

#[test]
fn a_slot_that_passes_from_hand_to_hand_takes_its_backoff_along() {
    let settings = config().reconnect_backoff_ms(200).reconnect_backoff_max_ms(200);
    let mut scene = Scene::new(Storage::<1, 4, 16, 512>::new(), settings, 4, 3);
    for partition in 0..3 {
        scene.cluster().move_leader("lines", partition, partition + 2);
    }
    let topic = scene.lines();
    for port in [9092, 9093, 9094] {
        scene.net.inner.ports.remove(&port);
    }
    for partition in 0..3 {
        scene.send(topic, Record::value(b"x").partition(partition));
    }
    scene.run(500);
    scene.net.dials.clear();
    scene.run(3_000);
    let dials = scene.net.dials.iter().filter(|(_, port)| *port != 9091).count();
    assert!((3..=20).contains(&dials), "{dials}");
}

#[test]
fn a_broker_that_breaks_the_link_at_the_newest_greeting_is_greeted_in_the_oldest_version() {
    let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config(), 2, 1);
    // By way of the bootstrap server, and as a broker that it tells of.
    scene.cluster().move_leader("lines", 0, 2);
    scene.cluster().inject(|request: &RequestInfo<'_>| {
        let greeting = matches!(request.body, Body::ApiVersions(_) | Body::UnsupportedApiVersions);
        (greeting && request.version > 0).then(Fault::close_before)
    });
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(5_000));
    assert_eq!(scene.written, 1);
}

#[test]
fn an_identity_that_is_refused_is_asked_for_ever_less_often() {
    let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config(), 1, 1);
    scene.cluster().inject(|request: &RequestInfo<'_>| {
        let is = matches!(request.body, Body::InitProducerId(_));
        is.then(|| Fault::refuse(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS))
    });
    scene.lines();
    scene.run(3_000);
    let asked = scene.net.count(INIT_PRODUCER_ID);
    assert!((4..=12).contains(&asked), "{asked}");
}

#[test]
fn metadata_that_is_of_no_use_is_asked_for_ever_less_often() {
    let mut scene = led(config(), 1);
    meddle(&mut scene, |value| list(field(value, "brokers")).clear());
    scene.net.requests.clear();
    // A new topic is asked about at once.
    scene.producer.topic("unknown", scene.now).unwrap();
    scene.run(3_000);
    let asked = scene.net.count(METADATA);
    assert!((4..=12).contains(&asked), "{asked}");
}

#[test]
fn a_leader_that_is_waited_for_is_asked_after_ever_less_often() {
    let mut scene = led(config(), 1);
    scene.cluster().inject(|request: &RequestInfo<'_>| {
        (request.api == PRODUCE).then(|| Fault::refuse(ErrorCode::LEADER_NOT_AVAILABLE))
    });
    meddle(&mut scene, |value| {
        for topic in list(field(value, "topics")) {
            for partition in list(field(topic, "partitions")) {
                *field(partition, "leaderId") = Value::Int(-1);
                *field(partition, "errorCode") = Value::Int(i64::from(ErrorCode::LEADER_NOT_AVAILABLE.0));
            }
        }
    });
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x").partition(0));
    scene.run(200);
    scene.net.requests.clear();
    scene.run(3_000);
    let asked = scene.net.count(METADATA);
    assert!((2..=8).contains(&asked), "{asked}");
    assert_eq!(scene.net.count(PRODUCE), 0, "nobody leads it");
}

/// A replica that is missing, or a listener, concerns others: the leader is told all the same.
#[test]
fn a_leader_is_used_though_a_replica_or_a_listener_is_missing() {
    for error in [ErrorCode::REPLICA_NOT_AVAILABLE, ErrorCode::LISTENER_NOT_FOUND] {
        let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config(), 1, 1);
        meddle(&mut scene, move |value| {
            for topic in list(field(value, "topics")) {
                for partition in list(field(topic, "partitions")) {
                    *field(partition, "errorCode") = Value::Int(i64::from(error.0));
                }
            }
        });
        let topic = scene.lines();
        scene.send(topic, Record::value(b"x"));
        assert!(scene.flush(3_000), "{error}");
        assert_eq!(scene.written, 1);
    }
}

#[test]
fn a_newer_leader_in_metadata_is_turned_to_without_a_backoff() {
    const BACKOFF: u32 = 1_000;
    let mut settings = Settings::default();
    // Before version 10 an answer to Produce names no leader.
    settings.apis.iter_mut().filter(|range| range.key == PRODUCE).for_each(|range| range.max = 9);
    let config = config().retry_backoff_ms(BACKOFF).retry_backoff_max_ms(BACKOFF);
    let mut scene = Scene::at(1000, Storage::<2, 2, 4, 256>::new(), config, settings, 2, 1);
    scene.cluster().move_leader("lines", 0, 1);
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(5_000));
    scene.run(3 * BACKOFF);
    scene.cluster().move_leader("lines", 0, 2);
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(BACKOFF / 2));
    assert_eq!((scene.written, scene.lost()), (2, 0));
}

#[test]
fn the_link_to_a_bootstrap_server_is_closed_once_it_has_told_who_the_brokers_are() {
    const DOOR: &[Endpoint<'static>] = &[Endpoint { host: "door", port: 9099 }];
    let mut scene = Scene::new(Storage::<3, 2, 4, 256>::new(), config().bootstrap(DOOR), 1, 1);
    scene.net.inner.ports.insert(9099, 1);
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(5_000));
    scene.run(100);
    let stats = scene.producer.stats();
    assert_eq!((stats.connections_opened, stats.connections_closed), (2, 1));
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(5_000));
    assert_eq!((scene.written, scene.lost()), (2, 0));
}

#[test]
fn the_link_to_a_broker_that_has_left_the_cluster_is_closed() {
    let mut scene = led(config().metadata_max_age_ms(100), 2);
    assert_eq!(scene.producer.stats().connections_closed, 0);
    scene.cluster().move_leader("lines", 1, 1);
    meddle(&mut scene, |value| {
        list(field(value, "brokers")).retain_mut(|broker| *field(broker, "nodeId") == Value::Int(1));
    });
    scene.run(500);
    let stats = scene.producer.stats();
    assert_eq!((stats.connections_opened, stats.connections_closed), (2, 1));
}

#[test]
fn partitions_of_one_leader_take_turns_where_a_request_has_room_for_one() {
    let config = config().max_request_size(400).max_in_flight(1).batch_size(1);
    let mut scene = Scene::new(Storage::<1, 4, 24, 512>::new(), config, 1, 4);
    let topic = scene.lines();
    for partition in 0..4 {
        scene.send(topic, Record::value(b"x").partition(partition));
    }
    assert!(scene.flush(5_000));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    scene.cluster().inject(move |request: &RequestInfo<'_>| {
        let Body::Produce(produce) = &request.body else { return None };
        let topics = produce.topics.iter().flat_map(|topic| &topic.partitions);
        sees.lock().unwrap().extend(topics.map(|partition| partition.index));
        Some(Fault::delay(20))
    });
    for _ in 0..4 {
        for partition in 0..4 {
            scene.send(topic, Record::value(&[7; 250]).partition(partition));
        }
    }
    assert!(scene.flush(5_000));
    let order = seen.lock().unwrap();
    assert_eq!(order.len(), 16);
    assert!(order.windows(4).all(|turn| (0..4).all(|partition| turn.contains(&partition))), "{order:?}");
}
