//! The configuration of a producer, by Kafka's property names or by typed setters; both give the same.
//!
//! A [`Config`] holds properties as text, whichever way they came, so that there is one meaning of each.
//! [`Config::set`] refuses unknown names and bad values at once; [`Config::check`] reads all of it, finds
//! the conflicts, and gives [`Settings`], what the producer runs on. What deserves a word but no
//! refusal is in [`Settings::warnings`].
use std::collections::BTreeMap;
use std::fmt;

mod build;
mod error;
mod keys;
mod nearest;
mod properties;
mod security;
mod servers;
mod settings;
mod translate;

pub use error::ConfigError;
pub use keys::{Effect, Key, Kind, find, keys};
pub use servers::{Server, ServerError};
pub use settings::Settings;

/// The properties of a producer. Starts empty: everything has Kafka's default but `bootstrap.servers`.
///
/// ```
/// use kurier::config::Config;
///
/// let typed = Config::new().bootstrap("10.0.0.2:9092").linger_ms(20);
/// let mut named = Config::new();
/// named.set("bootstrap.servers", "10.0.0.2:9092")?;
/// named.set("linger.ms", "20")?;
/// assert_eq!(typed, named);
/// assert!(typed.check()?.warnings.is_empty());
/// # Ok::<(), kurier::config::ConfigError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Every value is of its key's kind if it came by name; typed setters are judged by `check`.
    values: BTreeMap<&'static str, String>,
    /// Known names without a meaning here.
    foreign: Vec<&'static str>,
    seed: Option<u64>,
}

impl Config {
    /// No property set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property by Kafka's name. The last value counts. White space around it is removed, except
    /// from texts such as `client.id`.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one; or a value that is not allowed. Features that are not
    /// built yet are refused by [`check`](Self::check).
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(key) = find(name) else {
            let known = keys::FOREIGN.iter().find(|foreign| **foreign == name);
            self.foreign.push(known.ok_or_else(|| unknown(name))?);
            return Ok(());
        };
        let value = tidy(key, value);
        accept(key, value)?;
        self.put(key.name, value);
        Ok(())
    }

    /// Sets every property of the text of a Java `.properties` file.
    ///
    /// # Errors
    /// The first line that cannot be read, or whose property [`set`](Self::set) refuses; those before it are set.
    pub fn set_properties(&mut self, text: &str) -> Result<(), ConfigError> {
        for pair in properties::pairs(text) {
            let (_, name, value) = pair?;
            self.set(&name, &value)?;
        }
        Ok(())
    }

    /// Sets every pair, as [`set`](Self::set) does.
    ///
    /// # Errors
    /// The first that is refused; those before it are set.
    pub fn set_all<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), ConfigError> {
        pairs.into_iter().try_for_each(|(name, value)| self.set(name.as_ref(), value.as_ref()))
    }

    /// The value that was set, if any.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// What was set, in the order of the names. Secrets are among it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn put(&mut self, name: &'static str, value: impl ToString) {
        self.values.insert(name, value.to_string());
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| (name, find(name).map_or(value, |key| show(key, value))));
        f.debug_map().entries(shown).finish()
    }
}

fn unknown(name: &str) -> ConfigError {
    if let Some((key, kafka)) = keys::OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return ConfigError::OtherName { key, kafka };
    }
    let nearest = nearest::nearest(name, keys().map(|key| key.name));
    ConfigError::UnknownKey { key: name.to_owned(), nearest }
}

/// A value as errors show it.
fn show<'v>(key: &Key, value: &'v str) -> &'v str {
    if key.kind == Kind::Secret { "[hidden]" } else { value }
}

fn tidy<'v>(key: &Key, value: &'v str) -> &'v str {
    match key.kind {
        Kind::Text | Kind::NonEmpty | Kind::Secret => value,
        _ => value.trim(),
    }
}

fn accept(key: &'static Key, value: &str) -> Result<(), ConfigError> {
    let bad = |allowed| ConfigError::BadValue { key: key.name, value: show(key, value).to_owned(), allowed };
    if key.name == "bootstrap.servers" {
        return servers::parse(value).map(drop).map_err(bad);
    }
    if key.name == "client.id" && value.len() > 32_767 {
        let shown = value.chars().take(20).collect::<String>() + "...";
        return Err(ConfigError::BadValue {
            key: key.name,
            value: shown,
            allowed: "at most 32767 bytes".to_owned(),
        });
    }
    if key.kind.accepts(value) { Ok(()) } else { Err(bad(key.kind.allowed())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> String {
        let error = Config::new().set(name, value).expect_err(name).to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn bad_input_unknown_property_names_the_nearest_known_one() {
        assert!(refused("lingr.ms", "5").contains("did you mean `linger.ms`"));
        assert!(refused("message.timeout.ms", "5").contains("Kafka's is `delivery.timeout.ms`"));
        assert!(refused("qqqqqqqqq", "5").contains("unknown property `qqqqqqqqq`"));
        assert!(refused("", "5").contains("unknown property"));
    }

    #[test]
    fn bad_input_value_names_key_value_and_what_is_allowed() {
        for (name, value, allowed) in [
            ("linger.ms", "abc", "a whole number from 0"),
            ("linger.ms", "-1", "a whole number from 0"),
            ("linger.ms", "5.0", "a whole number from 0"),
            ("linger.ms", "9223372036854775808", "a whole number from 0"),
            ("batch.size", "2147483648", "2147483647"),
            ("metadata.max.idle.ms", "4999", "5000"),
            ("acks", "2", "all, -1, 0, 1"),
            ("acks", "ALL", "all, -1, 0, 1"),
            ("enable.idempotence", "yes", "true or false"),
            ("compression.type", "brotli", "none, gzip, snappy, lz4, zstd"),
            ("transactional.id", "", "any text but an empty one"),
            ("bootstrap.servers", "nope", "host:port"),
            ("sasl.login.refresh.window.factor", "0.3", "a number from 0.5 to 1"),
        ] {
            let error = refused(name, value);
            assert!(error.starts_with(&format!("{name}={value}: ")), "{error}");
            assert!(error.contains(allowed), "{error}");
        }
    }

    #[test]
    fn words_in_any_case_and_spaces_around_are_taken_where_kafka_takes_them() {
        let mut config = Config::new();
        for (name, value) in [
            ("metadata.recovery.strategy", "NONE"),
            ("enable.idempotence", " TRUE "),
            ("linger.ms", " +5 "),
            ("security.protocol", "plaintext"),
        ] {
            config.set(name, value).expect(name);
        }
        assert_eq!(config.value("linger.ms"), Some("+5"));
        config.set("client.id", " spaced ").expect("client.id");
        assert_eq!(config.value("client.id"), Some(" spaced "));
    }

    #[test]
    fn a_properties_file_and_pairs_set_the_same() {
        let mut file = Config::new();
        file.set_properties("# x\nlinger.ms = 5\nacks: 1\n").expect("file");
        let mut pairs = Config::new();
        pairs.set_all([("linger.ms", "5"), ("acks", "1")]).expect("pairs");
        assert_eq!(file, pairs);
        assert_eq!(file.iter().collect::<Vec<_>>(), [("acks", "1"), ("linger.ms", "5")]);
        assert!(file.set_properties("acks=7\n").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut config = Config::new();
        config.set("sasl.jaas.config", "hunter2").expect("sasl.jaas.config");
        assert!(!format!("{config:?}").contains("hunter2"));
        config.set("bootstrap.servers", "a:1").expect("bootstrap.servers");
        let error = config.check().expect_err("not built");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
