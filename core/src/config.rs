//! The producer's settings, with Kafka's names, units and defaults. [`Config`] is built in a `const` and
//! may lie in flash; [`Config::check`] looks at all of it once (`check.rs`) and hands out [`Checked`], the only form the
//! rest of the core takes. String properties are parsed by the hosts.
//!
//! Times are milliseconds in 32 bits. Kafka's own range reaches further (`Long.MAX_VALUE`): a host saturates
//! what it parsed, and anything above [`MAX_MS`] (12.4 days) acts as `MAX_MS`, so that two deadlines
//! always compare rightly on the 32-bit clock of [`crate::time`].
//!
//! Source: `ProducerConfig` of Apache Kafka 4.3.
use crate::feature;
use crate::transport::Endpoint;

mod check;

/// The longest time a setting stands for, in ms: 12.4 days.
pub const MAX_MS: u32 = 1 << 30;
/// The most requests in flight on one link, and batches in flight for one partition: what a broker remembers
/// of an idempotent producer. It also holds without idempotence. Without the feature `pipelining` it is 1.
pub const MAX_IN_FLIGHT: u32 = if feature::PIPELINING { 5 } else { 1 };

/// Which acknowledgement completes a record (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// `0`: none; a record is complete when its request was written out.
    Zero,
    /// `1`: the leader's.
    Leader,
    /// `all` or `-1`: of every in-sync replica.
    All,
}

