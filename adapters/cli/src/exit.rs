//! How a run of the command ends: its exit status, and the error that is told before it.
use std::fmt;
use std::process::ExitCode;

/// The exit status, as documented for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// 0: every record was written; or a bridge has ended in good order when who manages services told it to.
    Written,
    /// 1: some record has another outcome, or the cluster could not be reached.
    Failed,
    /// 2: wrong usage or configuration; nothing was sent.
    Usage,
    /// 130: after an interrupt, also a clean one; and after a bridge that a second signal ended at once.
    Interrupted,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Written => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::Interrupted => 130,
        })
    }
}

/// An error that ends the run: what happened, to what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// The exit status it leads to.
    pub status: Status,
    /// One line, without a name in front and a full stop behind.
    pub message: String,
}

impl Error {
    /// Wrong usage or configuration; nothing was sent.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { status: Status::Usage, message: message.to_string() }
    }

    /// Anything that goes wrong later.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { status: Status::Failed, message: message.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
