//! The options of a producer as they come from JavaScript: numbers in one order, which `js/options.js` keeps, too.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use kurier_core::config::{Acks, Config};
use kurier_core::transport::Endpoint;

/// What the numbers stand for, in their order. All are non-negative integers; -1 is the default.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(crate) enum Number {
    Acks,
    LingerMs,
    BatchSize,
    BufferMemory,
    MaxRequestSize,
    MaxInFlight,
    EnableIdempotence,
    Retries,
    RequestTimeoutMs,
    DeliveryTimeoutMs,
    RetryBackoffMs,
    RetryBackoffMaxMs,
    ReconnectBackoffMs,
    ReconnectBackoffMaxMs,
    MetadataMaxAgeMs,
    Seed,
}

/// `buffer.memory`, Kafka's default. It is taken from the page as it is needed.
pub(crate) const BUFFER_MEMORY: u32 = 32 << 20;

/// One of the numbers, if it was given.
pub(crate) fn number(numbers: &[f64], which: Number) -> Option<u32> {
    let value = numbers.get(which as usize).copied().filter(|value| *value >= 0.0)?;
    // Saturates, as Kafka's longer settings do here.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some(value as u32)
}

type Setter = fn(Config<'static>, u32) -> Config<'static>;

/// The configuration, for good: a producer refers to it as long as the page lives. It is a few hundred bytes.
pub(crate) fn config(
    servers: &[String],
    ports: &[u16],
    client_id: String,
    numbers: &[f64],
) -> &'static Config<'static> {
    let endpoints: Vec<_> = servers
        .iter()
        .zip(ports)
        .map(|(host, port)| Endpoint { host: String::leak(host.clone()), port: *port })
        .collect();
    let mut config = Config::new(Vec::leak(endpoints)).client_id(String::leak(client_id));
    let given = |which| number(numbers, which);
    config = match given(Number::Acks) {
        Some(0) => config.acks(Acks::Zero),
        Some(1) => config.acks(Acks::Leader),
        _ => config,
    };
    let setters: [(Number, Setter); 14] = [
        (Number::LingerMs, Config::linger_ms),
        (Number::BatchSize, Config::batch_size),
        (Number::MaxRequestSize, Config::max_request_size),
        (Number::MaxInFlight, Config::max_in_flight),
        (Number::EnableIdempotence, |config, on| config.enable_idempotence(on != 0)),
        (Number::Retries, Config::retries),
        (Number::RequestTimeoutMs, Config::request_timeout_ms),
        (Number::DeliveryTimeoutMs, Config::delivery_timeout_ms),
        (Number::RetryBackoffMs, Config::retry_backoff_ms),
        (Number::RetryBackoffMaxMs, Config::retry_backoff_max_ms),
        (Number::ReconnectBackoffMs, Config::reconnect_backoff_ms),
        (Number::ReconnectBackoffMaxMs, Config::reconnect_backoff_max_ms),
        (Number::MetadataMaxAgeMs, Config::metadata_max_age_ms),
        (Number::Seed, |config, seed| config.seed(seed.into())),
    ];
    for (which, set) in setters {
        if let Some(value) = given(which) {
            config = set(config, value);
        }
    }
    Box::leak(Box::new(config))
}
