//! Leaders that an answer to Produce names (KIP-951). Metadata tells nothing here, so nothing else can tell of them, and
//! the backoff is long, so what is sent soon was sent without it.
use kurier_broker::codec::Value;
use kurier_broker::{Fault, RequestInfo};
use kurier_core::config::Config;
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_core::wire::ErrorCode;
use kurier_tests::meddler::{Answer, field, list};
use kurier_tests::scene::{SERVERS, Scene};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
/// `retry.backoff.ms`: with its jitter it is never shorter than four fifths of this.
const BACKOFF: u32 = 1_000;

/// A producer that has written to broker 1, which leads the partition in its third epoch.
fn scene() -> Scene {
    let config = Config::new(SERVERS)
        .linger_ms(0)
        .retry_backoff_ms(BACKOFF)
        .retry_backoff_max_ms(BACKOFF)
        .request_timeout_ms(30_000);
    let mut scene = Scene::new(Storage::<3, 4, 8, 256>::new(), config, 2, 1);
    for leader in [2, 1] {
        scene.cluster().move_leader("lines", 0, leader);
    }
    assert_eq!(scene.net.inner.cluster.leader("lines", 0), Some((1, 2)));
    write(&mut scene, 1_000);
    scene.net.requests.clear();
    scene.net.meddle(|answer| vec![no_leaders(answer)]);
    scene
}

/// An answer to Metadata says that nobody leads any partition, and knows no other brokers.
fn no_leaders(answer: &Answer) -> Vec<u8> {
    if answer.asked.api != METADATA {
        return answer.frame.clone();
    }
    let mut value = answer.value();
    list(field(&mut value, "brokers")).truncate(2);
    for topic in list(field(&mut value, "topics")) {
        *field(topic, "errorCode") = Value::Int(i64::from(ErrorCode::LEADER_NOT_AVAILABLE.0));
    }
    answer.saying(&value).frame
}

/// Writes a record, which takes so many ms at most.
fn write(scene: &mut Scene, ms: u32) {
    let (topic, before) = (scene.lines(), scene.written);
    scene.send(topic, Record::value(b"x"));
    assert!(scene.flush(ms), "not written within {ms} ms");
    assert_eq!((scene.written, scene.lost()), (before + 1, 0));
}

/// The ports that Produce requests went to, one after the other, and after how many ms.
fn produced(scene: &Scene, from: i64) -> Vec<(u16, i64)> {
    let requests = scene.net.requests.iter().filter(|(_, asked)| asked.api == PRODUCE);
    requests.map(|(at, asked)| (asked.port, at - from)).collect()
}

/// The broker refuses once, as if it did not lead any more, and names this leader and epoch.
fn refuse_once(scene: &mut Scene, leader: i64, epoch: i64) {
    refuse_once_with(scene, ErrorCode::NOT_LEADER_OR_FOLLOWER, leader, epoch);
}

fn refuse_once_with(scene: &mut Scene, error: ErrorCode, leader: i64, epoch: i64) {
    let mut refused = false;
    let mut told = false;
    scene.cluster().inject(move |request: &RequestInfo<'_>| {
        let first = request.api == PRODUCE && !refused;
        refused |= first;
        (first && !error.is_none()).then(|| Fault::refuse(error))
    });
    scene.net.meddle(move |answer| {
        if answer.asked.api != PRODUCE {
            return vec![no_leaders(answer)];
        }
        let mut value = answer.value();
        let partition = &mut list(field(&mut value, "responses"))[0];
        let partition = &mut list(field(partition, "partitionResponses"))[0];
        if !std::mem::replace(&mut told, true) {
            assert_eq!(*field(partition, "errorCode"), Value::Int(i64::from(error.0)));
            let hint = vec![("leaderId", Value::Int(leader)), ("leaderEpoch", Value::Int(epoch))];
            let Value::Struct(fields) = partition else { panic!("no struct: {partition:?}") };
            fields.retain(|(name, _)| *name != "currentLeader");
            fields.push(("currentLeader", Value::Struct(hint)));
        }
        vec![answer.saying(&value).frame]
    });
}

#[test]
fn a_leader_that_an_answer_names_gets_the_batch_at_once() {
    let mut scene = scene();
    scene.cluster().move_leader("lines", 0, 2);
    let from = scene.net.inner.now;
    write(&mut scene, 100);
    let ports: Vec<_> = produced(&scene, from).iter().map(|(port, _)| *port).collect();
    assert_eq!(ports, [9091, 9092]);
    assert_eq!(scene.net.count(METADATA), 0);
    scene.net.requests.clear();
    write(&mut scene, 100);
    assert_eq!(produced(&scene, from)[0].0, 9092, "it is remembered");
}

#[test]
fn a_leader_that_nobody_knew_is_found_at_the_address_in_the_answer() {
    let mut scene = scene();
    scene.cluster().add_broker(3, "elsewhere", 9093);
    scene.net.inner.ports.insert(9093, 3);
    scene.cluster().move_leader("lines", 0, 3);
    let from = scene.net.inner.now;
    write(&mut scene, 100);
    let ports: Vec<_> = produced(&scene, from).iter().map(|(port, _)| *port).collect();
    assert_eq!(ports, [9091, 9093]);
    assert_eq!(scene.net.count(METADATA), 0);
}

#[test]
fn a_leader_of_an_epoch_that_is_not_newer_is_not_turned_to() {
    for epoch in [-1, 0, 1, 2] {
        let mut scene = scene();
        refuse_once(&mut scene, 2, epoch);
        let from = scene.net.inner.now;
        write(&mut scene, 3 * BACKOFF);
        let went = produced(&scene, from);
        assert_eq!(went.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [9091, 9091], "epoch {epoch}");
        assert!(went[1].1 >= i64::from(BACKOFF) * 4 / 5, "epoch {epoch}: after {} ms", went[1].1);
    }
}

#[test]
fn the_same_leader_of_a_newer_epoch_is_turned_to_without_a_backoff() {
    let mut scene = scene();
    refuse_once(&mut scene, 1, 3);
    let from = scene.net.inner.now;
    write(&mut scene, 100);
    assert_eq!(produced(&scene, from).len(), 2);
}

#[test]
fn a_leader_without_an_address_is_not_turned_to() {
    let mut scene = scene();
    refuse_once(&mut scene, 7, 9);
    let from = scene.net.inner.now;
    write(&mut scene, 3 * BACKOFF);
    assert_eq!(produced(&scene, from).iter().map(|(port, _)| *port).collect::<Vec<_>>(), [9091, 9091]);
}

/// `Sender.completeBatch` looks for a leader in the answer at these two errors only.
#[test]
fn only_an_error_about_the_leader_names_one() {
    for (error, believed) in [
        (ErrorCode::NONE, false),
        (ErrorCode::NOT_ENOUGH_REPLICAS, false),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, false),
        (ErrorCode::FENCED_LEADER_EPOCH, true),
    ] {
        let mut scene = scene();
        scene.cluster().move_leader("lines", 0, if believed { 2 } else { 1 });
        refuse_once_with(&mut scene, error, 2, 9);
        let from = scene.net.inner.now;
        for _ in 0..2 {
            write(&mut scene, 3 * BACKOFF);
        }
        let ports: Vec<_> = produced(&scene, from).iter().map(|(port, _)| *port).collect();
        let first = if error.is_none() { 0 } else { 1 };
        let after = if believed { 9092 } else { 9091 };
        assert_eq!(ports[0], 9091);
        assert_eq!(ports[1..], vec![after; first + 1], "{error}");
    }
}
