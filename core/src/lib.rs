//! The core of a Kafka producer: the wire format, record batches and the state machine of Apache
//! Kafka's own producer, without I/O, heap, clock or randomness of its own.
//!
//! A host hands in bytes streams ([`transport::Transport`]), the time ([`time::Instant`]), memory
//! ([`host::Host`]) and a checksum function ([`batch::Crc32c`]); everything else is here and is the same
//! on a server, in a browser page and on a microcontroller.
//!
//! Lower modules know nothing of higher ones; `cargo xtask layers` checks the table in `docs/design.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

#[cfg(test)]
extern crate std;

pub mod accumulator;
pub mod batch;
pub mod cluster;
pub mod config;
pub mod connection;
#[cfg(kurier_defects)]
pub mod defect;
#[cfg(not(kurier_defects))]
#[allow(unreachable_pub)] // what a build with defects makes public
mod defect;
pub mod delivery;
pub mod error;
mod feature;
pub mod host;
pub mod idempotence;
pub mod identity;
pub mod long;
pub mod partitioner;
pub mod pool;
pub mod producer;
pub mod random;
pub mod record;
pub mod sender;
pub mod storage;
pub mod time;
pub mod transport;
pub mod wire;
