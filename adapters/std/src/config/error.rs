//! Settings that cannot be used: the key, the value, and what is allowed.
use std::fmt;

/// Why a configuration was refused. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No client of Kafka has a property of this name.
    UnknownKey {
        /// What was given.
        key: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A name of librdkafka's for what Kafka calls otherwise. It is refused, since to ignore it
    /// would change what the producer does.
    OtherName {
        /// What was given.
        key: &'static str,
        /// Kafka's name; the unit may differ.
        kafka: &'static str,
    },
    /// A value that is not of the key's type, or outside its range.
    BadValue {
        /// The property.
        key: &'static str,
        /// What was given; not shown for secrets.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A property without a default was not given.
    Missing {
        /// The property.
        key: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two properties that exclude each other.
    Conflict {
        /// The property to change.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it is in conflict with.
        with: String,
        /// What `key` may be beside it.
        allowed: String,
    },
    /// A feature of Kafka's that this version does not have yet.
    NotBuilt {
        /// The property.
        key: &'static str,
        /// What was given; not shown for secrets.
        value: String,
        /// The only value that works for now.
        only: &'static str,
    },
    /// A line of a properties file that cannot be read.
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Any other complaint of the core's.
    Core(kurier_core::error::ConfigError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, nearest: Some(nearest) } => {
                write!(f, "unknown property `{key}`; did you mean `{nearest}`?")
            }
            Self::UnknownKey { key, nearest: None } => {
                write!(f, "unknown property `{key}`; docs/configuration.md lists those of Kafka's producer")
            }
            Self::OtherName { key, kafka } => {
                write!(
                    f,
                    "unknown property `{key}`: that is librdkafka's name; Kafka's is `{kafka}` (mind the unit)"
                )
            }
            Self::BadValue { key, value, allowed } => write!(f, "{key}={value}: allowed is {allowed}"),
            Self::Missing { key, allowed } => write!(f, "{key} is not set: it needs {allowed}"),
            Self::Conflict { key, value, with, allowed } => {
                write!(f, "{key}={value} is in conflict with {with}: {key} must be {allowed}")
            }
            Self::NotBuilt { key, value, only: "" } => {
                write!(f, "{key}={value}: not built yet; leave it out")
            }
            Self::NotBuilt { key, value, only } => write!(f, "{key}={value}: not built yet; only {only} is"),
            Self::Line { line, reason } => write!(f, "properties, line {line}: {reason}"),
            Self::Core(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConfigError {}
