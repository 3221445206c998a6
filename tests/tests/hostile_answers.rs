//! Peers that do not keep to the protocol, or tell of a cluster that cannot be: each has one defined outcome.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
use kurier_broker::codec::Value;
use kurier_core::config::Config;
use kurier_core::error::{DeliveryError, Outcome};
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_tests::meddler::Answer;
use kurier_tests::scene::{SERVERS, Scene};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;
/// Passes in a second of virtual time that are a busy loop: the scene itself makes 200.
const BUSY: u64 = 3_000;

fn config() -> Config<'static> {
    Config::new(SERVERS)
        .linger_ms(0)
        .request_timeout_ms(500)
        .delivery_timeout_ms(2_000)
        .metadata_max_age_ms(300)
}

/// A producer that has written one record, so that every link is up.
fn scene() -> Scene {
    let mut scene = Scene::new(Storage::<3, 4, 8, 256>::new(), config(), 2, 2);
    let topic = scene.lines();
    for partition in 0..2 {
        scene.send(topic, Record::value(b"first").partition(partition));
    }
    assert!(scene.flush(3_000));
    assert_eq!(scene.written, 2);
    scene.written = 0;
    scene
}

/// A number in a struct of an answer.
fn set(value: &mut Value, name: &str, to: i64) {
    let Value::Struct(fields) = value else { panic!("no struct: {value:?}") };
    let field = fields.iter_mut().find(|(known, _)| *known == name);
    field.unwrap_or_else(|| panic!("no {name}")).1 = Value::Int(to);
}

/// The elements of an array in a struct.
fn list<'v>(value: &'v mut Value, name: &str) -> &'v mut Vec<Value> {
    let Value::Struct(fields) = value else { panic!("no struct: {value:?}") };
    match fields.iter_mut().find(|(known, _)| *known == name) {
        Some((_, Value::Array(items))) => items,
        other => panic!("no list {name}: {other:?}"),
    }
}

/// Says something else in each answer of an API.
fn alter(api: i16, mut change: impl FnMut(&mut Value) + 'static) -> impl FnMut(&Answer) -> Vec<Vec<u8>> {
    move |answer| {
        if answer.asked.api != api {
            return vec![answer.frame.clone()];
        }
        let mut value = answer.value();
        change(&mut value);
        vec![answer.saying(&value).frame]
    }
}

/// Sends a record to each partition, lets five seconds pass, then takes the meddling away. Gives the most passes of a
/// second.
fn endure(scene: &mut Scene) -> u64 {
    let topic = scene.lines();
    for partition in 0..2 {
        scene.send(topic, Record::value(b"x").partition(partition));
    }
    let most = (0..5).map(|_| scene.run(1_000)).max().unwrap();
    assert!(most < BUSY, "{most} passes a second");
    most
}

/// Everything works again, once peers behave.
fn recovers(mut scene: Scene) {
    scene.net.meddling = None;
    assert!(scene.flush(5_000), "an outcome is missing");
    let (topic, before) = (scene.lines(), scene.written);
    for partition in 0..2 {
        scene.send(topic, Record::value(b"after").partition(partition));
    }
    assert!(scene.flush(5_000), "stuck");
    assert_eq!(scene.written, before + 2, "{:?}", scene.failed);
}

/// How often a value is in the logs of both partitions.
fn logged(scene: &Scene, value: &[u8]) -> usize {
    (0..2).map(|p| scene.log(p).iter().filter(|logged| *logged == value).count()).sum()
}

#[test]
fn hostile_an_answer_that_was_never_asked_for_closes_the_link_and_nothing_is_lost() {
    for correlation in [-1, 0, i32::MAX, i32::MIN] {
        let mut scene = scene();
        let mut once = true;
        scene.net.meddle(move |answer| {
            let mut frames = vec![answer.frame.clone()];
            if std::mem::take(&mut once) {
                frames.insert(0, answer.numbered(correlation).frame);
            }
            frames
        });
        let dials = scene.net.dials.len();
        endure(&mut scene);
        assert_eq!((scene.written, scene.lost()), (2, 0), "{correlation}");
        assert_eq!(logged(&scene, b"x"), 2, "{correlation}");
        assert!(scene.net.dials.len() > dials, "{correlation}: the link was not closed");
        recovers(scene);
    }
}

#[test]
fn hostile_answers_that_come_twice_close_the_link_and_count_once() {
    for api in [PRODUCE, METADATA] {
        let mut scene = scene();
        scene.net.meddle(move |answer| {
            let times = if answer.asked.api == api { 2 } else { 1 };
            vec![answer.frame.clone(); times]
        });
        endure(&mut scene);
        assert_eq!((scene.written, scene.lost()), (2, 0), "{api}");
        assert_eq!(logged(&scene, b"x"), 2, "{api}");
        recovers(scene);
    }
}

