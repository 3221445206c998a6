//! What a user may do wrong, and what may be wrong with the way to the cluster: each is said, nothing hangs, and
//! every record that was accepted is accounted for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#[path = "../common/mod.rs"]
mod common;

mod brokers;
mod command_line;
mod records;
mod way;

/// So short that tests do not wait long, and long enough for a loaded machine.
const SOON: [&str; 4] = ["-X", "max.block.ms=1500", "-X", "linger.ms=0"];
