//! A producer whose memory is lost, and one that goes on with its notes.
use super::stage::{NAME, Stage, config};
use kurier_broker::{Body, Fault, RequestInfo, TopicConfig};
use kurier_core::config::Config;
use kurier_core::error::SendError;
use kurier_core::record::Record;
use kurier_core::sender::SleepError;
use kurier_core::transport::Endpoint;
use std::sync::{Arc, Mutex};

fn settings() -> Config<'static> {
    config().enable_idempotence(true)
}

/// A producer that has written a record and slept, and its notes.
fn slept() -> (Stage, Vec<u8>) {
    let mut stage = Stage::new(settings());
    stage.send(8);
    stage.flush();
    let mut notes = vec![0xff; 200];
    let len = stage.producer.hibernate(&mut notes).unwrap();
    assert_eq!(len, 25 + 2 * (7 + "broker".len()) + 21 + NAME.len() + 14, "as the documentation says");
    assert!(notes[len..].iter().all(|byte| *byte == 0xff));
    (stage, notes)
}

/// Which kinds of requests are made from now on; those for metadata and for an identity are never answered.
fn asked(stage: &mut Stage) -> Arc<Mutex<Vec<&'static str>>> {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&kinds);
    stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
        let (kind, fault) = match request.body {
            Body::Produce(_) => ("Produce", None),
            Body::Metadata(_) => ("Metadata", Some(Fault::ignore())),
            Body::InitProducerId(_) => ("InitProducerId", Some(Fault::ignore())),
            _ => return None,
        };
        seen.lock().unwrap().push(kind);
        fault
    });
    kinds
}

#[test]
fn the_first_record_after_a_sleep_waits_for_no_answer_but_the_greeting() {
    let (mut stage, mut notes) = slept();
    assert!(stage.replace(settings(), &mut notes));
    assert_eq!(stage.producer.partitions(stage.topic), Some(1));
    let kinds = asked(&mut stage);
    let id = stage.send(8);
    stage.flush();
    assert_eq!(stage.told(id).offset, Some(1));
    assert!(!kinds.lock().unwrap().contains(&"InitProducerId"));
    assert_eq!(stage.batches(0), [(0, 0, 1), (1, 0, 1)], "the same producer in its next epoch");
    assert!(kinds.lock().unwrap().contains(&"Metadata"), "what was noted counts as old");
}

#[test]
fn notes_are_good_for_one_waking() {
    let (mut stage, mut notes) = slept();
    assert!(stage.replace(settings(), &mut notes));
    assert!(notes.iter().all(|byte| *byte == 0), "wiped");
    // It is reset before it has made new ones.
    assert!(!stage.replace(settings(), &mut notes));
    stage.send(8);
    stage.flush();
    let ids: Vec<_> = stage.net.cluster.batches(NAME, 0).map(|batch| batch.header.producer_id).collect();
    assert_ne!(ids[0], ids[1], "another identity");
}

#[test]
fn a_night_of_naps_takes_an_epoch_each() {
    let (mut stage, mut notes) = slept();
    for nap in 1..5 {
        assert!(stage.replace(settings(), &mut notes));
        stage.send(8);
        stage.flush();
        stage.producer.hibernate(&mut notes).unwrap();
        assert_eq!(stage.batches(0).last(), Some(&(nap, 0, 1)));
    }
    assert!(stage.replace(settings(), &mut notes));
    stage.producer.hibernate(&mut notes).unwrap();
    assert!(stage.replace(settings(), &mut notes));
    stage.send(8);
    stage.flush();
    assert_eq!(stage.batches(0).last(), Some(&(6, 0, 1)), "one was woken for nothing");
}

#[test]
fn a_producer_that_has_made_notes_is_over_and_makes_no_others_of_its_identity() {
    let (mut stage, _) = slept();
    let now = stage.now;
    let sent = stage.producer.send(stage.topic, Record::value(b"x"), now);
    assert_eq!(sent, Err(SendError::Closed));
    let mut again = [0; 200];
    stage.producer.hibernate(&mut again).unwrap();
    assert!(stage.replace(settings(), &mut again));
    stage.send(8);
    stage.flush();
    let ids: Vec<_> = stage.net.cluster.batches(NAME, 0).map(|batch| batch.header.producer_id).collect();
    assert_ne!(ids[0], ids[1], "what was noted first may be in use");
}

