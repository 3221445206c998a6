//! What producing costs: kurier beside librdkafka and franz-go, in one interleaved run.
//!
//! Programs of one shape ([`options`], [`report`]) produce to a [`sink`] that does next to nothing, and to real
//! Kafka; `kurier-bench` runs them in turn and compares medians. Processor time and instructions are compared,
//! not wall clock: the machine may be busy. Not part of the tests, nor of CI.
pub mod options;
pub mod report;
pub mod sink;
