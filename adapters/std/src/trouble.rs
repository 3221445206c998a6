//! What is wrong with the way to the cluster, in words, for people who wonder why nothing is sent.
use kurier_core::sender::{Trouble, TroubleKind};
use kurier_core::time::Instant;
use kurier_core::transport::Endpoint;
use std::sync::Arc;

/// How long the same trouble with the same server is not told again.
const AGAIN: u64 = 10_000_000;
/// Troubles that are remembered; of more, the oldest are told again sooner.
const REMEMBERED: usize = 64;

/// Which troubles were told when, so that a long outage does not fill a log.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<(TroubleKind, Box<str>, u16, Instant)>);

impl Told {
    /// Whether to tell of `trouble`, and takes note that it is told.
    pub(crate) fn is_news(&mut self, trouble: Trouble, to: Endpoint<'_>, now: Instant) -> bool {
        self.0.retain(|(.., at)| now.as_micros().saturating_sub(at.as_micros()) < AGAIN);
        // By address: a broker and the bootstrap server it was found by are the same to whoever reads this.
        let same = |(kind, host, port, _): &(TroubleKind, Box<str>, u16, Instant)| {
            *kind == trouble.kind && **host == *to.host && *port == to.port
        };
        if self.0.iter().any(same) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.remove(0);
        }
        self.0.push((trouble.kind, to.host.into(), to.port, now));
        true
    }
}

/// One sentence: where the link led, what was wrong with it, and what the system said.
pub(crate) fn in_words(trouble: Trouble, to: Endpoint<'_>, system: Option<&str>) -> Arc<str> {
    let Endpoint { host, port } = to;
    let what = match (trouble.kind, trouble.greeting) {
        (TroubleKind::Unreachable, _) => "cannot be reached",
        (TroubleKind::Closed, true) => {
            "closes the connection before it answers: is it a Kafka broker, without TLS?"
        }
        (TroubleKind::Closed, false) => "closed the connection",
        (TroubleKind::NoAnswer, true) => "accepts connections but does not answer: is it a Kafka broker?",
        (TroubleKind::NoAnswer, false) => "did not answer within request.timeout.ms",
        (TroubleKind::NotKafka, true) => {
            "does not answer as a Kafka broker does: is this the right port, without TLS?"
        }
        (TroubleKind::TooOld, _) => "is too old: Kafka 0.11 is the oldest that can be sent to",
        (TroubleKind::NotKafka, false) => "sent an answer that cannot be read",
    };
    let colon = if host.contains(':') { ["[", "]"] } else { ["", ""] };
    // The system has nothing to say of an answer, or of its absence: what it said was of something else.
    let system = system.filter(|_| matches!(trouble.kind, TroubleKind::Unreachable | TroubleKind::Closed));
    let system = system.map_or_else(String::new, |said| format!(" ({said})"));
    format!("{}{host}{}:{port} {what}{system}", colon[0], colon[1]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kurier_core::sender::Server;

    #[test]
    fn the_words_name_the_server_and_what_to_look_at() {
        let trouble = |kind, greeting| Trouble { kind, server: Server::Bootstrap(0), greeting };
        let to = Endpoint { host: "::1", port: 9092 };
        let words = in_words(trouble(TroubleKind::Unreachable, true), to, Some("refused"));
        assert_eq!(&*words, "[::1]:9092 cannot be reached (refused)");
        let to = Endpoint { host: "kafka", port: 443 };
        let words = in_words(trouble(TroubleKind::NotKafka, true), to, None);
        assert!(words.starts_with("kafka:443 does not answer as a Kafka broker"));
        let words = in_words(trouble(TroubleKind::NoAnswer, true), to, Some("refused"));
        assert!(
            words.ends_with("is it a Kafka broker?"),
            "what the system said was of another attempt: {words}"
        );
    }

    #[test]
    fn the_same_trouble_with_the_same_server_is_told_every_ten_seconds() {
        let mut told = Told::default();
        let trouble = |kind, server| Trouble { kind, server, greeting: true };
        let [a, b] = [9092, 9093].map(|port| Endpoint { host: "kafka", port });
        let (unreachable, closed) = (TroubleKind::Unreachable, TroubleKind::Closed);
        let mut count = 0;
        // An outage of a minute, as a producer sees it: a broker and the server it was found by in turn.
        for tenth in 0..600 {
            let server = if tenth % 2 == 0 { Server::Broker(1) } else { Server::Bootstrap(0) };
            count += u32::from(told.is_news(trouble(unreachable, server), a, Instant(tenth * 100_000)));
        }
        assert_eq!(count, 6);
        let now = Instant(59_900_000);
        assert!(told.is_news(trouble(closed, Server::Broker(1)), a, now), "another trouble");
        assert!(told.is_news(trouble(unreachable, Server::Broker(2)), b, now), "another server");
        assert!(!told.is_news(trouble(unreachable, Server::Broker(2)), b, now));
        for port in 0..1000 {
            told.is_news(trouble(closed, Server::Broker(1)), Endpoint { host: "h", port }, now);
        }
        assert_eq!(told.0.len(), REMEMBERED);
    }
}