#[test]
fn hostile_answers_out_of_order_close_the_link_and_nothing_is_doubled() {
    let mut scene = scene();
    // Each answer is held back until the next one has come, and then follows it.
    let mut held: Option<Vec<u8>> = None;
    scene.net.meddle(move |answer| {
        if answer.asked.api != PRODUCE {
            return vec![answer.frame.clone()];
        }
        match held.take() {
            Some(before) => vec![answer.frame.clone(), before],
            None => {
                held = Some(answer.frame.clone());
                Vec::new()
            }
        }
    });
    let topic = scene.lines();
    for n in 0..4_u8 {
        scene.send(topic, Record::value(&[n]).partition(0));
        scene.run(5);
    }
    endure(&mut scene);
    let log = scene.log(0);
    let of = |n: u8| log.iter().filter(|logged| **logged == [n]).count();
    assert!((0..4).all(|n| of(n) <= 1), "{log:?}");
    recovers(scene);
}

#[test]
fn hostile_throttle_times_that_are_negative_are_none_and_long_ones_are_kept_to() {
    for api in [PRODUCE, METADATA, INIT_PRODUCER_ID, API_VERSIONS] {
        for millis in [-1, i64::from(i32::MIN)] {
            let mut scene = scene();
            scene.net.cut();
            scene.net.meddle(alter(api, move |value| set(value, "throttleTimeMs", millis)));
            endure(&mut scene);
            assert_eq!((scene.written, scene.lost()), (2, 0), "{api} {millis}");
            recovers(scene);
        }
    }
    // Nothing is sent for as long as a broker says: the batches expire, and were not written.
    let mut scene = scene();
    scene.net.meddle(alter(PRODUCE, |value| set(value, "throttleTimeMs", i64::from(i32::MAX))));
    endure(&mut scene);
    assert_eq!((scene.written, scene.lost()), (2, 0));
    let (topic, asked) = (scene.lines(), scene.net.count(PRODUCE));
    scene.send(topic, Record::value(b"later").partition(0));
    scene.run(5_000);
    assert_eq!((scene.lost(), scene.net.count(PRODUCE)), (1, asked), "the throttle did not hold");
    assert_eq!(logged(&scene, b"later"), 0);
}

#[test]
fn hostile_leaders_that_do_not_exist_fail_the_batch_by_its_time() {
    for leader in [-7, 77, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let mut scene = scene();
        // Of a newer epoch, so that it counts.
        scene.net.meddle(alter(METADATA, move |value| {
            for topic in list(value, "topics") {
                for partition in list(topic, "partitions") {
                    set(partition, "leaderId", leader);
                    set(partition, "leaderEpoch", 5);
                }
            }
        }));
        scene.run(1_000);
        endure(&mut scene);
        let timed_out =
            |outcome: &Outcome| matches!(outcome, Outcome::Failed { error: DeliveryError::TimedOut, .. });
        assert_eq!((scene.written, scene.lost()), (0, 2), "{leader}");
        assert!(scene.failed.iter().all(|(outcome, _)| timed_out(outcome)), "{leader}: {:?}", scene.failed);
        // A cluster that tells the truth later than that has newer epochs.
        for partition in 0..2 {
            for _ in 0..6 {
                scene.cluster().move_leader("lines", partition, 1 + partition);
            }
        }
        recovers(scene);
    }
}

#[test]
fn hostile_leaders_that_answers_to_produce_make_up_are_no_loop() {
    let mut scene = scene();
    let mut epoch = 100;
    // Never the one that was asked, and each time newer: two brokers that send the producer to and fro.
    scene.net.meddle(move |answer| {
        if answer.asked.api != PRODUCE {
            return vec![answer.frame.clone()];
        }
        let mut value = answer.value();
        epoch += 1;
        let other = if answer.asked.port == 9091 { 2 } else { 1 };
        for topic in list(&mut value, "responses") {
            for partition in list(topic, "partitionResponses") {
                set(partition, "errorCode", 6);
                let leader = vec![("leaderId", Value::Int(other)), ("leaderEpoch", Value::Int(epoch))];
                let Value::Struct(fields) = partition else { panic!() };
                fields.retain(|(name, _)| *name != "currentLeader");
                fields.push(("currentLeader", Value::Struct(leader)));
            }
        }
        vec![answer.saying(&value).frame]
    });
    let asked = scene.net.count(PRODUCE);
    endure(&mut scene);
    let asked = scene.net.count(PRODUCE) - asked;
    assert!(asked < 150, "{asked} requests in two seconds of two batches");
    scene.net.meddling = None;
    assert!(scene.flush(5_000), "an outcome is missing");
}

#[test]
fn hostile_brokers_that_share_an_id_or_have_none_are_reached_or_not_but_nothing_spins() {
    for id in [1, 2, 0, -1, -2, i64::from(i32::MIN), i64::from(i32::MAX)] {
        let mut scene = scene();
        scene.net.cut();
        scene.net.meddle(alter(METADATA, move |value| {
            for broker in list(value, "brokers") {
                set(broker, "nodeId", id);
            }
        }));
        endure(&mut scene);
        recovers(scene);
    }
}

