//! Links that many brokers share: none is dialled, and nothing is asked for, without a pause.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test
use kurier_core::config::{Acks, Config, MetadataRecovery};
use kurier_core::record::Record;
use kurier_core::sender::Wake;
use kurier_core::storage::{Memory, Storage};
use kurier_tests::scene::{SERVERS, Scene};

const METADATA: i16 = 3;

fn config() -> Config<'static> {
    Config::new(SERVERS).linger_ms(0)
}

/// Ten seconds in which only broker 1 takes connections, and leads nothing.
fn only_one_listens<M: Memory + 'static>(memory: M) -> (u64, usize, usize) {
    let mut scene = Scene::new(memory, config(), 5, 4);
    for partition in 0..4 {
        scene.cluster().move_leader("lines", partition, partition + 2);
    }
    for port in 9092..=9095 {
        scene.net.inner.ports.remove(&port);
    }
    let topic = scene.lines();
    while scene.producer.partitions(topic).is_none() {
        scene.turn();
    }
    for partition in 0..4 {
        scene.producer.send(topic, Record::value(b"x").partition(partition), scene.now).unwrap();
    }
    let passes = scene.run(10_000);
    // Once they listen everything arrives.
    for port in 9092..=9095 {
        scene.net.inner.ports.insert(port, i32::from(port) - 9090);
    }
    assert!(scene.flush(10_000), "stuck");
    assert_eq!((scene.written, scene.lost()), (4, 0));
    (passes, scene.net.dials.len(), scene.net.count(METADATA))
}

#[test]
fn brokers_that_cannot_be_reached_are_dialled_with_pauses_however_few_links_there_are() {
    let all = [
        only_one_listens(Storage::<1, 4, 4, 256>::new()),
        only_one_listens(Storage::<2, 4, 4, 256>::new()),
        only_one_listens(Storage::<3, 4, 4, 256>::new()),
        only_one_listens(Storage::<8, 4, 4, 256>::new()),
    ];
    // A pass every 5 ms is the scene's own; a dial every 50 ms and a question every 100 would be Kafka's at its worst.
    for (passes, dials, asked) in all {
        assert!(passes < 5_000 && dials < 600 && asked < 220, "{all:?}");
    }
}

#[test]
fn brokers_that_close_at_once_are_dialled_with_pauses() {
    let mut scene = Scene::new(Storage::<1, 4, 4, 256>::new(), config(), 5, 4);
    let topic = scene.lines();
    while scene.producer.partitions(topic).is_none() {
        scene.turn();
    }
    // Whatever is asked but the versions, the answer is the end of the stream.
    scene.cluster().inject(|request| (request.api != 18).then(kurier_broker::Fault::close_before));
    for partition in 0..4 {
        scene.producer.send(topic, Record::value(b"x").partition(partition), scene.now).unwrap();
    }
    let dials = scene.net.dials.len();
    let passes = scene.run(10_000);
    let dials = scene.net.dials.len() - dials;
    assert!(passes < 5_000 && dials < 300, "{passes} passes, {dials} dials");
    scene.cluster().inject_nothing();
    assert!(scene.flush(10_000), "stuck");
    assert_eq!((scene.written, scene.lost()), (4, 0));
}

#[test]
fn links_are_shared_fairly_whatever_the_clock_says() {
    // Around the points where stored instants change their sign and begin anew.
    for start in [1000, (1 << 31) - 2_000, (1 << 31) + 1_000_000, (1 << 32) - 2_000, (1 << 32) + 1000] {
        for broken in [1, 2] {
            let mut scene =
                Scene::at(start, Storage::<2, 4, 4, 256>::new(), config(), Default::default(), 4, 4);
            let topic = scene.lines();
            scene.send(topic, Record::value(b"first"));
            assert!(scene.flush(5_000));
            // One of them goes away with its connections; the others must still get their turns.
            scene.cluster().kill(broken);
            let mut sent = 0;
            for _ in 0..10 {
                for partition in 0..4 {
                    let (leader, _) = scene.cluster().leader("lines", partition).unwrap();
                    if leader != broken {
                        scene.send(topic, Record::value(b"x").partition(partition));
                        sent += 1;
                    }
                }
            }
            assert!(scene.flush(20_000), "stuck at {start} without {broken}");
            assert_eq!((scene.written, scene.lost()), (sent + 1, 0), "at {start} without {broken}");
        }
    }
}

