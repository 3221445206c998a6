//! What a configuration comes to: owned texts and numbers, from which the core's settings are borrowed.
use super::keys::Effect;
use super::{Config, ConfigError, Server, accept, find, servers, show};
use kurier_core::config::Config as Core;
use kurier_core::transport::Endpoint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The configuration of one producer, read and free of conflicts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `bootstrap.servers`, at least one.
    pub bootstrap: Vec<Server>,
    /// `client.id` as it was set; see [`named`](Self::named).
    pub client_id: Option<String>,
    /// `buffer.memory`, bytes.
    pub buffer_memory: u64,
    /// `max.block.ms`.
    pub max_block: Duration,
    /// `send.buffer.bytes`; `None` leaves the system's.
    pub send_buffer_bytes: Option<u32>,
    /// `receive.buffer.bytes`; `None` leaves the system's.
    pub receive_buffer_bytes: Option<u32>,
    /// What deserves a word but no refusal, for the log or the terminal.
    pub warnings: Vec<String>,
    core: Core<'static>,
}

impl Config {
    /// Reads everything that was set.
    ///
    /// # Errors
    /// A value out of range, a feature that is not built yet, two properties in conflict, no
    /// `bootstrap.servers`.
    pub fn check(&self) -> Result<Settings, ConfigError> {
        self.check_each()?;
        let list = self.value("bootstrap.servers");
        let missing = ConfigError::Missing { key: "bootstrap.servers", allowed: servers::ALLOWED };
        let (bootstrap, repeated) = servers::parse(list.ok_or(missing)?).map_err(|allowed| {
            let value = list.unwrap_or_default().to_owned();
            ConfigError::BadValue { key: "bootstrap.servers", value, allowed }
        })?;
        let mut warnings = self.foreign_warnings();
        warnings
            .extend(repeated.iter().map(|entry| format!("bootstrap.servers names {entry} more than once")));
        let core = self.core(&mut warnings);
        let size = |name| u32::try_from(self.number(name)).ok();
        let settings = Settings {
            bootstrap,
            client_id: self.value("client.id").map(str::to_owned),
            buffer_memory: self.number("buffer.memory").unsigned_abs(),
            max_block: Duration::from_millis(self.number("max.block.ms").unsigned_abs()),
            send_buffer_bytes: size("send.buffer.bytes"),
            receive_buffer_bytes: size("receive.buffer.bytes"),
            warnings: Vec::new(),
            core,
        };
        let endpoints = settings.endpoints();
        let checked = settings.core(&endpoints);
        let checked = checked.check().map_err(|error| self.translate(error))?;
        if !checked.idempotence() && self.value("enable.idempotence").is_none() {
            let cause = if checked.retries() == 0 { "retries=0" } else { "acks is not all" };
            warnings.push(format!("enable.idempotence is turned off, because {cause}"));
        }
        if checked.delivery_timeout_raised() {
            let ms = checked.delivery_timeout_ms();
            warnings.push(format!("delivery.timeout.ms is raised to {ms}: linger.ms + request.timeout.ms"));
        }
        drop(endpoints);
        Ok(Settings { warnings, ..settings })
    }

    fn check_each(&self) -> Result<(), ConfigError> {
        for (name, value) in self.iter() {
            let Some(key) = find(name) else { continue };
            accept(key, value)?;
            let default = key.default.unwrap_or_default();
            if matches!(key.effect, Effect::NotBuilt(_)) && !key.kind.same(value, default) {
                let value = show(key, value).to_owned();
                // Only of these does the default work; a default mechanism of what is not built is no advice.
                let works =
                    matches!(key.name, "client.dns.lookup" | "compression.type" | "security.protocol");
                let only = if works { default } else { "" };
                return Err(ConfigError::NotBuilt { key: key.name, value, only });
            }
        }
        Ok(())
    }

    fn foreign_warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .foreign
            .iter()
            .map(|name| format!("{name} is not a property of a producer and has no effect"))
            .collect();
        let ignored = self.iter().filter_map(|(name, _)| match find(name)?.effect {
            Effect::Ignored(why) => Some(format!("{name} has no effect: {why}")),
            _ => None,
        });
        warnings.extend(ignored);
        warnings
    }
}

