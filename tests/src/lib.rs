//! What the scenarios, vector tests and real brokers share.
pub mod ask_all;
pub mod cable;
#[cfg(feature = "full")]
pub mod chaos;
pub mod device;
#[cfg(feature = "full")]
pub mod load;
pub mod meddler;
pub mod messages;
pub mod model_net;
pub mod scene;
pub mod sim;
pub mod vectors;

pub use kurier_kafka as kafka;
