//! Clocks that come round, and records that fit no batch. Histories drawn from seeds: `cargo xtask sim --smoltcp`.
use crate::{World, config};
use kurier_core::record::Record;
use kurier_core::storage::Storage;
use kurier_tests::cable::CALM;
use smoltcp::time::{Duration, Instant};

#[test]
fn clocks_that_come_round_in_the_middle_change_nothing() {
    // Milliseconds of 31 and of 32 bits, and microseconds of 32, as counters of devices have them.
    for comes_round in [1_i64 << 31, 1 << 32, (1 << 32) / 1000] {
        let mut world = World::<1>::new(Storage::<1, 1, 4, 256>::new(), config(), (1, 1), CALM, 7);
        world.now = Instant::from_millis(comes_round) - Duration::from_millis(700);
        let topic = world.topic();
        for n in 0..100_u32 {
            world.send(topic, Record::value(&n.to_be_bytes()));
            // A loop that is busy elsewhere; left alone it would sleep until the metadata is old.
            world.now += Duration::from_millis(10);
            world.turn();
            if n == 60 {
                world.brokers.cut();
            }
        }
        world.finish();
        assert!(world.now > Instant::from_millis(comes_round));
        assert_eq!((world.delivered, world.failed), (100, 0), "{comes_round}");
        assert_eq!(world.brokers.numbers("lines", 0), (0..100).collect::<Vec<_>>());
        assert!(
            world.now < Instant::from_millis(comes_round + 60_000),
            "nothing waited for a wrong time: {} after {comes_round} ms",
            world.now
        );
    }
}

#[test]
fn a_record_that_is_larger_than_a_batch_is_refused_and_the_others_go() {
    use kurier_core::error::SendError;
    let mut world = World::<1>::new(Storage::<1, 1, 2, 128>::new(), config(), (1, 1), CALM, 9);
    let topic = world.topic();
    world.send(topic, Record::value(&0_u32.to_be_bytes()));
    let now = kurier_core::time::Instant::from_micros(u64::try_from(world.now.total_micros()).unwrap());
    for len in [128, 129, 4000] {
        let refused = world.producer.send(topic, Record::value(&vec![0; len]), now);
        assert!(matches!(refused, Err(SendError::RecordTooLarge { .. })), "{len}: {refused:?}");
    }
    world.send(topic, Record::value(&1_u32.to_be_bytes()));
    world.finish();
    assert_eq!(world.brokers.numbers("lines", 0), [0, 1]);
}
