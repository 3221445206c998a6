//! What the fuzz targets do with their bytes. Each target in `bin` is one line that calls one function of this
//! crate, so that a finding can be replayed from any other program too.
//!
//! Nothing here knows the fuzzer. The same bytes give the same run: time is virtual, and every choice is a byte.
pub mod batches;
pub mod bridge;
pub mod broker;
pub mod client;
pub mod command;
mod home;
mod net;
mod options;
pub mod parsers;
pub mod properties;
mod reply;
mod script;
pub mod seeds;
mod walk;
mod world;
