//! Record batches of magic 2: records appended in place into their final bytes, sealed once.
//!
//! What comes out is what Kafka's own producer writes for the same records, to the byte. Not here: which
//! record goes into which batch, when a batch is full, and where its buffer comes from.
//!
//! Invariants: bytes before the records are undefined until the batch is sealed; a record is either whole in
//! the batch or not at all. Nothing in here can panic or allocate.
//!
//! Source: KIP-98 (format), KIP-82 (headers), and batches made by Kafka's classes (`vectors_batches`).
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
pub mod builder;
pub mod layout;
pub mod meta;
mod nibbles;
#[cfg(feature = "reverse")]
pub mod read;
pub mod record;
pub mod seal;
pub mod sequence;
#[cfg(target_pointer_width = "64")]
mod short;
pub mod split;
mod varint;

pub use builder::NoRoom;
pub use meta::{Builder, Crc32c, Meta};
pub use nibbles::crc32c_by_nibbles;
pub(crate) use record::{payload_size, upper_bound_of};
pub use record::{record_size, upper_bound};
pub use seal::{Stamp, restamp, seal, stamp_of};
pub(crate) use varint::copy;
