//! A few hundred simulated histories, and those that found something before. Many more: `cargo xtask sim`.
//!
//! Those are played as they were when they found it: with the kinds of faults, and the user, of that time.
#![allow(clippy::panic, missing_docs)] // a test
use kurier_tests::sim::{Limit, cable, play, tell};

fn all_well(seeds: impl Iterator<Item = u64>, limit: Limit) {
    for seed in seeds {
        if let Err(failure) = play(seed, limit) {
            let timeline = tell(seed, limit).1;
            let last: Vec<&str> = timeline.lines().rev().take(60).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            panic!(
                "{}\nseed {seed}: {:?}: {}\nreplay: cargo xtask sim --seed {seed}{limit}",
                last.join("\n"),
                failure.wrong,
                failure.what
            );
        }
    }
}

#[test]
fn nothing_is_lost_doubled_reordered_or_stuck() {
    all_well(1..=150, Limit::NONE);
}

#[test]
fn nor_in_another_hundred_and_fifty() {
    all_well(151..=300, Limit::NONE);
}

/// Each was red once: a wake-up for a link that retires; one broker's link taken for bootstrap again and again; a
/// topic forgotten while something waited for it; a delivery told before an earlier one of its partition; a link
/// closed as that of a broker which is gone, because its address had come while the answer was still being read;
/// brokers that refuse, dialled in turn without a pause; a host put together from two, because the link went down while
/// its new address was arriving.
#[test]
fn what_was_found_stays_fixed() {
    all_well(
        [434, 532, 653, 666, 1108, 1502, 1758, 2466, 3157, 3733, 4421, 5777, 6535, 11599].into_iter(),
        Limit::FIRST,
    );
}

/// The cluster's own: a paused broker whose throttle had ended was due for ever.
#[test]
fn a_paused_broker_is_not_always_due() {
    all_well([345, 2093].into_iter(), Limit::FIRST);
}

/// A batch without acknowledgement was done, and nobody woke up for the one that had waited for it.
#[test]
fn acks_zero_goes_on_by_itself() {
    all_well([213, 733].into_iter(), Limit::FIRST);
}

/// One partition took the next epoch while a batch of another was chosen to count on in the old one, behind batches
/// that were in flight: it got in ahead of them, and its acknowledgement was taken for theirs.
#[test]
fn an_epoch_begins_before_batches_are_chosen() {
    all_well([17691].into_iter(), Limit::SECOND);
}

#[test]
fn a_seed_is_the_same_history_every_time() {
    for seed in [7, 45, 98] {
        assert_eq!(tell(seed, Limit::NONE).1, tell(seed, Limit::NONE).1, "seed {seed}");
    }
}

#[test]
fn nor_over_frames_that_a_bad_cable_loses_doubles_delays_and_damages() {
    let (mut struck, mut written) = (0, 0);
    for seed in 1..=60 {
        match cable::play(seed) {
            Ok(played) => {
                struck += u32::from(played.struck);
                written += played.written;
            }
            Err(failure) => {
                let text = cable::tell(seed).1;
                panic!("{text}\n{failure:?}\nreplay: cargo xtask sim --smoltcp --seed {seed}");
            }
        }
    }
    assert!(struck > 30 && written > 600, "{struck} struck by a fault, {written} records written");
}

#[test]
fn a_seed_is_the_same_history_over_frames_every_time() {
    for seed in [3, 12] {
        let (once, text) = cable::tell(seed);
        assert!(once.is_ok() && text.lines().count() > 20, "{text}");
        assert_eq!(cable::tell(seed).1, text, "seed {seed}");
    }
}
