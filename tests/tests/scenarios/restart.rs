//! A broker that is started again remembers of a producer only its newest batch, and denies the older ones though it
//! has them (OUT_OF_ORDER_SEQUENCE_NUMBER; seen on 4.3.1).
use super::stage::{Seen, Stage, config};
use kurier_broker::Fault;

const PORT: i32 = 1;

/// One record acknowledged, then batches of one record each, which are carried out or not, and none answered.
fn in_doubt(batches: usize, carried_out: usize) -> Stage {
    let mut stage = Stage::new(config().reconnect_backoff_ms(10).reconnect_backoff_max_ms(20));
    stage.send(8);
    stage.flush();
    stage.take_seen();
    stage.inject(move |nth, _| match nth {
        nth if nth < carried_out => Some(Fault::lose_answer()),
        nth if nth < batches => Some(Fault::ignore()),
        _ => None,
    });
    for _ in 0..batches {
        // Each fills its batch.
        stage.send(900);
    }
    stage.until(move |stage| stage.seen.lock().unwrap().len() == batches);
    stage
}

/// The broker ends and starts again, with what its snapshot holds.
fn restart(stage: &mut Stage) {
    stage.net.cluster.kill(PORT);
    stage.turns(50);
    stage.net.cluster.restart(PORT);
    stage.take_seen();
}

#[test]
fn what_was_written_before_a_restart_is_neither_doubled_nor_in_doubt() {
    for batches in 1..=5 {
        let mut stage = in_doubt(batches, batches);
        restart(&mut stage);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (batches + 1, 0, 0), "{batches}");
        assert_eq!(stage.log(0).len(), batches + 1);
    }
}

#[test]
fn what_was_not_written_before_a_restart_is_sent_behind_what_was() {
    for carried_out in 0..=5 {
        let mut stage = in_doubt(5, carried_out);
        restart(&mut stage);
        stage.flush();
        stage.check();
        assert_eq!(stage.counts(), (6, 0, 0), "{carried_out}");
        assert!(stage.batches(0).iter().all(|(epoch, ..)| *epoch == 0), "no gap, so no new epoch");
    }
}

#[test]
fn when_each_batch_is_denied_all_are_stamped_anew() {
    // The acknowledged record is lost with its leader's log: nothing that follows on it can be taken.
    let mut stage = in_doubt(5, 0);
    stage.net.cluster.kill(PORT);
    stage.turns(50);
    stage.net.cluster.restart(PORT);
    stage.inject(|_, seen: Seen| {
        (seen.epoch == 0).then(|| Fault::refuse(kurier_core::wire::ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER))
    });
    stage.take_seen();
    stage.flush();
    stage.check();
    assert_eq!(stage.counts(), (6, 0, 0));
    assert!(stage.batches(0)[1..].iter().all(|(epoch, ..)| *epoch == 1));
}
