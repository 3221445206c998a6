//! The one fallible look at the settings. Constant functions throughout, so that a firmware can have its
//! settings checked by the compiler.
use super::{Acks, Checked, Config};
use crate::error::ConfigError;
use crate::feature;
use crate::transport::Endpoint;

impl<'a> Config<'a> {
    /// Looks at everything once. `const`, so that a firmware can have it checked by the compiler.
    ///
    /// # Errors
    /// The first setting that is out of its range or in conflict with another.
    pub const fn check(&'a self) -> Result<Checked<'a>, ConfigError> {
        if let Err(error) = check_endpoints(self.bootstrap) {
            return Err(error);
        }
        if let Err(error) = self.check_ranges() {
            return Err(error);
        }
        if let Err(error) = self.check_idempotence() {
            return Err(error);
        }
        if let Some(delivery) = self.delivery_timeout_ms
            && delivery < self.least_delivery_timeout()
        {
            return Err(ConfigError::Conflict {
                key: "delivery.timeout.ms",
                with: "linger.ms and request.timeout.ms",
                allowed: "at least linger.ms + request.timeout.ms",
            });
        }
        Ok(Checked(self))
    }

    const fn check_ranges(&self) -> Result<(), ConfigError> {
        const INT: u32 = 2_147_483_647;
        const INT_RANGE: &str = "0 to 2147483647";
        if self.client_id.len() > 32_767 {
            return out("client.id", 32_768, "at most 32767 bytes");
        }
        if self.batch_size > INT {
            return out("batch.size", self.batch_size, INT_RANGE);
        }
        if self.max_request_size > INT {
            return out("max.request.size", self.max_request_size, INT_RANGE);
        }
        if self.retries > INT {
            return out("retries", self.retries, INT_RANGE);
        }
        if matches!(self.acks, Acks::Zero) && !feature::ACKS_ZERO {
            return out("acks", 0, "all or 1: the feature `acks-zero` is off");
        }
        if let Some(ms) = self.connections_max_idle_ms
            && !feature::IDLE
        {
            return out("connections.max.idle.ms", ms, "none: the feature `idle` is off");
        }
        if self.max_in_flight == 0 {
            return out("max.in.flight.requests.per.connection", 0, "1 to 5 (more without idempotence)");
        }
        if self.metadata_max_idle_ms < 5_000 {
            return out("metadata.max.idle.ms", self.metadata_max_idle_ms, "5000 or more");
        }
        if self.socket_connection_setup_timeout_ms == 0 {
            return out("socket.connection.setup.timeout.ms", 0, "1 or more");
        }
        if self.socket_connection_setup_timeout_max_ms == 0 {
            return out("socket.connection.setup.timeout.max.ms", 0, "1 or more");
        }
        Ok(())
    }

    const fn check_idempotence(&self) -> Result<(), ConfigError> {
        if matches!(self.enable_idempotence, Some(true)) {
            if !matches!(self.acks, Acks::All) {
                return conflict("acks", "all");
            }
            if self.retries == 0 {
                return conflict("retries", "1 or more");
            }
        }
        // As in Java, this one holds unless idempotence is switched off in so many words.
        if self.max_in_flight > 5 && !matches!(self.enable_idempotence, Some(false)) {
            return conflict("max.in.flight.requests.per.connection", "1 to 5");
        }
        Ok(())
    }
}

const fn out(key: &'static str, value: u32, allowed: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::OutOfRange { key, value, allowed })
}

const fn conflict(key: &'static str, allowed: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Conflict { key, with: "enable.idempotence", allowed })
}

const fn check_endpoints(mut rest: &[Endpoint<'_>]) -> Result<(), ConfigError> {
    if rest.is_empty() {
        return Err(ConfigError::NoBootstrap);
    }
    let mut entry: u16 = 0;
    while let Some((first, others)) = rest.split_first() {
        if first.host.is_empty() || first.host.len() > 255 || first.port == 0 {
            return Err(ConfigError::BadEndpoint { entry });
        }
        entry = entry.saturating_add(1);
        rest = others;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_MS;

    const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "10.0.2.2", port: 9092 }];
    /// In a constant, as in flash, and checked by the compiler.
    #[cfg(all(feature = "pipelining", feature = "idle"))]
    static CONFIG: Config<'static> = Config::new(SERVERS).client_id("probe-7").linger_ms(20);
    const _: () = assert!(CONST.check().is_ok());
    const CONST: Config<'static> = Config::new(SERVERS).acks(Acks::Leader);

    fn conflict_key(config: Config<'_>) -> &'static str {
        match config.check() {
            Err(ConfigError::Conflict { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    #[cfg(all(feature = "pipelining", feature = "idle"))]
    fn the_defaults_are_kafkas() {
        let checked = CONFIG.check().unwrap();
        assert_eq!(checked.client_id(), "probe-7");
        assert_eq!(checked.bootstrap(), SERVERS);
        assert_eq!((checked.linger_ms(), checked.batch_size()), (20, 16_384));
        assert_eq!((checked.delivery_timeout_ms(), checked.request_timeout_ms()), (120_000, 30_000));
        assert_eq!((checked.retry_backoff_ms(), checked.retry_backoff_max_ms()), (100, 1_000));
        assert_eq!(checked.max_in_flight(), 5);
        assert!(checked.idempotence());
        assert_eq!(checked.acks(), Acks::All);
        assert_eq!(checked.connections_max_idle_ms(), Some(540_000));
    }

    #[test]
    fn servers_are_needed_and_have_a_host_and_a_port() {
        assert_eq!(Config::new(&[]).check().err(), Some(ConfigError::NoBootstrap));
        let long = "x".repeat(256);
        for (host, port) in [("", 1), ("a", 0), (long.as_str(), 1)] {
            let servers = [Endpoint { host: "ok", port: 1 }, Endpoint { host, port }];
            let error = Config::new(&servers).check().err();
            assert_eq!(error, Some(ConfigError::BadEndpoint { entry: 1 }), "{host}:{port}");
        }
    }

    #[test]
    #[cfg(feature = "acks-zero")]
    fn acks_and_retries_turn_idempotence_off_unless_it_was_asked_for() {
        let base = Config::new(SERVERS);
        assert!(!base.acks(Acks::Leader).check().unwrap().idempotence());
        assert!(!base.retries(0).check().unwrap().idempotence());
        assert_eq!(conflict_key(base.acks(Acks::Zero).enable_idempotence(true)), "acks");
        assert_eq!(conflict_key(base.retries(0).enable_idempotence(true)), "retries");
    }

    #[test]
    #[cfg(feature = "pipelining")]
    fn more_than_five_in_flight_need_idempotence_off_and_act_as_five() {
        let base = Config::new(SERVERS).max_in_flight(6);
        let key = "max.in.flight.requests.per.connection";
        assert_eq!(conflict_key(base), key);
        assert_eq!(conflict_key(base.acks(Acks::Leader)), key);
        assert_eq!(base.enable_idempotence(false).check().unwrap().max_in_flight(), 5);
        assert_eq!(Config::new(SERVERS).max_in_flight(1).check().unwrap().max_in_flight(), 1);
        assert!(matches!(
            Config::new(SERVERS).max_in_flight(0).check(),
            Err(ConfigError::OutOfRange { value: 0, .. })
        ));
    }

    #[test]
    fn a_delivery_timeout_below_linger_and_request_timeout_is_raised_or_refused() {
        let base = Config::new(SERVERS).linger_ms(100_000).request_timeout_ms(40_000);
        let checked = base.check().unwrap();
        assert!(checked.delivery_timeout_raised());
        assert_eq!(checked.delivery_timeout_ms(), 140_000);
        assert_eq!(conflict_key(base.delivery_timeout_ms(139_999)), "delivery.timeout.ms");
        assert_eq!(base.delivery_timeout_ms(140_000).check().unwrap().delivery_timeout_ms(), 140_000);
    }

    #[test]
    fn times_end_at_twelve_days_and_backoffs_at_their_maximum() {
        let config = Config::new(SERVERS)
            .linger_ms(u32::MAX)
            .request_timeout_ms(u32::MAX)
            .retry_backoff_ms(5_000)
            .reconnect_backoff_max_ms(u32::MAX)
            .reconnect_backoff_ms(u32::MAX);
        let checked = config.check().unwrap();
        assert_eq!(checked.linger_ms(), MAX_MS);
        assert_eq!(checked.delivery_timeout_ms(), MAX_MS);
        assert_eq!(checked.retry_backoff_ms(), 1_000);
        assert_eq!(checked.reconnect_backoff_ms(), MAX_MS);
    }

    #[test]
    #[cfg(not(feature = "idle"))]
    fn what_needs_a_feature_that_is_off_is_refused_with_what_was_given() {
        assert!(Config::new(SERVERS).check().is_ok());
        let (key, allowed) = ("connections.max.idle.ms", "none: the feature `idle` is off");
        let config = Config::new(SERVERS).connections_max_idle_ms(Some(7_000));
        assert_eq!(config.check().err(), Some(ConfigError::OutOfRange { key, value: 7_000, allowed }));
    }

    #[test]
    fn sizes_stay_within_kafkas_int() {
        let base = Config::new(SERVERS);
        for (config, key) in [
            (base.batch_size(1 << 31), "batch.size"),
            (base.max_request_size(1 << 31), "max.request.size"),
            (base.retries(1 << 31), "retries"),
            (base.metadata_max_idle_ms(4_999), "metadata.max.idle.ms"),
            (base.socket_connection_setup_timeout_ms(0), "socket.connection.setup.timeout.ms"),
        ] {
            match config.check() {
                Err(ConfigError::OutOfRange { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}
