//! acks=0: a request is over when it has left this side, which only a flush tells.
use super::stage::{Stage, config};
use kurier_core::config::{Acks, Config};

/// A producer that has written a record, and has no question left.
fn begun(settings: Config<'static>) -> Stage {
    let mut stage = Stage::new(settings.acks(Acks::Zero).enable_idempotence(false));
    stage.send(8);
    stage.flush();
    stage.turns(500);
    stage.take_seen();
    stage.net.flush_waits = true;
    stage
}

#[test]
fn the_next_request_waits_until_the_one_before_has_left() {
    let mut stage = begun(config());
    let first = stage.send(8);
    stage.turns(20);
    let second = stage.send(8);
    stage.turns(20);
    assert_eq!(stage.take_seen().len(), 1, "the second would be taken for the first when that has left");
    assert_eq!(stage.producer.requests_in_flight(), 1);
    stage.net.flush_waits = false;
    stage.flush();
    assert_eq!(stage.producer.requests_in_flight(), 0);
    for id in [first, second] {
        assert!(stage.told(id).outcome.is_written());
    }
    stage.check();
}

#[test]
fn a_link_that_is_lost_before_a_request_has_left_leaves_nothing_behind() {
    let mut stage = begun(config().retries(0));
    let doubtful = stage.send(8);
    stage.turns(20);
    stage.net.cut();
    stage.net.flush_waits = false;
    let next = stage.send(8);
    stage.flush();
    assert!(!stage.told(doubtful).outcome.is_written(), "nobody saw it leave");
    assert!(stage.told(next).outcome.is_written());
    assert_eq!(stage.producer.requests_in_flight(), 0);
}
