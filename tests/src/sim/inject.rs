//! What brokers do wrong with requests, and the line that each request gets in the timeline.
use super::dice::Dice;
use super::fault;
use super::frames;
use super::malform;
use super::scenario::Scenario;
use super::timeline::Timeline;
use super::watch::Watch;
use kurier_broker::{Body, ErrorCode, Fault, Injector, RequestInfo};

/// Errors that a broker may answer before it has appended anything, after which a retry is due.
const BEFORE: &[ErrorCode] = &[
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::LEADER_NOT_AVAILABLE,
];
/// Errors after which the batch is in the log all the same.
const AFTER: &[ErrorCode] = &[
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::NETWORK_EXCEPTION,
];
/// Errors that end a batch, and nothing was appended.
const FINAL: &[ErrorCode] = &[
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::INVALID_RECORD,
    ErrorCode::POLICY_VIOLATION,
    ErrorCode(999),
    ErrorCode::UNKNOWN_SERVER_ERROR,
];
/// Errors that end a batch, which is in the log all the same.
const FINAL_AFTER: &[ErrorCode] = &[ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode(998)];
/// Errors after which a producer is done for, or its identity is.
const DEADLY: &[ErrorCode] = &[
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::INVALID_PRODUCER_EPOCH,
    ErrorCode::PRODUCER_FENCED,
    ErrorCode::UNKNOWN_PRODUCER_ID,
];
const METADATA: &[ErrorCode] = &[
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::INVALID_TOPIC_EXCEPTION,
];
const IDENTITY: &[ErrorCode] = &[
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::NOT_COORDINATOR,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
];

/// The faults of one history's brokers.
pub(super) fn injector(scenario: &Scenario, timeline: Timeline, watch: Watch) -> Injector {
    let mut dice = Dice::new(scenario.seed, 3);
    let mut other = Dice::new(scenario.seed, 10);
    let mut last = Dice::new(scenario.seed, 15);
    let (faults, idempotent) = (scenario.faults, scenario.idempotent);
    // Where there are few requests, more of them are struck.
    let often = if scenario.has(fault::WORK) && scenario.records <= 10 { 3 } else { 1 };
    Box::new(move |request| {
        watch.look(request);
        let mut fault =
            choose(request, faults, often, &mut dice).or_else(|| choose_last(request, faults, &mut last));
        // Brokers before 1.1 do not remember where a batch is that they have; it is said only of what is in the log. They do not
        // wait for followers with that, so what lags may still be lost.
        if let Some(fault) = fault.as_mut().filter(|fault| idempotent && !fault.skip && fault.error.is_some())
            && other.chance(200)
            && faults & fault::LAG == 0
        {
            fault.error = Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        }
        timeline.note(|| line(request, fault.as_ref()));
        watch.answered(request, fault.as_ref());
        if fault.is_some() {
            watch.strike();
        }
        fault
    })
}

