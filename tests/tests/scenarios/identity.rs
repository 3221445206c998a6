//! The producer id and epoch: how they are asked for, and the errors that end a producer or are about who it is (KIP-98).
use super::idempotence::{begun, five};
use super::stage::{Stage, config};
use kurier_broker::{Body, Fault, RequestInfo};
use kurier_core::error::{Fate, SendError};
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;
use kurier_tests::scene::Scene;

/// The producer says of every further record why it takes none.
fn assert_over(stage: &mut Stage, cause: ErrorCode) {
    stage.turns(20);
    let again = stage.producer.send(stage.topic, Record::value(b"x"), stage.now).unwrap_err();
    assert_eq!(again, SendError::Fatal(cause.0));
}

#[test]
fn an_identity_is_asked_for_until_it_comes_and_nothing_is_written_before() {
    for fault in [
        Fault::refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        Fault::refuse(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        Fault::refuse(ErrorCode::NOT_COORDINATOR),
        Fault::refuse(ErrorCode::REQUEST_TIMED_OUT),
        Fault::close_before(),
        Fault::close_after(),
        Fault::lose_answer(),
    ] {
        let mut stage = Stage::new(config().request_timeout_ms(300));
        let mut asked = 0;
        stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
            assert!(!matches!(request.body, Body::Produce(_)) || asked > 3, "written without an identity");
            if !matches!(request.body, Body::InitProducerId(_)) {
                return None;
            }
            asked += 1;
            (asked <= 3).then(|| fault.clone())
        });
        let id = stage.send(8);
        stage.flush();
        stage.check();
        assert_eq!(stage.told(id).offset, Some(0));
    }
}

/// `TransactionManager.InitProducerIdHandler`: what is neither retriable nor a matter of rights is the end, and its cause
/// is told; an epoch that is too old means that another producer has taken its place.
#[test]
fn an_identity_that_is_denied_for_good_ends_the_producer_with_the_cause() {
    let fenced = ErrorCode::PRODUCER_FENCED;
    for (answered, told) in [
        (ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode::UNKNOWN_SERVER_ERROR),
        (ErrorCode::UNSUPPORTED_VERSION, ErrorCode::UNSUPPORTED_VERSION),
        (ErrorCode::INVALID_REQUEST, ErrorCode::INVALID_REQUEST),
        (ErrorCode::INVALID_PRODUCER_EPOCH, fenced),
        (fenced, fenced),
        (ErrorCode(999), ErrorCode(999)),
    ] {
        let mut stage = Stage::new(config());
        let mut asked = 0;
        stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
            assert!(!matches!(request.body, Body::Produce(_)), "written without an identity");
            let is = matches!(request.body, Body::InitProducerId(_));
            asked += i32::from(is);
            // The second time the record has been accepted.
            assert!(asked <= 2, "asked again after {answered}");
            is.then(|| Fault::refuse(if asked == 1 { ErrorCode::NOT_COORDINATOR } else { answered }))
        });
        let id = stage.send(8);
        stage.flush();
        assert_eq!(stage.refusal(id), (told, Fate::NotWritten));
        assert_over(&mut stage, told);
    }
}

#[test]
fn a_refused_identity_fails_what_is_incomplete_and_the_producer_works_on_once_it_is_granted() {
    let mut stage = Stage::new(config());
    let mut asked = 0;
    stage.net.cluster.inject(move |request: &RequestInfo<'_>| {
        let is = matches!(request.body, Body::InitProducerId(_));
        asked += i32::from(is);
        // The second time the record has been accepted.
        match asked {
            1 if is => Some(Fault::refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
            2 if is => Some(Fault::refuse(ErrorCode::CLUSTER_AUTHORIZATION_FAILED)),
            _ => None,
        }
    });
    let refused = stage.send(8);
    stage.flush();
    assert_eq!(stage.refusal(refused), (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, Fate::NotWritten));
    let id = stage.send(8);
    stage.flush();
    assert!(stage.told(id).outcome.is_written());
    stage.check();
}