impl Acks {
    /// As on the wire: 0, 1 or -1.
    pub const fn code(self) -> i16 {
        match self {
            Self::Zero => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// What to do when no known broker can be reached (`metadata.recovery.strategy`, KIP-899 and KIP-1102).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataRecovery {
    /// Keep trying the known ones.
    None,
    /// Start again from `bootstrap.servers`.
    Rebootstrap,
}

/// One list of settings: a field and a setter on [`Config`], and for those that mean what they say, a getter
/// on [`Checked`]. Times are capped at [`MAX_MS`] when they are set. The getters of `judged` ones stand below, by hand.
macro_rules! settings {
    (
        plain { $( $(#[$pdoc:meta])* $plain:ident : $pty:ty = $pdef:expr; )* }
        times { $( $(#[$tdoc:meta])* $time:ident = $tdef:expr; )* }
        judged { $( $judged:ident : $jty:ty = $jdef:expr; )* }
    ) => {
        /// The settings as they were given. See the setters for units, ranges and defaults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Config<'a> {
            bootstrap: &'a [Endpoint<'a>],
            client_id: &'a str,
            $( $plain: $pty, )*
            $( $time: u32, )*
            $( $judged: $jty, )*
        }

        impl<'a> Config<'a> {
            /// Kafka's defaults, with these `bootstrap.servers`.
            pub const fn new(bootstrap: &'a [Endpoint<'a>]) -> Self {
                Self {
                    bootstrap,
                    client_id: "kurier",
                    $( $plain: $pdef, )*
                    $( $time: $tdef, )*
                    $( $judged: $jdef, )*
                }
            }

            /// `bootstrap.servers`: tried in turn until one answers. At least one.
            #[must_use]
            pub const fn bootstrap(mut self, servers: &'a [Endpoint<'a>]) -> Self {
                self.bootstrap = servers;
                self
            }

            /// `client.id`: sent in each request; quotas and logs of the broker see it. At most 32767
            /// bytes, may be empty, default `kurier`.
            #[must_use]
            pub const fn client_id(mut self, id: &'a str) -> Self {
                self.client_id = id;
                self
            }

            $( $(#[$pdoc])* #[must_use]
            pub const fn $plain(mut self, value: $pty) -> Self {
                self.$plain = value;
                self
            } )*
            $( $(#[$tdoc])* #[must_use]
            pub const fn $time(mut self, ms: u32) -> Self {
                self.$time = capped(ms);
                self
            } )*
        }

        impl<'a> Checked<'a> {
            $( $(#[$pdoc])*
            pub const fn $plain(self) -> $pty {
                self.0.$plain
            } )*
            $( $(#[$tdoc])*
            pub const fn $time(self) -> u32 {
                self.0.$time
            } )*
        }
    };
}

settings! {
    plain {
        /// `acks`: which acknowledgement completes a record. Default all.
        acks: Acks = Acks::All;
        /// `batch.size`: bytes of one batch buffer on hosts that make their own; fixed storage has the size of its
        /// type. 0: one record in each batch. Default 16384, at most 2^31-1.
        batch_size: u32 = 16_384;
        /// `max.request.size`: bytes of one produce request, and of one record in a batch of its own.
        /// Default 1048576, at most 2^31-1.
        max_request_size: u32 = 1_048_576;
        /// `retries`: attempts after the first. Default 2^31-1: `delivery.timeout.ms` ends them.
        retries: u32 = 2_147_483_647;
        /// `connections.max.idle.ms`: an unused link is closed after this long; `None` never. Default 540000.
        connections_max_idle_ms: Option<u32> = if feature::IDLE { Some(540_000) } else { None };
        /// `partitioner.ignore.keys`: keys do not choose the partition. Default false.
        partitioner_ignore_keys: bool = false;
        /// `partitioner.adaptive.partitioning.enable`: records without a key prefer partitions whose queue
        /// is short (KIP-794). Default true.
        partitioner_adaptive: bool = true;
        /// `metadata.recovery.strategy`. Default rebootstrap.
        metadata_recovery: MetadataRecovery = MetadataRecovery::Rebootstrap;
        /// Whether a metadata request may create the topics it asks for, if the broker allows it. Kafka's
        /// producer always does. Default true.
        allow_auto_create: bool = true;
        /// Where all randomness starts: jitter and the choice of partitions and brokers. Each running producer
        /// should have its own. Default 0.
        seed: u64 = 0;
    }
    times {
        /// `linger.ms`: how long a batch waits to fill. Default 5.
        linger_ms = 5;
        /// `request.timeout.ms`: an unanswered request closes its link; also the broker's own time to have a
        /// batch replicated. Default 30000.
        request_timeout_ms = 30_000;
        /// `retry.backoff.max.ms`: the retry backoff doubles up to this. Default 1000.
        retry_backoff_max_ms = 1_000;
        /// `reconnect.backoff.max.ms`: the reconnect backoff doubles up to this. Default 1000.
        reconnect_backoff_max_ms = 1_000;
        /// `socket.connection.setup.timeout.max.ms`: the setup timeout doubles up to this. Default 30000.
        socket_connection_setup_timeout_max_ms = 30_000;
        /// `metadata.max.age.ms`: metadata is asked for again after this long. Default 300000.
        metadata_max_age_ms = 300_000;
        /// `metadata.max.idle.ms`: a topic nothing is sent to is forgotten after this long. At least 5000,
        /// default 300000.
        metadata_max_idle_ms = 300_000;
        /// `metadata.recovery.rebootstrap.trigger.ms`: start from the bootstrap servers after this long
        /// without metadata. Default 300000.
        metadata_rebootstrap_trigger_ms = 300_000;
        /// `partitioner.availability.timeout.ms`: a partition whose leader took nothing for this long is left
        /// out of the choice; 0 never. Default 0.
        partitioner_availability_timeout_ms = 0;
    }
    judged {
        delivery_timeout_ms: Option<u32> = None;
        max_in_flight: u32 = MAX_IN_FLIGHT;
        enable_idempotence: Option<bool> = None;
        retry_backoff_ms: u32 = 100;
        reconnect_backoff_ms: u32 = 50;
        socket_connection_setup_timeout_ms: u32 = 10_000;
    }
}

/// Settings that are judged together.
impl<'a> Config<'a> {
    /// `delivery.timeout.ms`: from a batch's creation to its outcome, retries included. Not set, it is 120000 or
    /// `linger.ms` + `request.timeout.ms`, whichever is more; set, it must not be less than their sum.
    #[must_use]
    pub const fn delivery_timeout_ms(mut self, ms: u32) -> Self {
        self.delivery_timeout_ms = Some(capped(ms));
        self
    }

    /// `max.in.flight.requests.per.connection`, from 1. Default 5. More than 5 is allowed without idempotence only,
    /// and acts as 5. Without the feature `pipelining` any acts as 1.
    #[must_use]
    pub const fn max_in_flight(mut self, requests: u32) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// `enable.idempotence`: the broker tells a retry from a new batch, so that nothing is doubled or
    /// reordered. Not set, it is on unless `acks` or `retries` exclude it; set to true, they must not.
    #[must_use]
    pub const fn enable_idempotence(mut self, on: bool) -> Self {
        self.enable_idempotence = Some(on);
        self
    }

    /// `retry.backoff.ms`: wait before the first retry. Default 100; never above its maximum.
    #[must_use]
    pub const fn retry_backoff_ms(mut self, ms: u32) -> Self {
        self.retry_backoff_ms = ms;
        self
    }

    /// `reconnect.backoff.ms`: wait before a broker is dialled again. Default 50; never above its maximum.
    #[must_use]
    pub const fn reconnect_backoff_ms(mut self, ms: u32) -> Self {
        self.reconnect_backoff_ms = ms;
        self
    }

    /// `socket.connection.setup.timeout.ms`: time to get a link ready for use, from 1. Default 10000; never
    /// above its maximum.
    #[must_use]
    pub const fn socket_connection_setup_timeout_ms(mut self, ms: u32) -> Self {
        self.socket_connection_setup_timeout_ms = ms;
        self
    }

    const fn least_delivery_timeout(&self) -> u32 {
        // Two capped times fit 32 bits.
        capped(self.linger_ms + self.request_timeout_ms)
    }
}

/// Settings that [`Config::check`] has looked at: what they come to. Copying it copies one reference.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a>(&'a Config<'a>);

impl<'a> Checked<'a> {
    /// `bootstrap.servers`, at least one.
    pub const fn bootstrap(self) -> &'a [Endpoint<'a>] {
        self.0.bootstrap
    }

    /// `client.id`, at most 32767 bytes.
    pub const fn client_id(self) -> &'a str {
        self.0.client_id
    }

    /// From a batch's creation to its outcome, in ms; raised to `linger.ms` + `request.timeout.ms` where it was
    /// not set.
    pub const fn delivery_timeout_ms(self) -> u32 {
        match self.0.delivery_timeout_ms {
            Some(ms) => ms,
            None if self.0.least_delivery_timeout() > 120_000 => self.0.least_delivery_timeout(),
            None => 120_000,
        }
    }

    /// Whether `delivery.timeout.ms` was raised above its default, which is worth a warning.
    pub const fn delivery_timeout_raised(self) -> bool {
        self.0.delivery_timeout_ms.is_none() && self.0.least_delivery_timeout() > 120_000
    }

    /// Requests in flight on one link, 1 to [`MAX_IN_FLIGHT`].
    #[allow(clippy::cast_possible_truncation)] // capped at 5
    pub const fn max_in_flight(self) -> u8 {
        // It is 1 or more.
        if feature::PIPELINING { lesser(self.0.max_in_flight, MAX_IN_FLIGHT) as u8 } else { 1 }
    }

    /// Whether batches carry a producer id and sequences.
    pub const fn idempotence(self) -> bool {
        match self.0.enable_idempotence {
            Some(on) => on,
            None => matches!(self.0.acks, Acks::All) && self.0.retries > 0,
        }
    }

    /// Wait before the first retry, in ms; at most its maximum.
    pub const fn retry_backoff_ms(self) -> u32 {
        lesser(self.0.retry_backoff_ms, self.retry_backoff_max_ms())
    }

    /// Wait before a broker is dialled again, in ms; at most its maximum.
    pub const fn reconnect_backoff_ms(self) -> u32 {
        lesser(self.0.reconnect_backoff_ms, self.reconnect_backoff_max_ms())
    }

    /// Time to get a link ready for use, in ms; at most its maximum.
    pub const fn socket_connection_setup_timeout_ms(self) -> u32 {
        lesser(self.0.socket_connection_setup_timeout_ms, self.socket_connection_setup_timeout_max_ms())
    }
}

const fn lesser(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

const fn capped(ms: u32) -> u32 {
    lesser(ms, MAX_MS)
}
