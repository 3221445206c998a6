//! What keeps a partition's batches once and in order: their sequences, and the verdict on each answer.
pub mod sequence;
pub mod verdict;

pub use sequence::{Generation, Sequence};
pub use verdict::{Action, Verdict};
