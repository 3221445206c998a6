//! Why a connection ends.
use std::fmt;

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
