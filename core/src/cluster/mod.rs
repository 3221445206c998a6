//! What is known of the cluster: topics, which partitions they have and who leads them, and when to ask again.
//!
//! Not here: how it is asked, and the brokers' addresses, which lie with their links.
pub mod place;
pub mod refresh;
pub mod topics;

pub use place::Place;
pub use refresh::Refresh;
pub use topics::{Known, Limit, Topics};
