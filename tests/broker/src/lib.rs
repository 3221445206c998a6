//! A strict model of the producer side of an Apache Kafka 4.3 cluster, in memory.
//!
//! [`Cluster`] is the model itself, sans I/O: bytes and the time in, bytes out; simulations run it in virtual time.
//! [`Server`] puts it on TCP for programs that want a broker. It judges what a producer sends as a real broker does, with the same
//! error codes; a conformance test in the project's tests plays the same requests to both. It is no broker to keep
//! data in: no disk, no replication, no groups, no transactions, no users.
#![forbid(unsafe_code)]

mod access;
pub mod api;
mod api_versions;
mod batch;
mod bytes;
mod cluster;
pub mod codec;
mod connection;
mod error;
mod fetch;
mod find_coordinator;
mod init_producer_id;
mod list_offsets;
mod log;
mod metadata;
mod oracle;
mod produce;
mod producer_state;
mod quota;
mod record;
mod replication;
mod request;
mod serve;
mod settings;
mod state;
// WASI has no sockets that listen; the model itself needs none.
#[cfg(not(target_os = "wasi"))]
mod tcp;
pub mod testing;

pub use access::Denial;
pub use api_versions::ApiVersionsRequest;
pub use batch::Header;
pub use bytes::Uuid;
pub use cluster::{Cluster, ConnectionId};
pub use error::Close;
pub use fetch::{FetchPartition, FetchRequest, FetchTopic};
pub use find_coordinator::FindCoordinatorRequest;
pub use init_producer_id::InitProducerIdRequest;
pub use kurier_core::wire::ErrorCode;
pub use list_offsets::{ListOffsetsRequest, WantedOffset};
pub use metadata::{MetadataRequest, MetadataTopic};
pub use oracle::LoggedBatch;
pub use produce::{ProducePartition, ProduceRequest, ProduceTopic};
pub use quota::Quota;
pub use record::{Record, RecordHeaders, fetched_records};
pub use request::{Body, Fault, Injector, Reply, RequestInfo};
pub use settings::{ApiRange, Feature, Release, Settings, TimestampType, TopicConfig};
pub use state::Running;
#[cfg(not(target_os = "wasi"))]
pub use tcp::{Server, ServerOptions};