#[test]
fn nobody_sleeps_before_all_is_told() {
    let mut stage = Stage::new(settings().linger_ms(50));
    stage.send(8);
    let mut notes = [0; 200];
    assert_eq!(stage.producer.hibernate(&mut notes), Err(SleepError::Busy));
    stage.flush();
    let needed = match stage.producer.hibernate(&mut [0; 20]) {
        Err(SleepError::NoRoom { needed }) => needed as usize,
        other => panic!("{other:?}"),
    };
    let id = stage.send(8);
    stage.flush();
    assert_eq!(stage.told(id).offset, Some(1), "it goes on");
    assert_eq!(
        stage.producer.hibernate(&mut notes[..needed - 1]),
        Err(SleepError::NoRoom { needed: needed as u32 })
    );
    assert_eq!(stage.producer.hibernate(&mut notes[..needed]), Ok(needed));
}

#[test]
fn damaged_notes_are_no_notes() {
    let (mut stage, notes) = slept();
    let len = notes.iter().rposition(|byte| *byte != 0xff).unwrap() + 1;
    for byte in 0..len {
        for bit in [0, 7] {
            let mut damaged = notes.clone();
            damaged[byte] ^= 1 << bit;
            assert!(!stage.replace(settings(), &mut damaged), "bit {bit} of byte {byte}");
        }
        assert!(!stage.replace(settings(), &mut notes[..byte].to_vec()), "{byte} bytes of them");
    }
    assert!(stage.replace(settings(), &mut notes[..len].to_vec()));
    const OTHERS: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 9092 }];
    let other = Config::new(OTHERS);
    assert!(!stage.replace(other, &mut notes.clone()), "of another cluster");
    stage.send(8);
    stage.flush();
    assert_eq!(stage.log(0).len(), 2);
}

#[test]
fn what_has_changed_during_the_sleep_costs_what_it_would_have_cost_awake() {
    let changes: [fn(&mut Stage); 4] = [
        |stage| assert!(stage.net.cluster.move_leader(NAME, 0, 2)),
        |stage| {
            stage.net.cluster.delete_topic(NAME);
            stage.net.cluster.create_topic(NAME, 2, TopicConfig::default()).unwrap();
        },
        |stage| {
            stage.net.cluster.kill(1);
            stage.net.cluster.fence(1);
        },
        // Brokers forget a producer that writes nothing for a day.
        |stage| {
            stage.now = stage.now.plus_millis(2 * 86_400_000);
            stage.net.now += 2 * 86_400_000;
            stage.net.cluster.poll(stage.net.now);
        },
    ];
    for (nth, change) in changes.into_iter().enumerate() {
        let (mut stage, mut notes) = slept();
        change(&mut stage);
        assert!(stage.replace(settings(), &mut notes));
        let ids: Vec<_> = (0..20).map(|_| stage.send(400)).collect();
        stage.flush();
        for id in ids {
            assert!(stage.told(id).outcome.is_written(), "change {nth}: {:?}", stage.told(id));
        }
    }
}

#[test]
fn notes_fit_whatever_storage_the_next_one_has() {
    let (mut stage, mut notes) = slept();
    stage.net.cut();
    let memory = Box::leak(Box::new(kurier_core::storage::Storage::<1, 1, 2, 512, 1, 3>::new()));
    let config = Box::leak(Box::new(settings()));
    stage.producer = kurier_core::producer::Producer::new(memory, config, crc32c::crc32c_append).unwrap();
    assert!(stage.producer.recall(&mut notes, stage.now), "one of two links, no room for the name");
    assert!(stage.producer.topic(NAME, stage.now).is_err());
    assert!(stage.producer.topic("abc", stage.now).is_ok());
}