#[test]
fn a_fenced_epoch_fails_its_batch_and_the_next_begins_a_new_one() {
    let mut stage = begun();
    stage.inject(|nth, _| (nth == 0).then(|| Fault::refuse(ErrorCode::INVALID_PRODUCER_EPOCH)));
    let fenced = stage.send(8);
    stage.flush();
    assert_eq!(stage.refusal(fenced), (ErrorCode::INVALID_PRODUCER_EPOCH, Fate::NotWritten));
    stage.send(8);
    stage.flush();
    stage.check();
    assert_eq!(stage.batches(0), [(0, 0, 1), (1, 0, 1)]);
}

const DEADLY: [ErrorCode; 5] = [
    ErrorCode::PRODUCER_FENCED,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ErrorCode::INVALID_PRODUCER_ID_MAPPING,
    ErrorCode::UNSUPPORTED_VERSION,
];

#[test]
fn without_idempotence_what_ends_a_producer_ends_a_batch() {
    for error in DEADLY {
        let mut stage = Stage::new(config().enable_idempotence(false));
        stage.inject(move |nth, _| (nth == 0).then(|| Fault::refuse(error)));
        let refused = stage.send(8);
        stage.flush();
        assert_eq!(stage.refusal(refused), (error, Fate::NotWritten));
        stage.turns(20);
        let next = stage.send(8);
        stage.flush();
        assert!(stage.told(next).outcome.is_written());
        stage.check();
    }
}

/// Neither is a `RetriableException`, and only a `TransactionManager` would send them again (`Sender.canRetry`).
#[test]
fn without_idempotence_an_error_about_a_sequence_ends_a_batch_at_once() {
    for error in [ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode::UNKNOWN_PRODUCER_ID] {
        for refused in 0..5 {
            let mut stage = Stage::new(config().linger_ms(20).enable_idempotence(false));
            stage.inject(move |nth, _| {
                let fault = if nth == refused { Fault::refuse(error) } else { Fault::default() };
                Some(fault.and_delay(10))
            });
            let ids = five(&mut stage);
            stage.flush();
            stage.check();
            assert_eq!(stage.take_seen().len(), 5, "{error}: tried once");
            assert_eq!(stage.refusal(ids[2 * refused]), (error, Fate::NotWritten));
            assert_eq!(stage.counts(), (8, 0, 2));
        }
    }
}

#[test]
fn a_fenced_producer_is_over() {
    for error in DEADLY {
        let mut stage = begun();
        stage.inject(move |_, _| Some(Fault::refuse(error)));
        let one = stage.send(8);
        stage.flush();
        assert_eq!(stage.refusal(one), (error, Fate::NotWritten));
        assert_over(&mut stage, error);
    }
}

#[test]
fn an_identity_is_asked_of_the_broker_that_has_least_to_do() {
    const METADATA: i16 = 3;
    const INIT_PRODUCER_ID: i16 = 22;
    let config = config().metadata_max_age_ms(50).request_timeout_ms(30_000);
    let mut scene = Scene::new(Storage::<2, 2, 4, 256>::new(), config, 2, 2);
    scene.cluster().move_leader("lines", 1, 2);
    scene.cluster().inject(|request: &RequestInfo<'_>| {
        let is = matches!(request.body, Body::InitProducerId(_));
        is.then(|| Fault::refuse(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS))
    });
    let topic = scene.lines();
    for partition in 0..2 {
        scene.send(topic, Record::value(b"x").partition(partition));
    }
    scene.run(200);
    // The link that was opened first waits for an answer from here on.
    scene.net.meddle(|answer| {
        let held = answer.asked.api == METADATA && answer.asked.port == 9091;
        if held { Vec::new() } else { vec![answer.frame.clone()] }
    });
    scene.run(1_000);
    assert!(scene.net.requests.iter().rev().find(|(_, asked)| asked.api == METADATA).unwrap().1.port == 9091);
    scene.net.requests.clear();
    scene.run(1_000);
    let asked: Vec<_> = scene.net.requests.iter().map(|(_, asked)| (asked.api, asked.port)).collect();
    assert!(asked.len() > 10 && asked.iter().all(|asked| *asked == (INIT_PRODUCER_ID, 9092)), "{asked:?}");
}
