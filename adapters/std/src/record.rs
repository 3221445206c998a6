//! What becomes of a record: where it was written, or why it was not.
use kurier_core::error::{DeliveryError, Fate, SendError, TopicError};
use kurier_core::time::Timestamp;
use kurier_core::wire::ErrorCode;
use std::fmt;
use std::sync::Arc;

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition, from 0.
    pub partition: i32,
    /// The record's offset in its partition; `None` where the broker does not tell it (`acks=0`, or an answer
    /// that the batch had been written before).
    pub offset: Option<i64>,
    /// The record's timestamp in the log, Unix ms: the broker's with `LogAppendTime`, else the record's own.
    pub timestamp: Timestamp,
    /// Bytes of the key; `None` for null.
    pub key_size: Option<u32>,
    /// Bytes of the value; `None` for null.
    pub value_size: Option<u32>,
}

/// Why a record is not known to be written, and whether it may be all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    topic: Arc<str>,
    partition: Option<i32>,
    cause: Cause,
    written: Fate,
    /// What the broker said, or what stands between us and it.
    detail: Option<Arc<str>>,
}

/// What stood in the way of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It was accepted, and its batch ended so.
    Delivery(DeliveryError),
    /// It is larger than `max.request.size` or than all of `buffer.memory`.
    TooLarge {
        /// Bytes the record needs in a batch of its own.
        size: u32,
        /// Bytes there are.
        max: u32,
    },
    /// The topic's name is not one that Kafka accepts.
    TopicName(TopicError),
    /// The cluster refuses the topic: Kafka's error code.
    TopicRefused(i16),
    /// The topic did not appear in the cluster's metadata in time.
    NoMetadata {
        /// How long the call waited, ms: `max.block.ms`, or 0 where it may not wait.
        waited_ms: u32,
    },
    /// The topic has fewer partitions than the record asks for, and did not get more in time.
    NoPartition {
        /// The partition that the record asks for.
        partition: i32,
        /// How many the topic has: they are from 0 to one less.
        partitions: u32,
        /// How long the call waited, ms: `max.block.ms`.
        waited_ms: u32,
    },
    /// No memory became free in time.
    NoMemory {
        /// How long the call waited, ms: `max.block.ms`, or 0 where it may not wait.
        waited_ms: u32,
    },
    /// The call was refused: the producer is closed, or has failed.
    Refused(SendError),
}

impl RecordError {
    pub(crate) const fn refused(topic: Arc<str>, cause: Cause) -> Self {
        Self { topic, partition: None, cause, written: Fate::NotWritten, detail: None }
    }

    pub(crate) const fn delivery(
        topic: Arc<str>,
        partition: i32,
        error: DeliveryError,
        written: Fate,
    ) -> Self {
        let partition = if partition < 0 { None } else { Some(partition) };
        Self { topic, partition, cause: Cause::Delivery(error), written, detail: None }
    }

    /// The same with what else is known about it.
    pub(crate) fn with_detail(self, detail: Option<Arc<str>>) -> Self {
        Self { detail, ..self }
    }

    /// The topic the record was for.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition that its batch was for; `None` if it was never put into a batch.
    pub const fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// What stood in the way.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether the record may be in the log: after `NotWritten` it can be sent again without doubling it.
    pub const fn written(&self) -> Fate {
        self.written
    }

    /// What else is known: the broker's own words, or what is wrong with the way to it.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// A name for reports: Kafka's where a broker gave an error code, else one in the same style.
    pub fn name(&self) -> &'static str {
        if let Some(code) = self.code() {
            return ErrorCode(code).name();
        }
        match self.cause {
            Cause::Delivery(error) => error.name(),
            Cause::TooLarge { .. } => "RECORD_TOO_LARGE",
            Cause::TopicName(_) => "INVALID_TOPIC_NAME",
            Cause::TopicRefused(_) => "TOPIC_REFUSED",
            Cause::NoMetadata { .. } | Cause::NoPartition { .. } => "METADATA_TIMED_OUT",
            Cause::NoMemory { .. } => "BUFFER_EXHAUSTED",
            Cause::Refused(_) => "PRODUCER_CLOSED",
        }
    }

    /// Kafka's error code, where a broker gave one.
    pub const fn code(&self) -> Option<i16> {
        match self.cause {
            Cause::Delivery(error) => error.code(),
            Cause::TopicRefused(code) => Some(code),
            _ => None,
        }
    }
}