#[test]
fn hostile_addresses_that_change_or_are_none_cost_dials_with_pauses() {
    for port in [0, -1, 1, 65_536, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let mut scene = scene();
        scene.net.cut();
        scene.net.meddle(alter(METADATA, move |value| {
            for broker in list(value, "brokers") {
                set(broker, "port", port);
            }
        }));
        let dials = scene.net.dials.len();
        endure(&mut scene);
        let dials = scene.net.dials.len() - dials;
        assert!(dials < 300, "{port}: {dials} dials in five seconds");
        recovers(scene);
    }
}

#[test]
fn hostile_metadata_that_changes_with_each_answer_is_asked_for_with_pauses() {
    for links in [1, 3] {
        let mut scene = match links {
            1 => Scene::new(Storage::<1, 4, 8, 256>::new(), config(), 2, 2),
            _ => Scene::new(Storage::<3, 4, 8, 256>::new(), config(), 2, 2),
        };
        let mut n = 0;
        scene.net.meddle(alter(METADATA, move |value| {
            n += 1;
            for broker in list(value, "brokers") {
                set(broker, "nodeId", 10 + n);
                n += 1;
            }
            for topic in list(value, "topics") {
                let Value::Struct(fields) = &mut *topic else { panic!() };
                let id = fields.iter_mut().find(|(name, _)| *name == "topicId").unwrap();
                id.1 = Value::Uuid([u8::try_from(n % 200 + 1).unwrap(); 16]);
                for partition in list(topic, "partitions") {
                    set(partition, "leaderId", 9 + n);
                    set(partition, "leaderEpoch", n);
                }
            }
        }));
        let asked = scene.net.count(METADATA);
        let topic = scene.lines();
        while scene.producer.partitions(topic).is_none() {
            scene.turn();
        }
        endure(&mut scene);
        let asked = scene.net.count(METADATA) - asked;
        assert!(asked < 130, "{asked} questions in five seconds with {links} links");
        scene.net.meddling = None;
        assert!(scene.flush(5_000), "an outcome is missing with {links} links");
    }
}

#[test]
fn hostile_versions_without_overlap_end_the_link_or_fail_the_batches_by_name() {
    // Leaders that are known are written to also when nothing can be asked.
    for (api, written, failed) in [(PRODUCE, 0, 2), (METADATA, 2, 0)] {
        for (min, max) in [(14, 20), (100, 32_767), (-5, -1), (5, 4), (0, 2)] {
            let mut scene = scene();
            scene.net.cut();
            scene.net.meddle(alter(API_VERSIONS, move |value| {
                for key in list(value, "apiKeys") {
                    if key.int("apiKey") == i64::from(api) {
                        set(key, "minVersion", min);
                        set(key, "maxVersion", max);
                    }
                }
            }));
            let dials = scene.net.dials.len();
            endure(&mut scene);
            let dials = scene.net.dials.len() - dials;
            assert!(dials < 60, "{dials} dials in five seconds");
            assert_eq!((scene.written, scene.lost()), (written, failed), "{api} {min}..{max}");
            let expected = Some(DeliveryError::UnsupportedVersion);
            assert!(
                scene.failed.iter().all(|(outcome, _)| outcome.error() == expected),
                "{:?}",
                scene.failed
            );
            assert_eq!(logged(&scene, b"x"), written as usize, "{api} {min}..{max}");
            scene.net.cut();
            recovers(scene);
        }
    }
}

#[test]
fn hostile_answers_that_name_other_partitions_leave_the_batch_maybe_written() {
    for index in [-1, 1_000_000, i64::from(i32::MAX)] {
        let mut scene = scene();
        scene.net.meddle(alter(PRODUCE, move |value| {
            for topic in list(value, "responses") {
                for partition in list(topic, "partitionResponses") {
                    set(partition, "index", index);
                }
            }
        }));
        endure(&mut scene);
        // Retried until the time is over; the log has each once, by its sequence.
        assert_eq!((scene.written, scene.lost()), (0, 2), "{index}");
        assert_eq!(logged(&scene, b"x"), 2, "{index}");
        recovers(scene);
    }
}

#[test]
fn hostile_identities_are_asked_for_again_with_pauses() {
    for (id, epoch) in [(-1, 0), (i64::MIN, 0), (5, -1), (5, i64::from(i16::MIN))] {
        let mut scene = Scene::new(Storage::<3, 4, 8, 256>::new(), config(), 2, 2);
        scene.net.meddle(alter(INIT_PRODUCER_ID, move |value| {
            set(value, "producerId", id);
            set(value, "producerEpoch", epoch);
        }));
        let topic = scene.lines();
        while scene.producer.partitions(topic).is_none() {
            scene.turn();
        }
        endure(&mut scene);
        assert!(scene.net.count(INIT_PRODUCER_ID) < 60, "{id} {epoch}");
        assert_eq!((scene.written, scene.lost()), (0, 2), "{id} {epoch}");
        recovers(scene);
    }
}