impl Settings {
    /// The same with a `client.id` in any case: `producer-N`, counted within the process, if none was set.
    #[must_use]
    pub fn named(mut self) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        self.client_id.get_or_insert_with(|| format!("producer-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        self
    }

    /// The bootstrap servers as the core takes them.
    pub fn endpoints(&self) -> Vec<Endpoint<'_>> {
        self.bootstrap.iter().map(|server| Endpoint { host: &server.host, port: server.port }).collect()
    }

    /// The core's settings, over [`endpoints`](Self::endpoints). They pass the core's own check.
    pub fn core<'a>(&'a self, endpoints: &'a [Endpoint<'a>]) -> Core<'a> {
        let core: Core<'a> = self.core;
        core.bootstrap(endpoints).client_id(self.client_id.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;
    use kurier_core::config::{Acks, MetadataRecovery};

    fn config(pairs: &[(&str, &str)]) -> Config {
        let mut config = Config::new().bootstrap("a:1");
        config.set_all(pairs.iter().copied()).expect("pairs");
        config
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        config(pairs).check().expect_err("to be refused").to_string()
    }

    #[test]
    fn nothing_set_is_kafkas_producer() {
        let settings = config(&[]).check().expect("defaults");
        assert_eq!(settings.warnings, [""; 0]);
        assert_eq!((settings.buffer_memory, settings.max_block.as_secs()), (32 << 20, 60));
        assert_eq!(
            (settings.send_buffer_bytes, settings.receive_buffer_bytes),
            (Some(131_072), Some(32_768))
        );
        let endpoints = settings.endpoints();
        assert_eq!(endpoints, [Endpoint { host: "a", port: 1 }]);
        let core = settings.core(&endpoints);
        // All of the core's own defaults, whose values are the same table's.
        assert_eq!(core, Core::new(&endpoints).client_id("").seed(core.check().expect("core").seed()));
    }

    #[test]
    fn typed_setters_and_names_give_the_same() {
        let typed = Config::new()
            .bootstrap("a:1")
            .acks(Acks::Leader)
            .linger_ms(7)
            .enable_idempotence(false)
            .metadata_recovery(MetadataRecovery::None)
            .connections_max_idle_ms(-1);
        let named = config(&[
            ("acks", "1"),
            ("linger.ms", "7"),
            ("enable.idempotence", "false"),
            ("metadata.recovery.strategy", "none"),
            ("connections.max.idle.ms", "-1"),
        ]);
        assert_eq!(typed, named);
        let settings = named.check().expect("settings");
        let endpoints = settings.endpoints();
        let core = settings.core(&endpoints);
        let core = core.check().expect("core");
        assert_eq!((core.acks(), core.linger_ms(), core.idempotence()), (Acks::Leader, 7, false));
        assert_eq!(
            (core.metadata_recovery(), core.connections_max_idle_ms()),
            (MetadataRecovery::None, None)
        );
    }

    #[test]
    fn bad_input_conflicting_properties_name_both_and_the_way_out() {
        let error = refused(&[("acks", "1"), ("enable.idempotence", "true")]);
        assert_eq!(error, "acks=1 is in conflict with enable.idempotence=true: acks must be all");
        let error = refused(&[("retries", "0"), ("enable.idempotence", "true")]);
        assert!(error.starts_with("retries=0 is in conflict with enable.idempotence=true"), "{error}");
        let key = "max.in.flight.requests.per.connection";
        let error = refused(&[(key, "6")]);
        assert!(
            error.contains(&format!("{key}=6 is in conflict with enable.idempotence=true (the default)")),
            "{error}"
        );
        let error = refused(&[("delivery.timeout.ms", "1000"), ("linger.ms", "10")]);
        assert!(error.contains("delivery.timeout.ms=1000"), "{error}");
        assert!(error.contains("linger.ms=10 and request.timeout.ms=30000"), "{error}");
    }

    #[test]
    fn bad_input_features_not_built_yet_parse_and_are_refused_unless_default() {
        for (name, value) in [
            ("compression.type", "zstd"),
            ("security.protocol", "SSL"),
            ("transactional.id", "t"),
            ("ssl.truststore.location", "ca.pem"),
            ("sasl.mechanism", "PLAIN"),
        ] {
            let error = refused(&[(name, value)]);
            assert!(error.contains(&format!("{name}={value}: not built yet")), "{error}");
        }
        let defaults =
            [("compression.type", "none"), ("security.protocol", "plaintext"), ("ssl.key.password", "")];
        config(&defaults).check().expect("defaults of features not built");
        // A later default lifts an earlier choice.
        config(&[("security.protocol", "SSL"), ("security.protocol", "PLAINTEXT")])
            .check()
            .expect("overridden");
    }

    #[test]
    fn bad_input_typed_values_out_of_range_and_no_servers_are_found_by_check() {
        let error = Config::new().check().expect_err("no servers").to_string();
        assert!(error.contains("bootstrap.servers is not set"), "{error}");
        let base = Config::new().bootstrap("a:1");
        for (config, key) in [
            (base.clone().batch_size(1 << 31), "batch.size=2147483648"),
            (base.clone().max_in_flight(0), "max.in.flight.requests.per.connection=0"),
            (base.clone().metadata_max_idle_ms(1), "metadata.max.idle.ms=1"),
            (base.clone().linger_ms(u64::MAX), "linger.ms=18446744073709551615"),
            (base.bootstrap("a"), "bootstrap.servers=a"),
        ] {
            let error = config.check().expect_err(key).to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }

    #[test]
    fn warnings_name_what_has_no_effect_and_what_was_changed() {
        let settings = config(&[
            ("group.id", "g"),
            ("key.serializer", "org.example.Serializer"),
            ("acks", "1"),
            ("linger.ms", "100000"),
            ("reconnect.backoff.ms", "20"),
            ("retry.backoff.ms", "5000"),
            ("bootstrap.servers", "a:1,a:1"),
        ])
        .check()
        .expect("settings");
        let all = settings.warnings.join("\n");
        for part in [
            "group.id",
            "key.serializer",
            "enable.idempotence is turned off",
            "delivery.timeout.ms is raised to 130000",
            "reconnect.backoff.ms is set without",
            "retry.backoff.ms is above",
            "a:1 more than once",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
        assert_eq!(settings.warnings.len(), 7);
    }

    #[test]
    fn what_is_not_built_is_refused_without_advice_that_does_not_work() {
        let refused = |name, value| config(&[(name, value)]).check().expect_err(name).to_string();
        assert_eq!(refused("sasl.mechanism", "PLAIN"), "sasl.mechanism=PLAIN: not built yet; leave it out");
        assert_eq!(refused("compression.type", "lz4"), "compression.type=lz4: not built yet; only none is");
    }

    #[test]
    fn keys_of_consumers_and_admins_are_warned_of() {
        let names = [
            "share.acquire.mode",
            "internal.throw.on.fetch.stable.offset.unsupported",
            "internal.leave.group.on.close",
            "bootstrap.controllers",
        ];
        let settings = config(&names.map(|name| (name, "x"))).check().expect("settings");
        for name in names {
            assert!(settings.warnings.iter().any(|warning| warning.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn java_longs_are_taken_and_saturate() {
        let pairs = [("linger.ms", "9223372036854775807"), ("max.block.ms", "9223372036854775807")];
        let settings = config(&pairs).check().expect("long");
        let endpoints = settings.endpoints();
        let core = settings.core(&endpoints);
        assert_eq!(core.check().expect("core").linger_ms(), kurier_core::config::MAX_MS);
        assert_eq!(settings.max_block, Duration::from_millis(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn producers_without_a_client_id_are_counted_and_an_empty_one_is_kept() {
        let number = |settings: Settings| -> u32 {
            let name = settings.named().client_id.expect("a name");
            name.strip_prefix("producer-").expect(&name).parse().expect(&name)
        };
        let settings = config(&[]).check().expect("settings");
        assert!(number(settings.clone()) < number(settings));
        let empty = config(&[("client.id", "")]).check().expect("settings").named();
        assert_eq!(empty.client_id.as_deref(), Some(""));
    }

    #[test]
    fn every_key_has_a_default_of_its_own_kind_and_one_place_in_the_table() {
        let mut names = std::collections::BTreeSet::new();
        for key in keys::keys() {
            assert!(names.insert(key.name), "{} twice", key.name);
            assert!(key.default.is_none_or(|default| key.kind.accepts(default)), "{}", key.name);
        }
        for other in keys::FOREIGN {
            assert!(names.insert(other), "{other} twice");
        }
        for (other, kafka) in keys::OTHER_NAMES {
            assert!(names.insert(other) && find(kafka).is_some(), "{other} -> {kafka}");
        }
    }
}
