//! The model broker answers as Apache Kafka does.
//!
//! Every script here is played to the model, and says itself what it expects; with the feature `real-kafka` it is
//! played to a real Kafka 4.3.1 at the same time, byte for byte the same requests, and the answers are compared field by
//! field. Only what cannot be equal is taken out of them, see [`normal`].
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod access;
mod batches;
mod deletions;
mod events;
mod frames;
mod leaders;
mod metadata;
mod model;
mod moves;
mod normal;
mod produce;
mod producer_ids;
mod quotas;
mod reading;
#[cfg_attr(not(feature = "real-kafka"), path = "absent.rs")]
mod real;
mod records;
mod restarts;
mod sequences;
mod settings;
mod splits;
mod talk;
mod versions;
