//! The far end of a device's cable: the model brokers behind smoltcp sockets of their own, and a cable that loses, doubles
//! and delays frames in virtual time.
//!
//! Not here: who is at the near end.
mod brokers;
mod wire;

pub use brokers::{Brokers, HOST};
pub use wire::{CALM, End, Received, Sending, Weather, cable};
