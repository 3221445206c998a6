//! Real Apache Kafka on loopback: fetched once from Maven, started in a temp folder, stopped, killed,
//! paused and read back.
//!
//! [`Kafka::start`] gives a cluster of its own to a test that stops brokers; [`shared`] one node to all
//! others (`KURIER_KAFKA=HOST:PORT` names one that runs already). [`Admin`] changes topics, [`Proxy`] breaks links, [`read`] reads
//! back with kcat and Kafka's own tools, never with code of this project.
//!
//! Invariant: a process started here ends with its owner, also when the owner is killed, unless it was
//! asked to outlive it.
//!
//! Source: Kafka's broker configuration, and KIP-500/KIP-833 for the mode without ZooKeeper.
mod admin;
mod cluster;
mod failure;
mod jars;
mod node;
mod options;
mod port;
mod process;
mod properties;
mod proxy;
pub mod read;
mod release;
mod shared;

pub use admin::{Admin, Partition, TopicDescription};
pub use cluster::Kafka;
pub use failure::Failure;
pub use jars::{cache, jars, obstacle};
pub use options::{Listener, Options};
pub use port::{Port, free_port};
pub use process::{command, spawn};
pub use proxy::{Proxy, Way};
pub use release::Release;
pub use shared::{Shared, shared};
