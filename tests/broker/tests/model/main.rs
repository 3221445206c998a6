//! The model's rules beside the conformance scripts: streams, faults, time, brokers that come and go, logs.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod brokers;
mod client;
mod faults;
mod logs;
mod releases;
mod stream;
mod time;
