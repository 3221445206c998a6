//! What can go wrong, named by who is at fault: the settings ([`ConfigError`]), the caller or a lack of
//! room ([`SendError`], [`TopicError`]), and the cluster or the way to it ([`DeliveryError`] inside an
//! [`Outcome`]). Nothing here knows the wire; a broker's error is its number.
use core::fmt;

/// Settings that cannot be used. Names the key as Kafka does, and what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// `bootstrap.servers` is empty.
    NoBootstrap,
    /// An entry of `bootstrap.servers`, counted from 0, has an empty or overlong host, or port 0.
    BadEndpoint {
        /// The entry, from 0.
        entry: u16,
    },
    /// A value outside its range.
    OutOfRange {
        /// Kafka's name of the setting.
        key: &'static str,
        /// What was given.
        value: u32,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two settings that exclude each other.
    Conflict {
        /// The setting to change, by Kafka's name.
        key: &'static str,
        /// What it is in conflict with.
        with: &'static str,
        /// What `key` may be beside it.
        allowed: &'static str,
    },
    /// The memory that was handed in is too small to hold one record.
    Storage {
        /// Bytes of a batch buffer.
        batch_bytes: u32,
        /// The least that is of use.
        least: u32,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBootstrap => f.write_str("bootstrap.servers is empty; it needs at least one host:port"),
            Self::BadEndpoint { entry } => {
                write!(
                    f,
                    "bootstrap.servers entry {entry}: needs a host of 1 to 255 bytes and a port from 1 to 65535"
                )
            }
            Self::OutOfRange { key, value, allowed } => write!(f, "{key}={value}: allowed is {allowed}"),
            Self::Conflict { key, with, allowed } => write!(f, "{key} must be {allowed}, because of {with}"),
            Self::Storage { batch_bytes, least } => {
                write!(f, "batch buffers of {batch_bytes} bytes are too small; at least {least} are needed")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

/// Why a topic cannot be used. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// The name is empty, or `.` or `..`.
    Empty,
    /// The name is longer than Kafka's 249 bytes.
    TooLong,
    /// The name has a character other than ASCII letters, digits, `.`, `_` and `-`.
    IllegalCharacter,
    /// Every topic slot of the storage is taken.
    Full,
    /// The storage has no room left for a name of this length.
    NoRoom,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic's name must not be empty, `.` or `..`",
            Self::TooLong => "a topic's name has at most 249 bytes",
            Self::IllegalCharacter => "a topic's name has only ASCII letters, digits, `.`, `_` and `-`",
            Self::Full => "no topic slot is free; use fewer topics or a storage with more TOPICS",
            Self::NoRoom => "no room for the topic's name; use a storage with more NAME_BYTES",
        })
    }
}

impl core::error::Error for TopicError {}

/// The longest name Kafka gives a topic, in bytes.
pub const MAX_TOPIC_NAME: usize = 249;

/// Whether Kafka would accept `name` for a topic, so that a bad one is refused before anything is sent.
///
/// # Errors
/// `Empty`, `TooLong` or `IllegalCharacter`.
pub fn check_topic_name(name: &str) -> Result<(), TopicError> {
    if matches!(name.as_bytes(), [] | [b'.'] | [b'.', b'.']) {
        Err(TopicError::Empty)
    } else if name.len() > MAX_TOPIC_NAME {
        Err(TopicError::TooLong)
    } else if name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        Ok(())
    } else {
        Err(TopicError::IllegalCharacter)
    }
}

/// Why a record was not accepted. It was not sent and has no delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// No batch buffer or partition slot is free. Poll, take deliveries, and send again.
    Full,
    /// The topic's partitions are not known yet. Poll until metadata has come, and send again.
    NotReady,
    /// The record is larger than `max.request.size`, or than a batch buffer of a fixed storage.
    RecordTooLarge {
        /// Bytes the record needs in a batch of its own.
        size: u32,
        /// Bytes there are.
        max: u32,
    },
    /// A negative partition, or one the topic does not have.
    InvalidPartition {
        /// What was asked for.
        partition: i32,
        /// How many the topic has; 0 if not known.
        count: u32,
    },
    /// A negative timestamp other than "none".
    InvalidTimestamp,
    /// The topic handle does not belong to this producer.
    UnknownTopic,
    /// The cluster refuses the topic for good (invalid name, not authorized): the broker's error code.
    TopicRefused(i16),
    /// The producer is closed or closing.
    Closed,
    /// The producer cannot go on: the broker's error code. Close it and make another.
    Fatal(i16),
}

