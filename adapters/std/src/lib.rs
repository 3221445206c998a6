//! A Kafka producer for servers, over the heap-free core.
pub mod config;
