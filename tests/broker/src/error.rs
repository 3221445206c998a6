//! Kafka's error codes, as far as this model answers with them or tests inject them.
//!
//! Source: `org.apache.kafka.common.protocol.Errors` of Kafka 4.3.
use std::fmt;

/// A Kafka error code as it stands on the wire; any `i16` is allowed, so that a test may answer with one that
/// no client knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $doc] pub const $name: Self = Self($code);)*

            /// Kafka's name of the code, if this model knows it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    UNKNOWN_SERVER_ERROR = -1, "The broker failed in a way it has no name for.";
    NONE = 0, "Success.";
    OFFSET_OUT_OF_RANGE = 1, "A fetch from outside the log.";
    CORRUPT_MESSAGE = 2, "A batch whose CRC, size or magic is wrong.";
    UNKNOWN_TOPIC_OR_PARTITION = 3, "No such topic or partition on this broker.";
    LEADER_NOT_AVAILABLE = 5, "The partition has no leader.";
    NOT_LEADER_OR_FOLLOWER = 6, "Another broker leads the partition.";
    REQUEST_TIMED_OUT = 7, "The replicas did not acknowledge in the time of the request.";
    MESSAGE_TOO_LARGE = 10, "A batch above `max.message.bytes`.";
    NETWORK_EXCEPTION = 13, "Told by a broker that lost another one.";
    COORDINATOR_LOAD_IN_PROGRESS = 14, "The coordinator is not ready yet.";
    COORDINATOR_NOT_AVAILABLE = 15, "There is no coordinator.";
    NOT_COORDINATOR = 16, "Another broker coordinates.";
    INVALID_TOPIC_EXCEPTION = 17, "A topic name that is not allowed.";
    NOT_ENOUGH_REPLICAS = 19, "Fewer in-sync replicas than `min.insync.replicas`; nothing was appended.";
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, "The same, after the append.";
    INVALID_REQUIRED_ACKS = 21, "`acks` is none of -1, 0, 1.";
    TOPIC_AUTHORIZATION_FAILED = 29, "The topic may not be written.";
    CLUSTER_AUTHORIZATION_FAILED = 31, "The cluster may not be used.";
    INVALID_TIMESTAMP = 32, "A record's timestamp is out of range or of the wrong type.";
    UNSUPPORTED_VERSION = 35, "The request's version is not supported.";
    INVALID_REQUEST = 42, "A request that contradicts itself.";
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "A batch does not follow the producer's last one.";
    DUPLICATE_SEQUENCE_NUMBER = 46, "A batch that was written before (brokers before 1.1; not by this model itself).";
    INVALID_PRODUCER_EPOCH = 47, "A batch or request of an old epoch.";
    INVALID_TXN_STATE = 48, "A transactional batch outside of a transaction.";
    INVALID_TRANSACTION_TIMEOUT = 50, "A transaction timeout above the broker's limit.";
    CONCURRENT_TRANSACTIONS = 51, "The previous transaction is still being completed.";
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "The transactional id may not be used.";
    KAFKA_STORAGE_ERROR = 56, "The broker's disk failed.";
    UNKNOWN_PRODUCER_ID = 59, "The broker forgot the producer (brokers before 2.5; not by this model itself).";
    FETCH_SESSION_ID_NOT_FOUND = 70, "This broker keeps no fetch sessions.";
    FENCED_LEADER_EPOCH = 74, "The client's leader epoch is old.";
    UNKNOWN_LEADER_EPOCH = 75, "The client's leader epoch is newer than the broker's.";
    UNSUPPORTED_COMPRESSION_TYPE = 76, "zstd before Produce 7.";
    INVALID_RECORD = 87, "A record or batch that is not allowed.";
    PRODUCER_FENCED = 90, "A newer producer has the same transactional id.";
    UNKNOWN_TOPIC_ID = 100, "No topic has this id.";
    INCONSISTENT_TOPIC_ID = 103, "The id and the name are of different topics.";
    TRANSACTION_ABORTABLE = 120, "The transaction must be aborted.";
    REBOOTSTRAP_REQUIRED = 129, "The client must begin again with its bootstrap addresses.";
}

impl ErrorCode {
    /// Whether this is success.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}({})", self.0),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why the broker closes a connection. Answers written before the closing are still to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// The connection is unknown, or was closed before.
    Gone,
    /// A frame below zero bytes or above `socket.request.max.bytes`.
    InvalidSize(i32),
    /// The request cannot be read: an unknown API key, or a version that is not spoken.
    UnsupportedRequest {
        /// The API key.
        api: i16,
        /// The version.
        version: i16,
    },
    /// The request's header or body cannot be parsed.
    Malformed,
    /// A Produce request with `acks` 0 had an error: closing is all a broker can say.
    AcksZero,
    /// A fault was injected.
    Fault,
    /// The broker went down.
    BrokerDown,
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the connection was closed before"),
            Self::InvalidSize(size) => write!(f, "a frame of {size} bytes is not allowed"),
            Self::UnsupportedRequest { api, version } => {
                write!(f, "API {api} version {version} is not spoken here")
            }
            Self::Malformed => f.write_str("the request cannot be parsed"),
            Self::AcksZero => f.write_str("a Produce request with acks=0 failed"),
            Self::Fault => f.write_str("closed by an injected fault"),
            Self::BrokerDown => f.write_str("the broker went down"),
        }
    }
}

impl std::error::Error for Close {}
