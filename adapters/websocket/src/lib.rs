//! A WebSocket bridge that lets pages produce to Kafka, and do nothing else.
//!
//! ```text
//!   page ── WebSocket ──► greeting ──► gate ──► TCP ── broker
//!                         origin,      reads every request with the core's tables,
//!                         token,       judges it, and writes it anew
//!                         broker
//! ```
//! One WebSocket is one connection to one broker; its binary messages are Kafka's bytes, cut anywhere. A page can
//! reach brokers of the configured cluster only, with a producer's requests only, and only for topics that are allowed.
//! It is not a proxy for other clients: consumers and administration are refused.
mod cluster;
mod expiry;
mod frames;
mod gate;
mod greeting;
mod lookup;
mod metrics;
mod options;
mod pace;
mod places;
mod refusal;
mod relay;
mod server;
mod tls;
mod topics;

pub use frames::Frames;
pub use options::{Options, OptionsError, address};
pub use refusal::{Kind, Refusal};
pub use server::{Server, StartError};
pub use tls::{TlsError, TlsFiles};
pub use topics::Topics;
