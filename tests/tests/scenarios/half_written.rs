//! Requests that are cut in the middle: nothing of them was done, and nothing of them is finished for something else.
use super::stage::{NAME, Stage, config};
use kurier_broker::{Body, RequestInfo, TopicConfig};
use kurier_core::error::{DeliveryError, Fate};
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_tests::meddler::Answer;
use kurier_tests::scene::{SERVERS, Scene};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

const PRODUCE: i16 = 0;

/// The port of the leader.
fn leader(stage: &Stage) -> u16 {
    9090 + u16::try_from(stage.net.cluster.leader(NAME, 0).unwrap().0).unwrap()
}

#[test]
fn what_was_not_wholly_written_was_not_carried_out() {
    for bytes in [1, 4, 60, 150] {
        let mut stage = Stage::new(config().enable_idempotence(false).retries(0));
        stage.send(8);
        stage.flush();
        stage.net.room.insert(leader(&stage), bytes);
        let cut = stage.send(200);
        stage.turns(20);
        stage.net.cut();
        stage.net.room.clear();
        stage.flush();
        let outcome = stage.told(cut).outcome;
        assert_eq!(outcome.fate(), Fate::NotWritten, "{bytes} bytes");
        assert_eq!(outcome.error(), Some(DeliveryError::Disconnected));
        stage.check();
    }
}

#[test]
fn no_request_names_two_ids_of_a_topic() {
    for bytes in 10..90 {
        let config = config().metadata_max_age_ms(30);
        let mut stage = Stage::with(Storage::<2, 4, 12, 1024>::new(), config, 2, 2);
        stage.net.cluster.move_leader(NAME, 0, 1);
        stage.net.cluster.move_leader(NAME, 1, 2);
        // Broker 2 is there to tell of the new one.
        for partition in [1, 0] {
            stage.send_to(partition, 8);
            stage.flush();
        }
        let named = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&named);
        stage.net.cluster.observe(move |request: &RequestInfo<'_>| {
            if let Body::Produce(produce) = &request.body {
                names.lock().unwrap().extend(produce.topics.iter().map(|topic| topic.id));
            }
        });
        let port = leader(&stage);
        stage.net.room.insert(port, bytes);
        stage.send(200);
        stage.turns(3);
        assert!(stage.net.cluster.delete_topic(NAME));
        stage.net.cluster.place_topic(NAME, &[&[1], &[2]], TopicConfig::default()).unwrap();
        let id = stage.net.cluster.topic_id(NAME).unwrap();
        stage.turns(100);
        stage.net.room.clear();
        stage.flush();
        stage.check_tail(2);
        assert_eq!(stage.counts(), (3, 0, 0));
        let named = named.lock().unwrap();
        // What was begun under the old one is not finished under any.
        assert!(named.iter().all(|named| *named == id), "cut after {bytes} bytes: {named:?}");
    }
}

#[test]
fn an_answer_to_a_request_that_is_half_written_is_none() {
    let mut scene = Scene::new(
        Storage::<1, 2, 4, 512>::new(),
        kurier_core::config::Config::new(SERVERS).linger_ms(0).reconnect_backoff_ms(10),
        1,
        1,
    );
    let topic = scene.lines();
    let last: Rc<RefCell<Option<Answer>>> = Rc::default();
    let keep = Rc::clone(&last);
    scene.net.meddle(move |answer| {
        if answer.asked.api == PRODUCE {
            *keep.borrow_mut() = Some(answer.clone());
        }
        vec![answer.frame.clone()]
    });
    scene.send(topic, Record::value(b"first"));
    assert!(scene.flush(5_000));
    let answer = last.borrow().clone().unwrap();
    scene.net.inner.room.insert(9091, 100);
    scene.send(topic, Record::value(&[7; 200]));
    scene.run(10);
    scene.net.say(9091, &answer.numbered(answer.asked.correlation + 1).frame);
    let mark = scene.producer.flush();
    scene.run(20);
    assert!(!scene.producer.is_flushed(mark) && scene.log(0).len() == 1, "nothing was done");
    assert_eq!(scene.producer.stats().connections_closed, 1, "who says so is no broker");
    scene.net.inner.room.clear();
    assert!(scene.flush(5_000));
    assert_eq!((scene.written, scene.lost(), scene.log(0).len()), (2, 0, 2));
}
