//! What a WebSocket's handshake says: which page it is, what it shows, and which broker it wants.
//!
//! The broker is the last two parts of the path, `/HOST/PORT`. The token travels as a subprotocol,
//! `kurier.token.TOKEN` beside `kurier`, because a page can set no other header and a URL ends up in logs.
use crate::cluster::Address;
use crate::options::Options;
use crate::refusal::{Kind, Refusal};
use constant_time_eq::constant_time_eq;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};

/// The subprotocol that is agreed on.
pub(crate) const PROTOCOL: &str = "kurier";
const TOKEN: &str = "kurier.token.";

/// A judged handshake.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// The subprotocol to answer, if the client has offered it.
    pub(crate) protocol: Option<HeaderValue>,
    /// The broker it wants, if it may be here at all.
    pub(crate) wants: Result<Address, Refusal>,
}

impl Greeting {
    /// Judges a handshake's request.
    pub(crate) fn of(request: &Request, options: &Options) -> Self {
        let headers = request.headers();
        let protocol = protocols(headers).any(|p| p == PROTOCOL).then(|| HeaderValue::from_static(PROTOCOL));
        let wants = is_origin_allowed(headers, &options.origins)
            .and_then(|()| is_token_right(headers, options.token.as_deref()))
            .and_then(|()| broker(request.uri().path()));
        Self { protocol, wants }
    }
}

fn is_origin_allowed(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let mut origins = headers.get_all("origin").iter();
    let origin = origins.next().map(|origin| origin.to_str().unwrap_or("?"));
    let known = origins.next().is_none()
        && match origin {
            Some(origin) if allowed.is_empty() => is_of_this_machine(origin),
            Some(origin) => allowed.iter().any(|allowed| allowed == origin),
            // Not a page, which would say where it is from.
            None => allowed.is_empty(),
        };
    if known {
        return Ok(());
    }
    let reason = match origin {
        Some(origin) => format!("pages of {origin} are not allowed (--allow-origin)"),
        None => "who does not say an origin is not allowed (--allow-origin)".to_owned(),
    };
    Err(Refusal::new(Kind::Forbidden, reason))
}

/// Whether an origin's host is loopback: without a list, no page from elsewhere is served, or any site that somebody
/// visits could write to the cluster.
fn is_of_this_machine(origin: &str) -> bool {
    let Some((_, rest)) = origin.split_once("://") else { return false };
    let host = match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => rest.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_token_right(headers: &HeaderMap, token: Option<&str>) -> Result<(), Refusal> {
    let Some(token) = token else { return Ok(()) };
    let shown = protocols(headers).find_map(|protocol| protocol.strip_prefix(TOKEN));
    match shown {
        Some(shown) if constant_time_eq(shown.as_bytes(), token.as_bytes()) => Ok(()),
        Some(_) => Err(Refusal::new(Kind::Unauthorized, "the token is wrong")),
        None => Err(Refusal::new(Kind::Unauthorized, "a token is needed (option `token`)")),
    }
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all("sec-websocket-protocol").iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// The last two parts of the path.
fn broker(path: &str) -> Result<Address, Refusal> {
    let wrong = || Refusal::new(Kind::UnknownBroker, "the URL must end in /HOST/PORT of a broker");
    let mut parts = path.rsplit('/');
    let port = parts.next().and_then(|port| port.parse().ok()).filter(|port| *port > 0).ok_or_else(wrong)?;
    let host = parts.next().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    // An IPv6 address has its colons as they are or as %3A.
    Ok((host.replace("%3A", ":").replace("%3a", ":"), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greet(headers: &[(&str, &str)], path: &str, options: &Options) -> Greeting {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Greeting::of(&request.body(()).unwrap(), options)
    }

    fn kind(headers: &[(&str, &str)], options: &Options) -> Option<Kind> {
        greet(headers, "/b/9092", options).wants.err().map(|refusal| refusal.kind)
    }

    #[test]
    fn without_a_list_only_pages_of_this_machine_are_served() {
        let options = Options::default();
        for good in
            ["http://localhost:8080", "https://127.0.0.1", "http://[::1]:3000", "http://app.localhost"]
        {
            assert_eq!(kind(&[("origin", good)], &options), None, "{good}");
        }
        for bad in ["https://evil.example", "http://localhost.evil.example", "null", "http://10.0.0.1", ""] {
            assert_eq!(kind(&[("origin", bad)], &options), Some(Kind::Forbidden), "{bad}");
        }
        assert_eq!(kind(&[], &options), None, "no page");
    }

    #[test]
    fn with_a_list_an_origin_is_needed_and_compared_exactly() {
        let options = Options { origins: vec!["https://a.example".into()], ..Options::default() };
        assert_eq!(kind(&[("origin", "https://a.example")], &options), None);
        for bad in ["https://a.example.evil", "http://a.example", "https://a.example:444", "http://localhost"]
        {
            assert_eq!(kind(&[("origin", bad)], &options), Some(Kind::Forbidden), "{bad}");
        }
        assert_eq!(kind(&[], &options), Some(Kind::Forbidden));
        let twice = [("origin", "https://a.example"), ("origin", "https://evil.example")];
        assert_eq!(kind(&twice, &options), Some(Kind::Forbidden));
    }

    #[test]
    fn a_token_is_shown_as_a_subprotocol() {
        let options = Options { token: Some("0123456789abcdef".into()), ..Options::default() };
        let with = |protocols: &str| kind(&[("sec-websocket-protocol", protocols)], &options);
        assert_eq!(with("kurier, kurier.token.0123456789abcdef"), None);
        assert_eq!(with("kurier, kurier.token.0123456789abcdeF"), Some(Kind::Unauthorized));
        assert_eq!(with("kurier, kurier.token."), Some(Kind::Unauthorized));
        assert_eq!(with("kurier"), Some(Kind::Unauthorized));
        assert_eq!(kind(&[], &options), Some(Kind::Unauthorized));
        let greeting = greet(&[("sec-websocket-protocol", "kurier, x")], "/b/1", &options);
        assert_eq!(greeting.protocol.unwrap(), "kurier", "the token is not said back");
    }

    #[test]
    fn the_broker_is_the_end_of_the_path() {
        let wants = |path| greet(&[], path, &Options::default()).wants.ok();
        assert_eq!(wants("/b.example/9092"), Some(("b.example".into(), 9092)));
        assert_eq!(wants("/kafka/%3A%3A1/9092"), Some(("::1".into(), 9092)));
        for bad in ["/", "/b", "/b/", "/b/0", "/b/70000", "//9092", "/9092"] {
            assert_eq!(wants(bad), None, "{bad}");
        }
    }
}
