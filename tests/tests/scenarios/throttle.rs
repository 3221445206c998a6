//! Throttle times (KIP-219): an older broker answers late instead of asking for silence, so what it tells in an older
//! version is no order. Kafka's own client waits from Produce 6, Metadata 6, ApiVersions 2 and InitProducerId 1 on
//! (`shouldClientThrottle` of each response).
use kurier_broker::Settings;
use kurier_broker::codec::Value;
use kurier_core::config::Config;
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;
use kurier_tests::meddler::{field, list};
use kurier_tests::scene::{SERVERS, Scene};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;
/// What the broker tells, in ms.
const THROTTLE: u32 = 700;

/// Writes two records, one after the other, to a broker that speaks `api` up to `newest`, and tells a throttle time in
/// its first answer there. Gives the throttle time that was counted, and how long all of it took, in ms.
fn throttled(api: i16, newest: i16) -> (u64, i64) {
    let mut settings = Settings::default();
    for range in &mut settings.apis {
        range.max = match range.key {
            key if key == api => newest,
            // By the ids of topics, which older answers to Metadata do not tell.
            PRODUCE if api == METADATA => 12,
            _ => range.max,
        };
    }
    let config = Config::new(SERVERS).linger_ms(0).retry_backoff_ms(1).retry_backoff_max_ms(1);
    let mut scene = Scene::at(1000, Storage::<1, 2, 4, 256>::new(), config, settings, 1, 1);
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    scene.net.meddle(move |answer| {
        if answer.asked.api != api || count.replace(count.get() + 1) > 0 {
            return vec![answer.frame.clone()];
        }
        assert_eq!(answer.asked.version, newest, "the version that was to be tried");
        let mut value = answer.value();
        let Value::Struct(fields) = &mut value else { panic!("no struct: {value:?}") };
        let throttle = fields.iter_mut().find(|(name, _)| *name == "throttleTimeMs");
        throttle.expect("a version that tells").1 = Value::Int(i64::from(THROTTLE));
        vec![answer.saying(&value).frame]
    });
    let (topic, from) = (scene.lines(), scene.net.inner.now);
    for written in 1..=2 {
        scene.send(topic, Record::value(b"x"));
        assert!(scene.flush(5_000));
        assert_eq!((scene.written, scene.lost()), (written, 0));
    }
    assert!(told.get() > 0, "it was never told");
    (scene.producer.stats().throttle_ms, scene.net.inner.now - from)
}

#[test]
fn the_client_waits_from_the_version_on_in_which_brokers_do_not() {
    // No version of ApiVersions is asked for but 0, which tells no throttle time, and the newest.
    for (api, newest) in [(PRODUCE, 6), (METADATA, 6), (API_VERSIONS, 4), (INIT_PRODUCER_ID, 1)] {
        let (counted, took) = throttled(api, newest);
        assert_eq!(counted, u64::from(THROTTLE), "API {api}, version {newest}");
        assert!(took >= i64::from(THROTTLE), "API {api}, version {newest}: {took} ms");
    }
}

#[test]
fn the_client_does_not_wait_for_a_broker_that_has_waited() {
    for (api, newest) in [(PRODUCE, 3), (PRODUCE, 5), (METADATA, 4), (METADATA, 5), (INIT_PRODUCER_ID, 0)] {
        let (counted, took) = throttled(api, newest);
        assert_eq!(counted, 0, "API {api}, version {newest}");
        assert!(took < i64::from(THROTTLE) / 2, "API {api}, version {newest}: {took} ms");
    }
}

