//! Record batches of magic 2: records appended in place into their final bytes, sealed once.
pub mod meta;
pub use meta::{Builder, Crc32c, Meta};
