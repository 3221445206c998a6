//! What is wrong with the way to the cluster, in words, for people who wonder why nothing is sent.
use kurier_core::sender::{Trouble, TroubleKind};
use kurier_core::transport::Endpoint;
use std::sync::Arc;

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
        (TroubleKind::NotKafka, false) => "sent an answer that cannot be read",
    };
    let colon = if host.contains(':') { ["[", "]"] } else { ["", ""] };
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
    }
}
