//! What can go wrong with a producer as a whole; for what goes wrong with a record see `record.rs`.
use crate::config::ConfigError;
use std::fmt;
use std::io;

/// Why a producer could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The configuration cannot be used.
    Config(ConfigError),
    /// The system refuses a thread, or what it takes to wait for sockets.
    Io(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Io(error) => write!(f, "cannot start the producer's I/O thread: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<ConfigError> for ConnectError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why `flush` or `close` did not do all it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// A callback may not flush: it would wait for itself.
    InCallback,
    /// The timeout passed; so many records failed because of it. Each has been told.
    TimedOut {
        /// Records that were not delivered.
        records: u64,
    },
    /// The timeout passed while the I/O thread was busy, with a callback that does not return.
    Stuck,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InCallback => f.write_str("a callback must not flush: it would wait for itself"),
            Self::TimedOut { records } => {
                write!(f, "{records} records were not delivered before the timeout")
            }
            Self::Stuck => f.write_str("the I/O thread did not end in time; does a callback block?"),
        }
    }
}

impl std::error::Error for CloseError {}
