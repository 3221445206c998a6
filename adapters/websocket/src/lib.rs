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
//!
//! What judges requests and answers, [`Frames`] and [`Gate`], has no I/O in it; the feature `server` (default) is the
//! bridge around it, `Server`.
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server's part of it"))]
mod cluster;
#[cfg(feature = "server")]
mod expiry;
mod frames;
mod gate;
#[cfg(feature = "server")]
mod greeting;
#[cfg(feature = "server")]
mod lookup;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod options;
#[cfg(feature = "server")]
mod origin;
#[cfg(feature = "server")]
mod pace;
#[cfg(feature = "server")]
mod places;
#[cfg(feature = "server")]
mod progress;
mod refusal;
#[cfg(feature = "server")]
mod relay;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod tls;
mod topics;

pub use frames::Frames;
pub use gate::{Gate, Rules};
#[cfg(feature = "server")]
pub use options::{Options, OptionsError};
#[cfg(feature = "server")]
pub use origin::OriginTrouble;
pub use refusal::{Kind, Refusal};
#[cfg(feature = "server")]
pub use server::{Server, StartError};
#[cfg(feature = "server")]
pub use tls::{TlsError, TlsFiles};
pub use topics::Topics;
