//! Topics that are deleted and made anew, or grow, and brokers that have forgotten the producer meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
use kurier_broker::{Body, Fault, Release, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::record::{Record, Topic};
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;
use kurier_tests::scene::{SERVERS, Scene};

fn config() -> Config<'static> {
    Config::new(SERVERS).linger_ms(0)
}

fn scene(settings: Settings) -> Scene {
    Scene::at(1000, Storage::<3, 4, 16, 256>::new(), config(), settings, 3, 3)
}

/// Answers take ten milliseconds, and the first produce request from now on is refused.
fn refuse_one(scene: &mut Scene, error: ErrorCode) {
    let mut refused = false;
    scene.cluster().inject(move |request| {
        let Body::Produce(_) = request.body else { return None };
        let fault = if refused { Fault::default() } else { Fault::refuse(error) };
        refused = true;
        Some(fault.and_delay(10))
    });
}

#[test]
fn after_a_pause_in_which_the_broker_forgot_the_producer_order_is_kept() {
    for error in [ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::NOT_LEADER_OR_FOLLOWER] {
        let mut scene = scene(Settings::default());
        let topic = scene.lines();
        scene.send(topic, Record::value(&[0]).partition(0));
        assert!(scene.flush(5_000));
        // Records without a timestamp are the first to be forgotten.
        scene.sleep(11 * 60_000);
        refuse_one(&mut scene, error);
        scene.step_ms = 1;
        for n in 1..=6 {
            scene.send(topic, Record::value(&[n]).partition(0));
            scene.run(1);
        }
        assert!(scene.flush(5_000));
        assert_eq!(scene.log(0), (0..=6).map(|n| vec![n]).collect::<Vec<_>>(), "{error:?}");
    }
}

const RELEASES: [Release; 6] =
    [Release::V4_3, Release::V2_8, Release::V2_4, Release::V2_1, Release::V1_0, Release::V0_11];

/// A record is in a partition of high epochs, which a topic that is made anew does not have.
fn of_high_epochs(release: Release) -> (Scene, Topic) {
    let mut scene = scene(Settings::release(release));
    let topic = scene.lines();
    for n in 0..9 {
        scene.cluster().move_leader("lines", 0, 1 + n % 3);
    }
    scene.send(topic, Record::value(b"old").partition(0));
    assert!(scene.flush(5_000));
    (scene, topic)
}

#[test]
fn a_topic_that_was_made_anew_is_written_to_again_whatever_its_epochs_were() {
    for release in RELEASES {
        let (mut scene, topic) = of_high_epochs(release);
        scene.cluster().delete_topic("lines");
        scene.cluster().place_topic("lines", &[&[3], &[2]], TopicConfig::default()).unwrap();
        for n in 0..5 {
            scene.send(topic, Record::value(&[n]).partition(0));
        }
        assert!(scene.flush(10_000), "stuck with {release:?}");
        assert_eq!(scene.lost(), 0, "{release:?}: {:?}", scene.failed);
        assert_eq!(scene.log(0), (0..5).map(|n| vec![n]).collect::<Vec<_>>(), "{release:?}");
    }
}

#[test]
fn partitions_that_are_added_are_used() {
    let mut scene = Scene::new(Storage::<3, 8, 16, 256>::new(), config().metadata_max_age_ms(500), 3, 2);
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(5_000));
    scene.cluster().grow_topic("lines", 5);
    // One that is named makes the producer look at once, and the others are found in time.
    scene.send(topic, Record::value(b"named").partition(4));
    assert!(scene.flush(1_000));
    assert_eq!(scene.log(4), [b"named"]);
    scene.run(1_000);
    for n in 0..60_u8 {
        scene.send(topic, Record::value(&[n; 100]));
    }
    assert!(scene.flush(5_000));
    assert!((0..5).all(|partition| !scene.log(partition).is_empty()));
}

/// Nobody is asked for a partition without a leader, so no broker denies that it has it; and where topics have no ids
/// nothing else tells that the epochs have begun again.
#[test]
fn a_partition_that_nobody_led_is_found_again_in_a_topic_that_was_made_anew() {
    for release in RELEASES {
        let (mut scene, topic) = of_high_epochs(release);
        scene.cluster().move_leader("lines", 0, -1);
        scene.send(topic, Record::value(b"waits").partition(0));
        assert!(!scene.flush(2_000), "nobody takes it");
        scene.cluster().delete_topic("lines");
        scene.cluster().create_topic("lines", 3, TopicConfig::default()).unwrap();
        assert!(scene.flush(5_000), "stuck with {release:?}");
        assert_eq!(scene.log(0), [b"waits"], "{release:?}");
    }
}

/// The broker that led it has the topic still, and only says that it does not lead it.
#[test]
fn a_topic_that_was_made_anew_under_another_leader_is_written_to_again() {
    for release in RELEASES {
        let (mut scene, topic) = of_high_epochs(release);
        scene.cluster().delete_topic("lines");
        scene.cluster().place_topic("lines", &[&[2], &[3]], TopicConfig::default()).unwrap();
        scene.send(topic, Record::value(b"new").partition(0));
        assert!(scene.flush(10_000), "stuck with {release:?}");
        assert_eq!(scene.lost(), 0, "{release:?}: {:?}", scene.failed);
        assert_eq!(scene.log(0), [b"new"], "{release:?}");
    }
}
