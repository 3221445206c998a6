//! A Kafka producer for servers, over the heap-free core: one I/O thread for each producer, futures for any
//! runtime, Kafka's configuration names.
//!
//! ```no_run
//! use kurier::{Producer, Record, config::Config};
//! use std::time::Duration;
//!
//! let producer = Producer::connect(&Config::new().client_id("orders").bootstrap("10.0.0.2:9092"))?;
//! let sent = producer.send("orders", Record::value(b"two of the blue ones").key(b"customer-7"))?;
//! let written = sent.wait()?; // or `.await`, on any runtime
//! println!("{}-{} at {:?}", written.topic, written.partition, written.offset);
//! producer.close(Duration::from_secs(30))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A record that was accepted is sent whatever becomes of its future, and has exactly one end: where it was written, or why
//! it is not known to be ([`RecordError`]). `send` appends to a batch under a short lock; the I/O thread fills requests,
//! writes them, and ends the records of the answers. Callbacks run on that thread.
pub mod config;

mod append;
mod bell;
mod callback;
mod clock;
mod completion;
mod ended;
mod error;
mod heap;
mod io_thread;
mod lock;
mod memory;
mod metrics;
mod net;
mod producer;
mod record;
mod shared;
mod topics;
mod trouble;
mod wait;

pub use completion::RecordFuture;
pub use error::{CloseError, ConnectError};
pub use io_thread::BatchDelivery;
pub use kurier_core::config::{Acks, MetadataRecovery};
pub use kurier_core::delivery::{Delivery, RecordDelivery};
pub use kurier_core::error::{DeliveryError, Fate, Outcome, SendError, TopicError};
pub use kurier_core::record::{Header, Record, Ticket, Topic};
pub use kurier_core::time::Timestamp;
pub use metrics::Metric;
pub use producer::Producer;
pub use record::{Cause, RecordError, RecordMetadata};
