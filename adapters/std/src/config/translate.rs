//! From Kafka's properties, as texts, to the core's settings, and the core's refusals back in terms of the properties.
//!
//! Each value was accepted by its key's kind before: here a text that cannot be read counts as its default's.
use super::keys::bool_of;
use super::{Config, ConfigError, find};
use kurier_core::config::{Acks, Config as Core, MetadataRecovery};
use kurier_core::error::ConfigError as CoreError;
use std::hash::{BuildHasher, RandomState};

impl Config {
    pub(super) fn core(&self, warnings: &mut Vec<String>) -> Core<'static> {
        let idle = self.number("connections.max.idle.ms");
        let mut core = Core::new(&[])
            .acks(match self.text("acks") {
                "0" => Acks::Zero,
                "1" => Acks::Leader,
                _ => Acks::All,
            })
            .metadata_recovery(match self.text("metadata.recovery.strategy") {
                word if word.eq_ignore_ascii_case("none") => MetadataRecovery::None,
                _ => MetadataRecovery::Rebootstrap,
            })
            .allow_auto_create(self.flag("allow.auto.create.topics"))
            .batch_size(self.word("batch.size"))
            .connections_max_idle_ms(u64::try_from(idle).ok().map(saturated))
            .linger_ms(self.word("linger.ms"))
            .max_in_flight(self.word("max.in.flight.requests.per.connection"))
            .max_request_size(self.word("max.request.size"))
            .metadata_max_age_ms(self.word("metadata.max.age.ms"))
            .metadata_max_idle_ms(self.word("metadata.max.idle.ms"))
            .metadata_rebootstrap_trigger_ms(self.word("metadata.recovery.rebootstrap.trigger.ms"))
            .partitioner_adaptive(self.flag("partitioner.adaptive.partitioning.enable"))
            .partitioner_availability_timeout_ms(self.word("partitioner.availability.timeout.ms"))
            .partitioner_ignore_keys(self.flag("partitioner.ignore.keys"))
            .reconnect_backoff_max_ms(self.word("reconnect.backoff.max.ms"))
            .reconnect_backoff_ms(self.word("reconnect.backoff.ms"))
            .request_timeout_ms(self.word("request.timeout.ms"))
            .retries(self.word("retries"))
            .retry_backoff_max_ms(self.word("retry.backoff.max.ms"))
            .retry_backoff_ms(self.word("retry.backoff.ms"))
            .socket_connection_setup_timeout_max_ms(self.word("socket.connection.setup.timeout.max.ms"))
            .socket_connection_setup_timeout_ms(self.word("socket.connection.setup.timeout.ms"))
            .seed(self.seed.unwrap_or_else(|| RandomState::new().hash_one(0)));
        if self.value("delivery.timeout.ms").is_some() {
            core = core.delivery_timeout_ms(self.word("delivery.timeout.ms"));
        }
        if self.value("enable.idempotence").is_some() {
            core = core.enable_idempotence(self.flag("enable.idempotence"));
        }
        if self.value("reconnect.backoff.ms").is_some() && self.value("reconnect.backoff.max.ms").is_none() {
            // Java's rule, from the time before the maximum existed.
            core = core.reconnect_backoff_max_ms(self.word("reconnect.backoff.ms"));
            warnings.push(
                "reconnect.backoff.ms is set without its maximum, so the wait does not grow".to_owned(),
            );
        }
        for (name, most) in [
            ("retry.backoff.ms", "retry.backoff.max.ms"),
            ("socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms"),
        ] {
            if self.number(name) > self.number(most) {
                warnings.push(format!("{name} is above {most}, which is used instead"));
            }
        }
        core
    }

    /// The value, or the default. `name` is one of the table's.
    fn text(&self, name: &str) -> &str {
        self.value(name).or_else(|| find(name)?.default).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// A number from 0 for the core, where whatever does not fit acts as its greatest.
    fn word(&self, name: &str) -> u32 {
        saturated(self.number(name).unsigned_abs())
    }

    fn flag(&self, name: &str) -> bool {
        bool_of(self.text(name)).unwrap_or_default()
    }

    pub(super) fn translate(&self, error: CoreError) -> ConfigError {
        match error {
            CoreError::Conflict { key: "delivery.timeout.ms", allowed, .. } => {
                let (linger, request) = (self.text("linger.ms"), self.text("request.timeout.ms"));
                ConfigError::Conflict {
                    key: "delivery.timeout.ms",
                    value: self.text("delivery.timeout.ms").to_owned(),
                    with: format!("linger.ms={linger} and request.timeout.ms={request}"),
                    allowed: allowed.to_owned(),
                }
            }
            CoreError::Conflict { key, with, allowed } => {
                let set = self.value(with).is_some();
                let with = format!("{with}={}{}", self.text(with), if set { "" } else { " (the default)" });
                ConfigError::Conflict {
                    key,
                    value: self.text(key).to_owned(),
                    with,
                    allowed: allowed.to_owned(),
                }
            }
            other => ConfigError::Core(other),
        }
    }
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
