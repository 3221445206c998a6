//! Records without a key: they stay on a partition for a batch, then go on, evenly or to shorter queues (KIP-480, KIP-794).
use super::stage::{NAME, SERVERS, Stage, config};
use kurier_broker::Fault;
use kurier_core::config::Config;
use kurier_core::partitioner::{Candidate, choose};
use kurier_core::random::Random;
use kurier_core::storage::Storage;

/// Pearson's statistic: how far what was counted is from what was expected.
fn chi_squared(counted: &[u32], expected: &[f64]) -> f64 {
    counted.iter().zip(expected).map(|(seen, of)| (f64::from(*seen) - of).powi(2) / of).sum()
}

/// Kafka's `BuiltInPartitioner`: queue sizes are turned into weights, the longest having 1, and drawn by cumulative sums.
fn javas_weights(queues: &[u16]) -> Vec<f64> {
    let longest = f64::from(*queues.iter().max().unwrap());
    let weights: Vec<f64> = queues.iter().map(|queue| longest + 1.0 - f64::from(*queue)).collect();
    let all: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / all).collect()
}

#[test]
fn partitions_are_chosen_as_often_as_the_java_client_chooses_them() {
    const DRAWS: u32 = 60_000;
    for queues in [&[0, 3, 1][..], &[5, 0, 3, 0, 1], &[7, 7, 7, 7], &[0, 50], &[2, 2, 2, 2, 2, 2, 2, 1]] {
        let mut random = Random::new(11);
        let mut counted = vec![0; queues.len()];
        for _ in 0..DRAWS {
            let candidates = (0..).zip(queues).map(|(partition, queue)| Candidate {
                partition,
                queue: *queue,
                slow: false,
            });
            let count = u32::try_from(queues.len()).unwrap();
            counted[usize::try_from(choose(random.next_u32(), count, true, candidates)).unwrap()] += 1;
        }
        let expected: Vec<f64> = javas_weights(queues).iter().map(|share| share * f64::from(DRAWS)).collect();
        // One in ten thousand passes 30 with seven degrees of freedom.
        let far = chi_squared(&counted, &expected);
        assert!(far < 30.0, "{queues:?}: {counted:?}, {far}");
    }
}

fn stage(config: Config<'static>, partitions: i32) -> Stage {
    Stage::with(Storage::<2, 8, 32, 512>::new(), config, 2, partitions)
}

/// Partitions of the batches in the order of their first records, and the records in each.
fn batches(stage: &Stage) -> Vec<(i32, i32)> {
    let mut found = Vec::new();
    for partition in 0..stage.net.cluster.partitions(NAME) {
        let log = stage.log(partition);
        for batch in stage.net.cluster.batches(NAME, partition) {
            let first = log[usize::try_from(batch.header.base_offset).unwrap()].0;
            found.push((first, (partition, batch.header.count)));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, batch)| batch).collect()
}

#[test]
fn the_partition_changes_at_the_end_of_a_batch_and_batches_are_full() {
    let mut stage = stage(config().linger_ms(100), 4);
    for _ in 0..2000 {
        stage.send_anywhere(20);
    }
    stage.flush();
    stage.check();
    let batches = batches(&stage);
    let full = batches.iter().map(|(_, count)| *count).max().unwrap();
    let partial = batches.iter().filter(|(_, count)| *count < full).count();
    assert!(partial <= 4, "only the last of each partition: {partial} of {}", batches.len());
    let stays = batches.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
    assert!(stays < batches.len() / 2, "{stays} of {} stay", batches.len());
}

#[test]
fn batches_are_spread_evenly_over_partitions_that_take_them_equally_fast() {
    for adaptive in [true, false] {
        let mut stage = stage(config().linger_ms(3).partitioner_adaptive(adaptive).seed(5), 4);
        for nth in 0..6_000 {
            stage.send_anywhere(20);
            if nth % 16 == 0 {
                stage.turn();
            }
        }
        stage.flush();
        let mut counted = [0_u32; 4];
        let batches = batches(&stage);
        for (partition, _) in &batches {
            counted[usize::try_from(*partition).unwrap()] += 1;
        }
        let each = batches.len() as f64 / 4.0;
        let far = chi_squared(&counted, &[each; 4]);
        assert!(batches.len() > 300 && far < 25.0, "adaptive {adaptive}: {counted:?}, {far}");
    }
}

#[test]
fn a_slow_leader_gets_less_if_partitioning_is_adaptive() {
    let share = |adaptive| {
        let config = Config::new(SERVERS).linger_ms(1).partitioner_adaptive(adaptive).seed(5);
        let mut stage = stage(config.max_in_flight(1), 2);
        stage.send_to(0, 8);
        stage.send_to(1, 8);
        stage.flush();
        let slow = stage.net.cluster.leader(NAME, 0).unwrap().0;
        stage
            .net
            .cluster
            .inject(move |request| (request.broker == slow && request.api == 0).then(|| Fault::delay(20)));
        for _ in 0..6000 {
            stage.send_anywhere(20);
            if stage.producer.free_buffers() < 20 {
                stage.turn();
            }
        }
        stage.flush();
        stage.check();
        stage.log(0).len() as f64 / 6000.0
    };
    let (even, adaptive) = (share(false), share(true));
    assert!((0.45..0.55).contains(&even), "{even}");
    assert!(adaptive < 0.4, "{adaptive}");
}
