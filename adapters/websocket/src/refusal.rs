//! Why a connection ends, as its client is told.
//!
//! A page cannot read the status of a failed WebSocket handshake, so every refusal comes as a close frame behind a
//! finished handshake: a code of the private range, and a sentence for whoever looks at the page.
use std::borrow::Cow;
use std::fmt;

/// Bytes of a close frame's reason, by RFC 6455.
const MAX_REASON: usize = 123;

/// What is wrong, by who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The client sent what is no request of Kafka's, or not in a version that is let through.
    Malformed,
    /// The token is missing or wrong.
    Unauthorized,
    /// The page's origin, a topic or a kind of request is not allowed.
    Forbidden,
    /// The address is no broker of the cluster.
    UnknownBroker,
    /// Nothing came for too long, or a request came too slowly.
    Timeout,
    /// A request or message is larger than allowed.
    TooLarge,
    /// There are too many connections.
    TooMany,
    /// The broker cannot be reached, or has closed its connection.
    Unreachable,
    /// The broker's answer cannot be read.
    BrokerGarbage,
    /// The bridge is being stopped.
    GoingAway,
}

impl Kind {
    /// Every kind, in the order of the metrics.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownBroker,
        Self::Timeout,
        Self::TooLarge,
        Self::TooMany,
        Self::Unreachable,
        Self::BrokerGarbage,
        Self::GoingAway,
    ];

    /// The code of the close frame. HTTP's number above 4000, but for 1001, which RFC 6455 has for a server that stops.
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Malformed => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::UnknownBroker => 4404,
            Self::Timeout => 4408,
            Self::TooLarge => 4413,
            Self::TooMany => 4429,
            Self::BrokerGarbage => 4502,
            Self::Unreachable => 4503,
            Self::GoingAway => 1001,
        }
    }

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::UnknownBroker => "unknown_broker",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::Unreachable => "unreachable",
            Self::BrokerGarbage => "broker_garbage",
            Self::GoingAway => "going_away",
        }
    }
}

/// A refusal and its sentence, which never holds a token or a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub kind: Kind,
    /// What to do about it, for the page; cut at 123 bytes.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON {
            let mut end = MAX_REASON;
            while !reason.is_char_boundary(end) {
                end -= 1;
            }
            reason.to_mut().truncate(end);
        }
        Self { kind, reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind.name(), self.kind.close_code(), self.reason)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_a_close_frame_and_is_cut_between_characters() {
        let refusal = Refusal::new(Kind::Forbidden, "ä".repeat(100));
        assert_eq!(refusal.reason.len(), 122);
        assert!(refusal.reason.chars().all(|c| c == 'ä'));
    }

    #[test]
    fn codes_and_names_tell_kinds_apart() {
        let mut codes = Kind::ALL.map(Kind::close_code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
    }
}
