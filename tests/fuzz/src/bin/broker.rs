//! Any bytes at the model broker, in pieces: answered or the connection closed, without panic.
#![no_main]
use kurier_broker::{Cluster, Settings, TopicConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut cluster = Cluster::new(Settings { socket_request_max_bytes: 1 << 16, ..Settings::default() });
    cluster.add_broker(1, "h", 1);
    let _ = cluster.create_topic("t", 2, TopicConfig::default());
    let Some(connection) = cluster.open(1) else { return };
    let [piece, frames @ ..] = data else { return };
    for (at, bytes) in frames.chunks(usize::from(*piece) + 1).enumerate() {
        let now = 1_700_000_000_000 + i64::try_from(at).unwrap_or(0);
        if cluster.handle(connection, bytes, now).is_err() {
            break;
        }
        cluster.poll(now);
        let _ = cluster.take_output(connection);
    }
});