impl SendError {
    /// Whether the same call may succeed later, after polling.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Full | Self::NotReady)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Full => f.write_str("the producer's memory is full; wait for deliveries and send again"),
            Self::NotReady => {
                f.write_str("the topic's partitions are not known yet; send again after metadata has come")
            }
            Self::RecordTooLarge { size, max } => write!(
                f,
                "the record needs {size} bytes, at most {max} are allowed (max.request.size, or the storage's batch size)"
            ),
            Self::InvalidPartition { partition, count: 0 } => {
                write!(f, "partition {partition} is not valid; it must not be negative")
            }
            Self::InvalidPartition { partition, count } => {
                write!(f, "partition {partition} does not exist; the topic has {count} (from 0)")
            }
            Self::InvalidTimestamp => f.write_str("a record's timestamp must not be negative"),
            Self::UnknownTopic => f.write_str("the topic handle is not of this producer"),
            Self::TopicRefused(code) => write!(f, "the cluster refuses the topic with error {code}"),
            Self::Closed => f.write_str("the producer is closed"),
            Self::Fatal(code) => {
                write!(f, "the producer has failed for good with error {code}; close it and make another")
            }
        }
    }
}

impl core::error::Error for SendError {}

/// Why a record that was accepted is not known to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The broker refused it for good, or refused every attempt: Kafka's error code.
    Broker(i16),
    /// Another record of the same batch was refused, and the whole batch with it (KIP-467).
    BatchRejected,
    /// `delivery.timeout.ms` passed, whatever stood in the way.
    TimedOut,
    /// The link was lost with the request unanswered, and no retry was left.
    Disconnected,
    /// `request.timeout.ms` passed without an answer, and no retry was left.
    RequestTimedOut,
    /// The broker speaks no version of a request that this producer does; it is too old or too new.
    UnsupportedVersion,
    /// The broker's answer could not be read.
    MalformedAnswer,
    /// The producer was closed before it was sent, and its time to close ran out.
    Closed,
    /// The producer was aborted.
    Aborted,
    /// It was dropped before it was sent, to make room for newer ones of its topic.
    Displaced,
    /// The topic is refused by the cluster: Kafka's error code in metadata.
    Topic(i16),
    /// The producer failed for good: Kafka's error code.
    Fatal(i16),
}

impl DeliveryError {
    /// Kafka's error code, where a broker gave one.
    pub const fn code(self) -> Option<i16> {
        match self {
            Self::Broker(code) | Self::Topic(code) | Self::Fatal(code) => Some(code),
            _ => None,
        }
    }

    /// A name for reports, in the style of Kafka's. For errors with a [`code`](Self::code), Kafka's own
    /// name says more.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker(_) => "BROKER_ERROR",
            Self::BatchRejected => "BATCH_REJECTED",
            Self::TimedOut => "DELIVERY_TIMED_OUT",
            Self::Disconnected => "DISCONNECTED",
            Self::RequestTimedOut => "NO_ANSWER",
            Self::UnsupportedVersion => "UNSUPPORTED_VERSION",
            Self::MalformedAnswer => "MALFORMED_ANSWER",
            Self::Closed => "PRODUCER_CLOSED",
            Self::Aborted => "PRODUCER_ABORTED",
            Self::Displaced => "DISPLACED",
            Self::Topic(_) => "TOPIC_REFUSED",
            Self::Fatal(_) => "PRODUCER_FAILED",
        }
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Broker(code) => write!(f, "the broker refused the record with error {code}"),
            Self::BatchRejected => {
                f.write_str("part of a batch that was refused for another record; send it again")
            }
            Self::TimedOut => f.write_str("delivery.timeout.ms passed before the record was acknowledged"),
            Self::Disconnected => {
                f.write_str("the connection was lost before the answer, and no retry was left")
            }
            Self::RequestTimedOut => {
                f.write_str("the broker did not answer within request.timeout.ms, and no retry was left")
            }
            Self::UnsupportedVersion => f.write_str(
                "the broker speaks no version of the request that this producer does (Kafka 0.11 or newer)",
            ),
            Self::MalformedAnswer => f.write_str("the broker's answer could not be read"),
            Self::Closed => f.write_str("the producer was closed before the record could be sent"),
            Self::Aborted => f.write_str("the producer was aborted"),
            Self::Displaced => f.write_str("dropped, never sent, to make room for newer records"),
            Self::Topic(code) => write!(f, "the cluster refuses the topic with error {code}"),
            Self::Fatal(code) => write!(f, "the producer failed for good with error {code}"),
        }
    }
}

