//! The firmware's clock, on this machine: QEMU's counter begins at 0 with each start and takes three minutes to come round.
#![allow(missing_docs, unreachable_pub)] // a test, and a part of another crate
#[path = "../../adapters/smoltcp/firmware/src/clock.rs"]
mod clock;

use clock::Clock;

#[test]
fn a_counter_that_comes_round_again_and_again_is_a_clock_that_goes_on() {
    let (mut clock, mut real) = (Clock::new(), 0_u64);
    // Of 25 ticks in a microsecond: the longest sleep, and steps that meet a round's last and first ticks.
    for step in [1_500_000_000, u64::from(u32::MAX), 1, 1, 1 << 31, (1 << 32) - 1, 0, 2].repeat(20) {
        real += step;
        let counter = u32::try_from(real & 0xFFFF_FFFF).unwrap_or_default();
        assert_eq!(clock.ticks(counter), real);
    }
    assert!(real >> 32 > 40, "it came round: {real}");
}

#[test]
fn a_clock_that_is_first_read_late_begins_there() {
    let mut clock = Clock::new();
    assert_eq!(clock.ticks(u32::MAX - 1), u64::from(u32::MAX - 1));
    assert_eq!(clock.ticks(3), (1 << 32) + 3);
}
