//! How a bridge is started, and when it refuses to: openly, without saying so.
use crate::origin::{self, OriginTrouble};
use crate::tls::TlsFiles;
use crate::topics::Topics;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The settings of a bridge.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens. Default 127.0.0.1:9091.
    pub listen: SocketAddr,
    /// Brokers to start from, host and port. At least one.
    pub bootstrap: Vec<(String, u16)>,
    /// Addresses that are brokers though no metadata names them.
    pub allow_broker: Vec<(String, u16)>,
    /// Topics that may be written to. At least one.
    pub topics: Topics,
    /// Whether pages may have topics created, if the brokers allow it. Default false.
    pub allow_auto_create: bool,
    /// Origins of pages, as browsers send them. Empty: pages of this machine, and what is no page.
    pub origins: Vec<String>,
    /// What clients must show, if any: 16 or more of the characters that a subprotocol may have.
    pub token: Option<String>,
    /// Speak TLS, with this certificate. Default: none.
    pub tls: Option<TlsFiles>,
    /// Listen on other addresses than loopback without origins and a token.
    pub insecure: bool,
    /// Connections at a time, 1 or more. Default 1000.
    pub max_connections: usize,
    /// Connections of one address at a time, 1 or more. Default 100.
    pub max_connections_per_client: usize,
    /// Bytes of one request, 1 or more. Default 1114112: Kafka's `max.request.size` and some more.
    pub max_frame: usize,
    /// Requests of one connection in a second, 1 or more; those beyond are read later. Default 1000.
    pub max_requests_per_second: u32,
    /// A connection ends when nothing came for so long, not even the answer to a ping; 1 ms or more. Default 60 s.
    pub idle_timeout: Duration,
    /// Bytes in a second that a client must move while a request or an answer is on its way, on average over each `patience`;
    /// 1 or more. Default 1024.
    pub min_rate: u32,
    /// Time for a handshake, for reaching a broker, and for a broker that takes nothing; and how long a request or an answer
    /// may move less than `min_rate`; 1 ms or more. Default 10 s.
    pub patience: Duration,
    /// Time for the answers that are due when the bridge is stopped, and for a broker to take what a client that has closed
    /// sent last. Default 5 s.
    pub drain_timeout: Duration,
    /// Where the metrics are served, if at all.
    pub metrics: Option<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9091)),
            bootstrap: Vec::new(),
            allow_broker: Vec::new(),
            topics: Topics::new(),
            allow_auto_create: false,
            origins: Vec::new(),
            token: None,
            tls: None,
            insecure: false,
            max_connections: 1_000,
            max_connections_per_client: 100,
            max_frame: (1 << 20) + (1 << 16),
            max_requests_per_second: 1_000,
            idle_timeout: Duration::from_secs(60),
            min_rate: 1_024,
            patience: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            metrics: None,
        }
    }
}

/// The largest answer that is taken from a broker, in bytes.
pub(crate) const MAX_ANSWER: usize = 16 << 20;
/// The shortest token.
const MIN_TOKEN: usize = 16;

/// Options that make no bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// No broker to start from.
    NoBootstrap,
    /// No topic is allowed.
    NoTopic,
    /// It would listen openly.
    Open(SocketAddr),
    /// An origin that no browser sends in this form, so that it would match no page.
    Origin(String, OriginTrouble),
    /// The token is too short, or has characters that a subprotocol has not.
    Token,
    /// A limit or time of 0.
    Zero(&'static str),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBootstrap => {
                f.write_str("--bootstrap HOST:PORT is missing: which cluster is the bridge for?")
            }
            Self::NoTopic => {
                f.write_str("--allow-topic NAME or PREFIX* is missing: no page could write anything")
            }
            Self::Open(address) => write!(
                f,
                "--listen {address} can be reached from other machines: give --allow-origin and --token-file, or --insecure"
            ),
            Self::Origin(origin, trouble) => {
                write!(f, "--allow-origin {origin} would match no page: {}", trouble.advice())
            }
            Self::Token => write!(
                f,
                "the token must have {MIN_TOKEN} or more characters, of ASCII letters, digits, and !#$%&'*+-.^_`|~"
            ),
            Self::Zero(option) => write!(f, "{option} must be 1 or more"),
        }
    }
}

