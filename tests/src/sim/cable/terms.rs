//! What a history over frames is made of, all of it from the seed: the storage, the buffers of the streams, the cable, the brokers,
//! the producer's settings, the user.
use crate::cable::{HOST, Weather};
use crate::sim::dice::Dice;
use crate::sim::memory::SIZES;
use crate::sim::scenario::NAMES;
use kurier_core::config::{Acks, Config};
use kurier_core::transport::Endpoint;

static SERVERS: [Endpoint<'static>; 2] =
    [Endpoint { host: HOST, port: 9099 }, Endpoint { host: HOST, port: 9091 }];

/// One history's conditions.
#[derive(Debug)]
pub(super) struct Terms {
    /// One of [`SIZES`].
    pub(super) size: usize,
    pub(super) config: Config<'static>,
    pub(super) acks: Acks,
    pub(super) idempotent: bool,
    pub(super) in_flight: u32,
    /// `delivery.timeout.ms`
    pub(super) delivery_timeout: u32,
    pub(super) brokers: u16,
    pub(super) topics: usize,
    pub(super) partitions: i32,
    /// Bytes of a stream's buffers, to send from and to receive into.
    pub(super) buffers: (usize, usize),
    pub(super) weather: Weather,
    /// Percent of frames that the fault injector damages and drops, both ways.
    pub(super) damage: u8,
    pub(super) drop: u8,
    pub(super) records: u64,
    /// Bytes of a value, at most, with few exceptions.
    pub(super) longest: u64,
    /// Mean µs between what the user does, and between troubles.
    pub(super) pace: u64,
    pub(super) trouble: u64,
    pub(super) troubles: u64,
    /// µs, what the device's clock shows at the start.
    pub(super) start: u64,
}

impl Terms {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let size = dice.below(SIZES.len() as u64) as usize;
        let (acks, idempotent) = match dice.below(10) {
            0 if cfg!(feature = "whole") => (Acks::Zero, false),
            0 | 1 => (Acks::Leader, false),
            2 => (Acks::All, false),
            _ => (Acks::All, true),
        };
        let in_flight = dice.pick(&[1, 2, 5]);
        // Every second one begins at a server where nobody listens.
        let servers = if dice.chance(500) { &SERVERS[..] } else { &SERVERS[1..] };
        let linger = dice.pick(&[0, 2, 50]);
        let mut config =
            Config::new(servers).acks(acks).linger_ms(linger).max_in_flight(in_flight).seed(dice.next());
        if matches!(acks, Acks::All) {
            config = config.enable_idempotence(idempotent);
        }
        let mut delivery_timeout = 120_000;
        if dice.chance(300) {
            let request = dice.within(1000, 5000) as u32;
            delivery_timeout = request + linger + dice.within(0, 5000) as u32;
            config = config.request_timeout_ms(request).delivery_timeout_ms(delivery_timeout);
        }
        // Any time, and just before milliseconds of 31 and 32 bits and microseconds of 32 come round.
        let any = dice.below(1 << 50);
        let round = dice.pick(&[0, (1 << 31) * 1000, (1 << 32) * 1000, 1 << 32, any]);
        Self {
            size,
            config,
            acks,
            idempotent,
            in_flight,
            delivery_timeout,
            brokers: dice.within(1, 3) as u16,
            topics: SIZES[size].topics.min(dice.within(1, 2) as usize),
            partitions: dice.within(1, 4) as i32,
            buffers: (dice.pick(&[96, 512, 2048]), dice.pick(&[64, 256, 1024])),
            weather: weather(dice),
            damage: dice.below(6) as u8,
            drop: dice.below(6) as u8,
            records: dice.within(10, 150),
            longest: (SIZES[size].batch_bytes as u64 / 3).min(dice.pick(&[8, 40, 300])),
            pace: dice.pick(&[200, 5000, 100_000]),
            trouble: dice.pick(&[100_000, 1_000_000, 8_000_000]),
            troubles: dice.below(6),
            start: round.saturating_sub(dice.below(3_000_000)) + 1000,
        }
    }

    /// The names of its topics.
    pub(super) fn names(&self) -> &'static [&'static str] {
        &NAMES[..self.topics]
    }
}

/// A cable that is good, or bad in some ways.
pub(super) fn weather(dice: &mut Dice) -> Weather {
    Weather {
        delay_ms: dice.within(1, 40),
        loss: dice.below(9) as u32,
        twice: dice.below(9) as u32,
        late: dice.below(21) as u32,
    }
}