/// What [`ErrorCode::name`] says of a code that it does not know.
const UNKNOWN: &str = "UNKNOWN_CODE";

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}: {}: ", self.topic, self.written)?;
        match self.cause {
            Cause::Delivery(DeliveryError::Broker(code)) if ErrorCode(code).name() == UNKNOWN => {
                let may = if self.written == Fate::MaybeWritten {
                    "; the record may have been written"
                } else {
                    ""
                };
                write!(f, "the broker answered with error {code}, which is unknown to this version{may}")?;
            }
            Cause::Delivery(error @ DeliveryError::Broker(code))
                if ErrorCode(code) == ErrorCode::MESSAGE_TOO_LARGE =>
            {
                write!(f, "{error}: raise the topic's max.message.bytes, or send smaller records")?;
            }
            Cause::Delivery(error) => error.fmt(f)?,
            Cause::TooLarge { size, max } => write!(
                f,
                "the record needs {size} bytes, at most {max} are allowed (max.request.size, buffer.memory)"
            )?,
            Cause::TopicName(error) => error.fmt(f)?,
            Cause::TopicRefused(code) => write!(f, "the cluster refuses the topic with error {code}")?,
            Cause::NoMetadata { waited_ms } => write!(
                f,
                "not in the cluster's metadata after {waited_ms} ms (max.block.ms): is a broker reachable, does the topic exist?"
            )?,
            Cause::NoPartition { partition, partitions, waited_ms } => write!(
                f,
                "there is no partition {partition}: the topic has {partitions}, counted from 0, also after {waited_ms} ms (max.block.ms)"
            )?,
            Cause::NoMemory { waited_ms } => {
                write!(f, "no memory became free within {waited_ms} ms (max.block.ms, buffer.memory)")?;
            }
            Cause::Refused(error) => error.fmt(f)?,
        }
        if let Some(code) = self.code().filter(|code| ErrorCode(*code).name() != UNKNOWN) {
            write!(f, " ({})", ErrorCode(code).name())?;
        }
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl std::error::Error for RecordError {}

/// What a record's future remembers of it: what the batch does not tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) timestamp: Timestamp,
    /// -1 for null, as Kafka says it.
    pub(crate) key_size: i32,
    pub(crate) value_size: i32,
}

impl Facts {
    pub(crate) fn of(record: &kurier_core::record::Record<'_>, timestamp: Timestamp) -> Self {
        // Longer ones than `max.request.size`, which is an i32, are refused.
        let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |b| i32::try_from(b.len()).unwrap_or(i32::MAX));
        Self { timestamp, key_size: size(record.key), value_size: size(record.value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_topic_the_reason_and_whether_it_may_be_in_the_log() {
        let error = RecordError::delivery("orders".into(), 3, DeliveryError::Broker(6), Fate::MaybeWritten);
        let text = error.to_string();
        assert!(
            text.contains("orders") && text.contains("maybe-written") && text.contains("error 6"),
            "{text}"
        );
        assert_eq!((error.code(), error.name()), (Some(6), "NOT_LEADER_OR_FOLLOWER"));
        let error = error.with_detail(Some("moved".into()));
        assert!(error.to_string().ends_with("(NOT_LEADER_OR_FOLLOWER): moved"));
        let error = RecordError::refused("o".into(), Cause::NoMetadata { waited_ms: 60_000 });
        assert!(error.to_string().contains("60000 ms"));
        assert_eq!((error.name(), error.written()), ("METADATA_TIMED_OUT", Fate::NotWritten));
        let cause = Cause::NoPartition { partition: 99, partitions: 3, waited_ms: 7 };
        let error = RecordError::refused("o".into(), cause).to_string();
        assert!(error.contains("no partition 99: the topic has 3"), "{error}");
        let large =
            RecordError::delivery("o".into(), 3, DeliveryError::Broker(10), Fate::NotWritten).to_string();
        assert!(large.contains("max.message.bytes") && large.ends_with("(MESSAGE_TOO_LARGE)"), "{large}");
        let strange =
            RecordError::delivery("o".into(), 3, DeliveryError::Broker(777), Fate::MaybeWritten).to_string();
        assert!(
            strange.contains("error 777, which is unknown to this version; the record may have"),
            "{strange}"
        );
        assert!(!strange.contains("refused"), "{strange}");
    }
}
