//! `partitioner.availability.timeout.ms`: a leader that takes no data for so long is left out by records without a key,
//! until it takes some again (KIP-794).
use super::stage::{NAME, Stage, config};
use kurier_broker::Fault;
use kurier_core::storage::Storage;

/// For so long broker 2 asks for silence, in ms.
const SILENCE: i32 = 2_000;

/// So many records to whichever partition is chosen, each a batch of its own. Answers how many went to partition 1.
fn spread(stage: &mut Stage, records: usize) -> usize {
    let before = stage.log(1).len();
    for _ in 0..records {
        stage.send_anywhere(200);
        stage.turns(2);
    }
    stage.log(1).len() - before
}

#[test]
fn a_slow_leader_gets_nothing_without_a_key_until_it_takes_data_again() {
    for (patience, left_out) in [(50, true), (0, false)] {
        let config = config().partitioner_availability_timeout_ms(patience).batch_size(1).seed(5);
        let mut stage = Stage::with(Storage::<2, 4, 48, 512>::new(), config, 2, 2);
        stage.net.cluster.move_leader(NAME, 0, 1);
        stage.net.cluster.move_leader(NAME, 1, 2);
        for partition in [0, 1] {
            stage.send_to(partition, 8);
            stage.flush();
        }
        assert!(spread(&mut stage, 30) > 5, "both are chosen");
        let silent = Fault { throttle_ms: Some(SILENCE), ..Fault::default() };
        stage.inject(move |nth, _| (nth == 0).then(|| silent.clone()));
        stage.send_to(1, 8);
        stage.flush();
        // Ready, and not taken.
        let before = stage.log(1).len();
        stage.send_to(1, 8);
        stage.turns(100);
        assert_eq!(stage.log(1).len(), before);
        // The first one's partition was chosen long ago.
        stage.send_anywhere(200);
        stage.turns(10);
        let free = stage.producer.free_buffers();
        spread(&mut stage, 30);
        stage.turns(10);
        let kept = free.saturating_sub(stage.producer.free_buffers());
        assert_eq!(kept == 0, left_out, "patience {patience}: {kept} wait for the slow one");
        assert_eq!(stage.log(1).len(), before, "it is silent still");
        stage.flush();
        assert!(spread(&mut stage, 40) > 8, "patience {patience}: it is chosen again");
        stage.flush();
        stage.check();
    }
}
