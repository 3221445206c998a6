//! The short form of `cargo xtask chaos`: every kind of fault once, on three real brokers.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used)] // a test
use kurier_tests::chaos::{Chaos, program};
use std::time::Duration;

#[test]
fn nothing_is_lost_doubled_or_reordered_while_leaders_die_and_links_break() {
    let time = Duration::from_secs(30);
    let chaos = Chaos { program: program().unwrap(), nodes: 3, time, seed: 1, arguments: Vec::new() };
    let verdict = chaos.run().unwrap();
    println!("{verdict}");
    assert_eq!(verdict.problems(), Vec::<String>::new(), "{verdict}");
    assert!(verdict.happened().kills >= 3, "{verdict}");
}