impl std::error::Error for OptionsError {}

impl Options {
    /// Whether a bridge can be started so.
    ///
    /// # Errors
    /// See [`OptionsError`].
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.bootstrap.is_empty() {
            return Err(OptionsError::NoBootstrap);
        }
        if self.topics.is_empty() {
            return Err(OptionsError::NoTopic);
        }
        if self
            .token
            .as_ref()
            .is_some_and(|token| token.len() < MIN_TOKEN || !token.bytes().all(is_token_byte))
        {
            return Err(OptionsError::Token);
        }
        for origin in &self.origins {
            origin::check(origin).map_err(|trouble| OptionsError::Origin(origin.clone(), trouble))?;
        }
        let closed = !self.origins.is_empty() && self.token.is_some();
        if !self.listen.ip().is_loopback() && !closed && !self.insecure {
            return Err(OptionsError::Open(self.listen));
        }
        let positive = [
            (self.max_connections, "--max-connections"),
            (self.max_connections_per_client, "--max-connections-per-client"),
            (self.max_frame, "--max-frame"),
            (usize::try_from(self.max_requests_per_second).unwrap_or(1), "--max-requests-per-second"),
            (usize::try_from(self.min_rate).unwrap_or(1), "--min-rate"),
            (usize::try_from(self.idle_timeout.as_millis()).unwrap_or(1), "--idle-timeout"),
            (usize::try_from(self.patience.as_millis()).unwrap_or(1), "patience"),
        ];
        match positive.iter().find(|(value, _)| *value == 0) {
            Some((_, option)) => Err(OptionsError::Zero(option)),
            None => Ok(()),
        }
    }
}

/// What a token of HTTP, and so a subprotocol, may have (RFC 9110).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Options {
        let mut topics = Topics::new();
        topics.allow("clicks").unwrap();
        Options { bootstrap: vec![("b".into(), 9092)], topics, ..Options::default() }
    }

    #[test]
    fn a_bridge_does_not_start_openly_unless_told() {
        let token = Some("0123456789abcdef".to_owned());
        let open = Options { listen: SocketAddr::from(([0, 0, 0, 0], 1)), ..good() };
        assert_eq!(open.check(), Err(OptionsError::Open(open.listen)));
        let origins = vec!["https://a".to_owned()];
        assert!(Options { origins: origins.clone(), ..open.clone() }.check().is_err());
        assert!(Options { token: token.clone(), ..open.clone() }.check().is_err());
        assert_eq!(Options { origins, token, ..open.clone() }.check(), Ok(()));
        assert_eq!(Options { insecure: true, ..open }.check(), Ok(()));
        assert_eq!(good().check(), Ok(()));
    }

    #[test]
    fn what_is_missing_or_of_no_use_is_named() {
        let bad = |change: fn(&mut Options)| {
            let mut options = good();
            change(&mut options);
            options.check().unwrap_err()
        };
        assert_eq!(bad(|o| o.bootstrap.clear()), OptionsError::NoBootstrap);
        assert_eq!(bad(|o| o.topics = Topics::new()), OptionsError::NoTopic);
        assert_eq!(bad(|o| o.token = Some("short".into())), OptionsError::Token);
        assert_eq!(bad(|o| o.token = Some("with space 0123456789".into())), OptionsError::Token);
        let slash = "https://a/".to_owned();
        let trouble = OptionsError::Origin(slash, OriginTrouble::Path);
        assert_eq!(bad(|o| o.origins = vec!["https://b".into(), "https://a/".into()]), trouble);
        assert_eq!(bad(|o| o.max_frame = 0), OptionsError::Zero("--max-frame"));
        assert_eq!(bad(|o| o.patience = Duration::from_micros(999)), OptionsError::Zero("patience"));
    }
}
