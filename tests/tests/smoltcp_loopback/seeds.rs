//! Many small histories, each drawn from its seed: the storage's sizes, the cable's weather, smoltcp's fault injector on top of
//! it, streams that are cut, when the clock began. More than the gate plays: `KURIER_SEEDS=1..2000`.
use crate::brokers::Brokers;
use crate::wire::{CALM, Weather};
use crate::{World, config};
use kurier_core::record::Record;
use kurier_core::storage::{Memory, Storage};
use smoltcp::time::{Duration, Instant};

const RECORDS: u32 = 150;

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }

    fn percent(&mut self, most: u64) -> u32 {
        u32::try_from(self.below(most + 1)).unwrap()
    }
}

fn history<const N: usize>(memory: impl Memory + 'static, seed: u32, dice: &mut Dice) -> [u32; 3] {
    let weather = Weather {
        delay_ms: 1 + dice.below(40),
        loss: dice.percent(8),
        twice: dice.percent(8),
        late: dice.percent(20),
    };
    let (brokers, partitions) = (1 + dice.below(3), 1 + dice.below(4));
    let cluster = (u16::try_from(brokers).unwrap(), i32::try_from(partitions).unwrap());
    let mut world = World::<N>::new(memory, config(), cluster, weather, seed);
    // Any time, and just before the milliseconds of 32 bits come round.
    let starts = [1, 1 << 31, 1 << 32, dice.below(1 << 40)];
    let start = starts[usize::try_from(dice.below(4)).unwrap()];
    world.now = Instant::from_millis(i64::try_from(start).unwrap().max(2001) - 2000);
    world.device.set_corrupt_chance(u8::try_from(dice.below(5)).unwrap());
    world.device.set_drop_chance(u8::try_from(dice.below(5)).unwrap());
    let cut = dice.below(3 * u64::from(RECORDS));
    let topic = world.topic();
    for n in 0..RECORDS {
        let to = i32::try_from(u64::from(n) % partitions).unwrap();
        world.send(topic, Record::value(&n.to_be_bytes()).partition(to));
        if u64::from(n) == cut {
            world.brokers.cut();
        }
    }
    world.finish();
    assert_eq!((world.delivered, world.failed), (RECORDS, 0), "seed {seed}");
    for partition in 0..partitions {
        let expected: Vec<_> = (0..RECORDS).filter(|n| u64::from(*n) % partitions == partition).collect();
        let partition = i32::try_from(partition).unwrap();
        assert_eq!(world.brokers.numbers("lines", partition), expected, "seed {seed}");
    }
    Brokers::mishaps(&world.brokers)
}

#[test]
fn whatever_the_cable_does_every_record_is_in_the_log_once_and_in_order() {
    let range = std::env::var("KURIER_SEEDS").unwrap_or_else(|_| "1..60".to_owned());
    let (first, end) = range.split_once("..").expect("KURIER_SEEDS is FIRST..END");
    let mut mishaps = 0;
    for seed in first.parse::<u32>().unwrap()..end.parse().unwrap() {
        let mut dice = Dice(u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let counts = match dice.below(4) {
            0 => history::<1>(Storage::<1, 1, 1, 128>::new(), seed, &mut dice),
            1 => history::<1>(Storage::<1, 2, 3, 256>::new(), seed, &mut dice),
            2 => history::<2>(Storage::<2, 3, 8, 512>::new(), seed, &mut dice),
            _ => history::<3>(Storage::<3, 4, 12, 1024>::new(), seed, &mut dice),
        };
        mishaps += counts.iter().sum::<u32>();
    }
    assert!(mishaps > 100, "the cable did its worst: {mishaps}");
}

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