/// Requests are still seen, and nothing is done to them.
pub(super) fn observer(timeline: Timeline, watch: Watch) -> impl FnMut(&RequestInfo<'_>) + Send + 'static {
    move |request| {
        watch.look(request);
        timeline.note(|| line(request, None));
    }
}

fn choose(request: &RequestInfo<'_>, faults: u32, often: u64, dice: &mut Dice) -> Option<Fault> {
    let has = |kind| faults & kind != 0;
    let produce = match &request.body {
        Body::Produce(produce) => Some(produce),
        _ => None,
    };
    if has(fault::THROTTLE) && dice.chance(100 * often) {
        let mut fault = Fault::delay(0);
        fault.throttle_ms = Some(dice.around(100) as i32);
        return Some(fault);
    }
    if has(fault::SWALLOW) && dice.chance(60 * often) {
        return Some(match dice.below(5) {
            0 => Fault::ignore(),
            1 => Fault::lose_answer(),
            2 => Fault::close_before(),
            3 => Fault::close_after(),
            _ => {
                let mut fault = Fault::lose_answer();
                fault.reply = kurier_broker::Reply::Hang;
                fault
            }
        });
    }
    if has(fault::MALFORM) && dice.chance(60 * often) {
        return Some(malform::fault(request, dice));
    }
    if has(fault::SLOW) && dice.chance(60 * often) {
        return Some(Fault::delay(dice.around(200) as i64));
    }
    if has(fault::FATAL)
        && matches!(request.body, Body::Produce(_) | Body::InitProducerId(_))
        && dice.chance(25 * often)
    {
        return Some(Fault::refuse(dice.pick(DEADLY)));
    }
    let Some(produce) = produce else {
        if !has(fault::ABOUT) || !dice.chance(250 * often) {
            return None;
        }
        return Some(match request.body {
            Body::Metadata(_) => Fault::refuse(dice.pick(METADATA)),
            Body::InitProducerId(_) => Fault::refuse(dice.pick(IDENTITY)),
            _ => Fault::close_before(),
        });
    };
    let fault = match () {
        () if has(fault::ERROR) && dice.chance(120 * often) => match dice.below(2) {
            0 => Fault::refuse(dice.pick(BEFORE)),
            _ => Fault::fail_after(dice.pick(AFTER)),
        },
        () if has(fault::FINAL) && dice.chance(80 * often) => match dice.below(3) {
            0 => Fault::fail_after(dice.pick(FINAL_AFTER)),
            _ => Fault::refuse(dice.pick(FINAL)),
        },
        () => return None,
    };
    let topic = produce.topics.first()?;
    let partition = topic.partitions.first()?.index;
    Some(if dice.chance(500) { fault.only(&[(&topic.name, partition)]) } else { fault })
}

/// What the last kinds of faults do about a request.
fn choose_last(request: &RequestInfo<'_>, faults: u32, dice: &mut Dice) -> Option<Fault> {
    let has = |kind| faults & kind != 0;
    match request.body {
        Body::ApiVersions(_) if has(fault::VERSIONS) && dice.chance(500) => {
            Some(malform::from_the_future(request))
        }
        // In the middle of what is said of the records.
        Body::Produce(_) if has(fault::KEYS) && has(fault::MALFORM) && dice.chance(150) => {
            Some(malform::half())
        }
        Body::Metadata(_) if has(fault::REBOOTSTRAP) && request.version >= 13 && dice.chance(200) => {
            Some(Fault::refuse(ErrorCode::REBOOTSTRAP_REQUIRED))
        }
        _ => None,
    }
}

fn line(request: &RequestInfo<'_>, fault: Option<&Fault>) -> String {
    let what = match &request.body {
        Body::Produce(produce) => {
            let mut what = format!("Produce acks {}", produce.acks);
            for topic in &produce.topics {
                for partition in &topic.partitions {
                    what += &format!(" {}-{}", topic.name, partition.index);
                    let batch = partition.records.unwrap_or_default();
                    if let Some(batch) = frames::batch(batch, (Vec::new(), partition.index)) {
                        let ((_, epoch, sequence), first, last) = (batch.stamp, batch.first, batch.last);
                        what += &format!(" (records {first} to {last}, epoch {epoch}, sequence {sequence})");
                    }
                }
            }
            what
        }
        Body::Metadata(metadata) => {
            let names = metadata.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
            format!("Metadata {:?}", names.collect::<Vec<_>>())
        }
        Body::ApiVersions(_) | Body::UnsupportedApiVersions => "ApiVersions".to_owned(),
        Body::InitProducerId(_) => "InitProducerId".to_owned(),
        _ => "?".to_owned(),
    };
    let fault = fault.map_or_else(String::new, |fault| {
        let mut text = String::from(" ->");
        if let Some(error) = fault.error {
            text += &format!(" {error:?} {} ", if fault.skip { "before append" } else { "after append" });
        } else if fault.skip {
            text += " not carried out";
        }
        if let Some(only) = &fault.only {
            text += &format!(" only {only:?}");
        }
        format!("{text} answer {:?} delay {} throttle {:?}", fault.reply, fault.delay_ms, fault.throttle_ms)
    });
    format!("broker{} #{} v{} {what}{fault}", request.broker, request.correlation, request.version)
}