impl core::error::Error for DeliveryError {}

/// Whether a failed record may be in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Fate {
    /// It is not in the log: sending it again cannot double it.
    #[default]
    NotWritten,
    /// It was on its way and nobody knows: sending it again may double it.
    MaybeWritten,
    /// It is in the log, though it is reported as failed.
    Written,
}

impl Fate {
    /// As in reports: `not-written`, `maybe-written`, `written`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotWritten => "not-written",
            Self::MaybeWritten => "maybe-written",
            Self::Written => "written",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a record ended. Each record that was accepted has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged (with `acks=0`: written to the link completely).
    Written,
    /// Not acknowledged.
    Failed {
        /// Why.
        error: DeliveryError,
        /// Whether it may be in the log all the same.
        written: Fate,
    },
}

impl Outcome {
    /// Whether the record was written.
    pub const fn is_written(self) -> bool {
        matches!(self, Self::Written)
    }

    /// Where the record is, by what is known.
    pub const fn fate(self) -> Fate {
        match self {
            Self::Written => Fate::Written,
            Self::Failed { written, .. } => written,
        }
    }

    /// Why it failed, if it did.
    pub const fn error(self) -> Option<DeliveryError> {
        match self {
            Self::Written => None,
            Self::Failed { error, .. } => Some(error),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Written => f.write_str("written"),
            Self::Failed { error, written } => write!(f, "{written}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn topic_names_are_those_that_kafka_accepts() {
        for good in ["a", "...", "Orders_1.eu-west", "x".repeat(249).as_str()] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_topic_name(""), Err(TopicError::Empty));
        assert_eq!(check_topic_name("."), Err(TopicError::Empty));
        assert_eq!(check_topic_name(".."), Err(TopicError::Empty));
        assert_eq!(check_topic_name(&"x".repeat(250)), Err(TopicError::TooLong));
        for bad in ["a b", "ä", "a/b", "a\n", "a:b"] {
            assert_eq!(check_topic_name(bad), Err(TopicError::IllegalCharacter), "{bad}");
        }
    }

    #[test]
    fn a_failure_says_whether_the_record_may_be_in_the_log() {
        let lost = Outcome::Failed { error: DeliveryError::Disconnected, written: Fate::MaybeWritten };
        assert_eq!(lost.fate(), Fate::MaybeWritten);
        assert!(lost.to_string().starts_with("maybe-written: "));
        assert!(!lost.is_written());
        assert_eq!(Outcome::Written.fate().as_str(), "written");
        assert_eq!(DeliveryError::Broker(10).code(), Some(10));
        assert_eq!(DeliveryError::TimedOut.code(), None);
    }

    #[test]
    fn errors_are_small_and_name_what_to_change() {
        assert!(size_of::<Outcome>() <= 8);
        assert!(size_of::<SendError>() <= 12);
        let error = SendError::RecordTooLarge { size: 20, max: 10 };
        assert!(format!("{error}").contains("max.request.size"));
        let error = ConfigError::OutOfRange { key: "batch.size", value: 7, allowed: "0 to 6" };
        assert_eq!(format!("{error}"), "batch.size=7: allowed is 0 to 6");
    }
}