/// Kafka's own client keeps the time for the broker, whatever becomes of the connection (`ClusterConnectionStates`).
#[test]
fn a_broker_that_asked_for_silence_gets_it_on_the_next_link_too() {
    // With a long backoff the bootstrap server is dialled first, and found to be the same broker.
    for reconnect in [1, 300] {
        let config = Config::new(SERVERS).linger_ms(0).retry_backoff_ms(1).retry_backoff_max_ms(1);
        let config = config.reconnect_backoff_ms(reconnect).reconnect_backoff_max_ms(reconnect);
        let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config, 1, 1);
        let topic = scene.lines();
        scene.send(topic, Record::value(b"x"));
        assert!(scene.flush(5_000));
        scene.net.meddle(|answer| {
            if answer.asked.api != PRODUCE {
                return vec![answer.frame.clone()];
            }
            let mut value = answer.value();
            let Value::Struct(fields) = &mut value else { panic!("no struct: {value:?}") };
            fields.iter_mut().find(|(name, _)| *name == "throttleTimeMs").unwrap().1 =
                Value::Int(i64::from(THROTTLE));
            vec![answer.saying(&value).frame]
        });
        scene.send(topic, Record::value(b"x"));
        assert!(scene.flush(5_000));
        let told = scene.net.inner.now;
        scene.net.meddling = None;
        scene.net.requests.clear();
        scene.net.cut();
        scene.send(topic, Record::value(b"x"));
        assert!(scene.flush(5_000));
        let asked = |api| scene.net.requests.iter().find(|(_, asked)| asked.api == api).unwrap().0 - told;
        assert!(asked(API_VERSIONS) < 400, "it is opened again meanwhile");
        assert!(asked(PRODUCE) >= i64::from(THROTTLE) - 10, "{reconnect}: after {} ms", asked(PRODUCE));
        assert_eq!((scene.written, scene.lost()), (3, 0));
    }
}

/// The link by which a broker was found again is its own from then on: of two silences it asked for the longer one holds.
#[test]
fn a_broker_that_asked_twice_for_silence_gets_the_longer_one() {
    const SHORT: u32 = 400;
    let config = Config::new(SERVERS).linger_ms(0).retry_backoff_ms(20).retry_backoff_max_ms(20);
    let config = config.reconnect_backoff_ms(300).reconnect_backoff_max_ms(300);
    let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config, 1, 1);
    let topic = scene.lines();
    // On its own link the broker gives no id, and asks for a short silence.
    scene.net.meddle(|answer| {
        let mut value = answer.value();
        if answer.asked.api == INIT_PRODUCER_ID {
            *field(&mut value, "throttleTimeMs") = Value::Int(i64::from(SHORT));
            *field(&mut value, "errorCode") =
                Value::Int(i64::from(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.0));
        }
        vec![answer.saying(&value).frame]
    });
    scene.send(topic, Record::value(b"x"));
    while scene.producer.stats().throttle_ms == 0 {
        scene.turn();
    }
    scene.net.cut();
    scene.net.requests.clear();
    // The link to the bootstrap server does not turn out to be the broker's before that has asked by it, too.
    let (held, asked) = (RefCell::new(None), Cell::new(0));
    scene.net.meddle(move |answer| {
        let mut value = answer.value();
        match answer.asked.api {
            INIT_PRODUCER_ID => {
                *field(&mut value, "throttleTimeMs") = Value::Int(i64::from(THROTTLE));
                held.replace(Some(answer.saying(&value).frame));
                Vec::new()
            }
            METADATA if asked.replace(asked.get() + 1) == 0 => {
                list(field(&mut value, "brokers")).clear();
                list(field(&mut value, "topics")).clear();
                vec![answer.saying(&value).frame]
            }
            _ => held.take().into_iter().chain([answer.frame.clone()]).collect(),
        }
    });
    while scene.producer.stats().throttle_ms == u64::from(SHORT) {
        scene.turn();
    }
    let told = scene.net.inner.now;
    assert_eq!(scene.producer.stats().throttle_ms, u64::from(SHORT + THROTTLE));
    assert!(scene.flush(5_000));
    let (at, _) = scene.net.requests.iter().find(|(_, asked)| asked.api == PRODUCE).unwrap();
    assert!(at - told >= i64::from(THROTTLE) - 10, "after {} ms", at - told);
    assert_eq!((scene.written, scene.lost(), scene.net.count(API_VERSIONS)), (1, 0, 1), "one link");
}
