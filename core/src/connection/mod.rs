//! One link to one broker, sans-I/O: its states, the versions it speaks, what is in flight on it, the chain that
//! goes out and the frames that come in.
//!
//! Not here: which request to send, and what an answer means for batches or metadata.
//!
//! Invariant: a link that is not open has nothing in flight, nothing half written and nothing half read.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]
pub mod backoff;
pub mod frame;
pub mod gather;
pub mod in_flight;
pub mod link;

pub use frame::{Incoming, Piece};
pub use gather::Gather;
pub use in_flight::{Call, InFlight, Request};
pub use link::{Lifecycle, Link, Outgoing, Versions};
