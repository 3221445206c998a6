//! The producer, the cluster and the network of one run, chosen by the first bytes.
use crate::script::Script;
use kurier_broker::{Release, Settings};
use kurier_core::config::{Acks, Config, MetadataRecovery};
use kurier_core::transport::Endpoint;

/// The topics that a user knows, with their partitions; none if the cluster does not have it.
pub(crate) const TOPICS: [(&str, i32); 4] = [("t", 3), ("u", 1), ("many", 9), ("none", 0)];

const SERVERS: &[Endpoint<'static>] =
    &[Endpoint { host: "broker", port: 9091 }, Endpoint { host: "broker", port: 9092 }];

/// What a run is made of.
pub(crate) struct Options {
    pub(crate) config: Config<'static>,
    /// Index of the storage.
    pub(crate) size: usize,
    pub(crate) brokers: u16,
    pub(crate) release: Release,
    pub(crate) auto_create: bool,
    /// ms.
    pub(crate) delivery_timeout: u32,
    /// Most bytes of a write and of a read.
    pub(crate) write: usize,
    pub(crate) read: usize,
    /// A flush takes a while.
    pub(crate) slow_flush: bool,
    /// µs each way.
    pub(crate) latency: u64,
}

impl Options {
    /// The producer whose one answer is replaced.
    pub(crate) fn plain(acks: Acks, size: usize) -> Self {
        let config = Config::new(SERVERS)
            .acks(acks)
            .linger_ms(0)
            .request_timeout_ms(400)
            .delivery_timeout_ms(900)
            .retry_backoff_ms(50)
            .seed(1);
        Self {
            config,
            size,
            brokers: 2,
            release: Release::V4_3,
            auto_create: false,
            delivery_timeout: 900,
            write: usize::MAX,
            read: usize::MAX,
            slow_flush: false,
            latency: 1000,
        }
    }

    pub(crate) fn draw(script: &mut Script<'_>) -> Self {
        let flags = script.byte();
        let bit = |bit: u8| flags & 1 << bit != 0;
        let acks = if bit(0) { Acks::All } else { script.of([Acks::All, Acks::Leader, Acks::Zero]) };
        let linger = script.of([0, 5, 1, 50]);
        let request_timeout = script.of([300, 100, 1000, 40]);
        let delivery_timeout = linger + request_timeout + script.of([700, 0, 100, 4000]);
        let mut config = Config::new(SERVERS)
            .acks(acks)
            .linger_ms(linger)
            .request_timeout_ms(request_timeout)
            .delivery_timeout_ms(delivery_timeout)
            .retries(script.of([2_147_483_647, 1, 0, 3]))
            .retry_backoff_ms(script.of([20, 1, 100]))
            .retry_backoff_max_ms(script.of([200, 1000]))
            .reconnect_backoff_ms(script.of([10, 50, 1]))
            .reconnect_backoff_max_ms(script.of([100, 1000]))
            .socket_connection_setup_timeout_ms(script.of([200, 1000]))
            .socket_connection_setup_timeout_max_ms(script.of([400, 2000]))
            .metadata_max_age_ms(script.of([300_000, 500, 2000]))
            .connections_max_idle_ms(script.of([None, Some(300), Some(5000)]))
            .partitioner_availability_timeout_ms(script.of([0, 100]))
            .partitioner_adaptive(bit(1))
            .allow_auto_create(bit(2))
            .max_request_size(script.of([1_048_576, 400]))
            .max_in_flight(script.of([5, 1, 2]))
            .seed(u64::from(script.byte()));
        if bit(3) {
            config = config.enable_idempotence(false);
        }
        if bit(4) {
            config = config.metadata_recovery(MetadataRecovery::None);
        }
        if bit(5) {
            config = config.metadata_rebootstrap_trigger_ms(1000);
        }
        let releases = [
            Release::V4_3,
            Release::V4_0,
            Release::V3_9,
            Release::V2_8,
            Release::V2_4,
            Release::V2_1,
            Release::V1_0,
            Release::V0_11,
        ];
        Self {
            config,
            size: script.byte().into(),
            brokers: script.of([2, 1, 3]),
            release: script.of(releases),
            auto_create: bit(6),
            delivery_timeout,
            write: script.of([usize::MAX, 1, 7, 64]),
            read: script.of([usize::MAX, 1, 5, 100]),
            slow_flush: bit(7),
            latency: script.of([1000, 0, 20_000]),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::release(self.release);
        settings.auto_create_topics = self.auto_create;
        settings.num_partitions = 2;
        settings
    }
}