#[test]
fn the_link_that_was_never_used_makes_room_first_whatever_the_clock_says() {
    for start in [1000, (1 << 31) - 300, (1 << 31) + 1_000_000, (1 << 32) - 300, (1 << 32) + 1000] {
        let mut scene = Scene::at(start, Storage::<2, 2, 4, 256>::new(), config(), Default::default(), 4, 2);
        scene.cluster().move_leader("lines", 0, 3);
        scene.cluster().move_leader("lines", 1, 4);
        let topic = scene.lines();
        for _ in 0..20 {
            scene.send(topic, Record::value(b"x").partition(0));
            scene.send(topic, Record::value(b"x").partition(1));
            assert!(scene.flush(5_000), "stuck at {start}");
        }
        // The server of the list, then each leader once.
        assert!(scene.net.dials.len() <= 4, "at {start}: {:?}", scene.net.dials);
    }
}

#[test]
fn a_link_that_only_questions_went_by_makes_room_before_one_with_data_though_it_was_used_later() {
    let config = config().metadata_max_age_ms(50);
    let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config, 4, 2);
    scene.cluster().move_leader("lines", 0, 3);
    scene.cluster().move_leader("lines", 1, 4);
    let topic = scene.lines();
    scene.send(topic, Record::value(b"x").partition(0));
    assert!(scene.flush(5_000));
    // Any of the two links is asked for the newest metadata.
    let asked_last = |scene: &Scene| scene.net.requests.last().map(|(_, asked)| (asked.port, asked.api));
    while asked_last(&scene) != Some((9091, METADATA)) {
        scene.turn();
    }
    scene.net.dials.clear();
    for partition in [1, 0] {
        scene.send(topic, Record::value(b"x").partition(partition));
        assert!(scene.flush(5_000));
    }
    let ports: Vec<_> = scene.net.dials.iter().map(|(_, port)| *port).collect();
    assert_eq!(ports, [9094], "the link to 9093 stays");
}

#[test]
fn a_broker_that_is_up_again_is_not_kept_waiting_by_what_happened_weeks_ago() {
    for days in [13, 24, 25, 26, 49, 50] {
        let mut scene = Scene::new(Storage::<2, 4, 4, 256>::new(), config(), 3, 4);
        let topic = scene.lines();
        scene.send(topic, Record::value(b"before").partition(0));
        assert!(scene.flush(5_000));
        scene.cluster().inject(|_| Some(kurier_broker::Fault::close_before()));
        scene.net.cut();
        scene.run(3_000);
        scene.cluster().inject_nothing();
        for _ in 0..days {
            scene.sleep(86_400_000);
            scene.turn();
        }
        for partition in 0..4 {
            scene.send(topic, Record::value(b"after").partition(partition));
        }
        assert!(scene.flush(5_000), "stuck after {days} days");
        assert_eq!((scene.written, scene.lost()), (5, 0), "{days} days");
    }
}

#[test]
fn a_first_answer_that_breaks_off_is_asked_for_again_though_rebootstrap_is_off() {
    for bytes in 0..30 {
        let config = config().metadata_recovery(MetadataRecovery::None);
        let mut scene = Scene::new(Storage::<2, 4, 4, 256>::new(), config, 1, 1);
        let mut first = true;
        scene.net.meddle(move |answer| {
            let breaks = answer.asked.api == METADATA && std::mem::take(&mut first);
            vec![if breaks {
                answer.with(&answer.frame[answer.head()..][..bytes]).frame
            } else {
                answer.frame.clone()
            }]
        });
        let topic = scene.lines();
        scene.run(2000);
        assert!(scene.producer.partitions(topic).is_some(), "nothing is asked any more after {bytes} bytes");
    }
}

#[test]
fn a_batch_told_while_it_was_written_gives_its_buffer_back_when_that_is_done_though_no_answer_comes() {
    let config = config().acks(Acks::Zero).enable_idempotence(false);
    let config = config.request_timeout_ms(300).delivery_timeout_ms(300);
    let mut scene = Scene::new(Storage::<1, 1, 1, 256>::new(), config, 1, 1);
    let topic = scene.lines();
    scene.run(1000);
    scene.net.inner.flush_waits = true;
    scene.send(topic, Record::value(b"x"));
    // It expires a little before the link that it is written to.
    scene.sleep(50);
    scene.run(255);
    assert_eq!((scene.lost(), scene.producer.free_buffers()), (1, 0));
    scene.net.inner.flush_waits = false;
    while scene.producer.poll(scene.now, &mut scene.net) == Wake::Now {}
    assert_eq!(scene.producer.free_buffers(), 1, "nobody asks for the pass that gives it back");
}
