//! The typed setters: one for each property that does something. A value out of range is found by `check`.
use super::Config;
use kurier_core::config::{Acks, MetadataRecovery};

macro_rules! setters {
    ($( $(#[$doc:meta])* $name:ident($ty:ty) = $key:literal; )*) => {
        impl Config {
            $( $(#[$doc])* #[must_use]
            pub fn $name(mut self, value: $ty) -> Self {
                self.put($key, value);
                self
            } )*
        }
    };
}

setters! {
    /// `allow.auto.create.topics`: may the broker create the topics that are asked for. Default true.
    allow_auto_create_topics(bool) = "allow.auto.create.topics";
    /// `batch.size`, bytes. Default 16384.
    batch_size(u32) = "batch.size";
    /// `bootstrap.servers`: `host:port`, several with commas. Required.
    bootstrap(&str) = "bootstrap.servers";
    /// `buffer.memory`, bytes of all batch buffers. Default 33554432.
    buffer_memory(u64) = "buffer.memory";
    /// `client.id`. Default `producer-N`.
    client_id(&str) = "client.id";
    /// `connections.max.idle.ms`; negative never. Default 540000.
    connections_max_idle_ms(i64) = "connections.max.idle.ms";
    /// `delivery.timeout.ms`. Default 120000; at least `linger.ms` + `request.timeout.ms`.
    delivery_timeout_ms(u32) = "delivery.timeout.ms";
    /// `enable.idempotence`. Default true.
    enable_idempotence(bool) = "enable.idempotence";
    /// `linger.ms`. Default 5.
    linger_ms(u64) = "linger.ms";
    /// `max.block.ms`: how long `send` may wait. Default 60000.
    max_block_ms(u64) = "max.block.ms";
    /// `max.in.flight.requests.per.connection`, 1 to 5. Default 5.
    max_in_flight(u32) = "max.in.flight.requests.per.connection";
    /// `max.request.size`, bytes. Default 1048576.
    max_request_size(u32) = "max.request.size";
    /// `metadata.max.age.ms`. Default 300000.
    metadata_max_age_ms(u64) = "metadata.max.age.ms";
    /// `metadata.max.idle.ms`, from 5000. Default 300000.
    metadata_max_idle_ms(u64) = "metadata.max.idle.ms";
    /// `metadata.recovery.rebootstrap.trigger.ms`. Default 300000.
    metadata_rebootstrap_trigger_ms(u64) = "metadata.recovery.rebootstrap.trigger.ms";
    /// `partitioner.adaptive.partitioning.enable`. Default true.
    partitioner_adaptive(bool) = "partitioner.adaptive.partitioning.enable";
    /// `partitioner.availability.timeout.ms`; 0 never. Default 0.
    partitioner_availability_timeout_ms(u64) = "partitioner.availability.timeout.ms";
    /// `partitioner.ignore.keys`. Default false.
    partitioner_ignore_keys(bool) = "partitioner.ignore.keys";
    /// `receive.buffer.bytes`; -1 the system's. Default 32768.
    receive_buffer_bytes(i32) = "receive.buffer.bytes";
    /// `reconnect.backoff.max.ms`. Default 1000.
    reconnect_backoff_max_ms(u64) = "reconnect.backoff.max.ms";
    /// `reconnect.backoff.ms`. Default 50.
    reconnect_backoff_ms(u64) = "reconnect.backoff.ms";
    /// `request.timeout.ms`. Default 30000.
    request_timeout_ms(u32) = "request.timeout.ms";
    /// `retries`. Default 2147483647.
    retries(u32) = "retries";
    /// `retry.backoff.max.ms`. Default 1000.
    retry_backoff_max_ms(u64) = "retry.backoff.max.ms";
    /// `retry.backoff.ms`. Default 100.
    retry_backoff_ms(u64) = "retry.backoff.ms";
    /// `send.buffer.bytes`; -1 the system's. Default 131072.
    send_buffer_bytes(i32) = "send.buffer.bytes";
    /// `socket.connection.setup.timeout.max.ms`. Default 30000.
    socket_connection_setup_timeout_max_ms(u64) = "socket.connection.setup.timeout.max.ms";
    /// `socket.connection.setup.timeout.ms`. Default 10000.
    socket_connection_setup_timeout_ms(u64) = "socket.connection.setup.timeout.ms";
}

impl Config {
    /// `acks`. Default all.
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.put("acks", acks.code());
        self
    }

    /// `metadata.recovery.strategy`. Default rebootstrap.
    #[must_use]
    pub fn metadata_recovery(mut self, strategy: MetadataRecovery) -> Self {
        let word = match strategy {
            MetadataRecovery::None => "none",
            MetadataRecovery::Rebootstrap => "rebootstrap",
        };
        self.put("metadata.recovery.strategy", word);
        self
    }

    /// Where all randomness starts, for runs that are to be repeated. Default: from the system.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}
