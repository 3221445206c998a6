//! The Kafka wire format: field tables, the walker that reads answers as a stream, and the emission of
//! requests into a sink. No state beyond a parse, no clock, no heap.
//!
//! Every message has one field table ([`schema`]); a [`Walker`] follows it over bytes as they arrive. What a
//! client sends is written by functions generic over [`Sink`], so that the length that goes first and the
//! bytes that follow come from the same code and cannot disagree.
//!
//! The feature `reverse` adds what the other side of a connection needs: tables of requests, field names and
//! default values, and a registry by API key. Nothing of that is linked without it.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        clippy::unwrap_used
    )
)]
#![cfg_attr(
    test,
    allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)
)]

pub mod api_versions;
pub mod error_code;
pub mod header;
pub mod init_producer_id;
pub mod item;
pub mod metadata;
pub mod primitive;
pub mod produce;
pub mod schema;
pub mod sink;
pub mod varint;
pub mod walk;

#[cfg(feature = "reverse")]
pub mod fetch;
#[cfg(feature = "reverse")]
pub mod find_coordinator;
#[cfg(feature = "reverse")]
pub mod list_offsets;
#[cfg(feature = "reverse")]
pub mod registry;
#[cfg(feature = "reverse")]
pub mod sasl_authenticate;
#[cfg(feature = "reverse")]
pub mod sasl_handshake;

pub use error_code::ErrorCode;
pub use item::{Damage, Item};
pub use schema::{Api, Message};
pub use sink::{Counter, Flat, Sink};
pub use walk::Walker;
