//! What the scenarios, vector tests and real brokers share. WASI has no sockets and starts no programs: the simulation runs there.
pub mod ask_all;
pub mod cable;
#[cfg(feature = "full")]
pub mod chaos;
#[cfg(not(target_os = "wasi"))]
pub mod device;
#[cfg(feature = "full")]
pub mod load;
pub mod meddler;
pub mod messages;
pub mod model_net;
pub mod scene;
pub mod sim;
pub mod vectors;

#[cfg(not(target_os = "wasi"))]
pub use kurier_kafka as kafka;
