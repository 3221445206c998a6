//! `bootstrap.servers`: a list of `host:port`, IPv6 addresses in brackets. Names are resolved later, each
//! time a broker is dialled.

use std::fmt;
use std::str::FromStr;

/// One bootstrap server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A DNS name, an IPv4 address, or an IPv6 address without brackets; 1 to 255 bytes.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl FromStr for Server {
    type Err = ServerError;

    /// Reads `host:port`, an IPv6 address in brackets. `PLAINTEXT://` may stand before it.
    fn from_str(entry: &str) -> Result<Self, ServerError> {
        one(entry).map_err(ServerError)
    }
}

/// Why a text is no [`Server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerError(&'static str);

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it {}", self.0)
    }
}

impl std::error::Error for ServerError {}

/// What each entry must look like.
pub(super) const ALLOWED: &str =
    "a list of host:port, with IPv6 addresses in brackets and ports from 1 to 65535";

/// The servers of `list` without repetition, and the entries that were repeated.
///
/// # Errors
/// What is allowed, and what is wrong with which entry.
pub(super) fn parse(list: &str) -> Result<(Vec<Server>, Vec<&str>), String> {
    let mut servers: Vec<Server> = Vec::new();
    let mut repeated = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let server = one(entry).map_err(|reason| format!("{ALLOWED}; `{entry}` {reason}"))?;
        if servers.iter().any(|s| s.port == server.port && s.host.eq_ignore_ascii_case(&server.host)) {
            repeated.push(entry);
        } else {
            servers.push(server);
        }
    }
    if servers.is_empty() { Err(ALLOWED.to_owned()) } else { Ok((servers, repeated)) }
}

fn one(entry: &str) -> Result<Server, &'static str> {
    if entry.contains([';', ' ', '\t']) {
        return Err("has a semicolon or a space in it: separate entries by commas");
    }
    let address = match entry.split_once("://") {
        // Copied from a broker's `listeners`; Java takes it as well.
        Some((scheme, address)) if scheme.eq_ignore_ascii_case("plaintext") => address,
        Some(_) => return Err("is a URL"),
        None => entry,
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("has a bracket that is not closed")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() && !host.contains('%') {
                return Err("has no IPv6 address between its brackets");
            }
            (host, rest.strip_prefix(':').ok_or("has no port")?)
        }
        None => {
            let (host, port) = address.rsplit_once(':').ok_or("has no port")?;
            if host.contains(':') {
                let v6 = |text: &str| text.contains('%') || text.parse::<std::net::Ipv6Addr>().is_ok();
                return Err(match v6(host) || v6(address) {
                    true => "is an IPv6 address without brackets",
                    false => "has more than one colon: separate entries by commas",
                });
            }
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '%');
            if !host.chars().all(legal) {
                return Err("has a host with an illegal character");
            }
            (host, port)
        }
    };
    if host.is_empty() {
        return Err("has no host");
    }
    if host.len() > 255 {
        return Err("has a host of more than 255 bytes");
    }
    // `parse` alone would take a sign.
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number > 0 => Ok(Server { host: host.to_owned(), port: number }),
        _ => Err("has no port from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_both_families() {
        let (servers, repeated) =
            parse(" a.example:9092, 10.0.0.1:1 ,[::1]:65535,,PLAINTEXT://b-1:9093,A.example:9092 ").unwrap();
        let found: Vec<_> = servers.iter().map(|s| (s.host.as_str(), s.port)).collect();
        assert_eq!(found, [("a.example", 9092), ("10.0.0.1", 1), ("::1", 65535), ("b-1", 9093)]);
        assert_eq!(repeated, ["A.example:9092"]);
    }

    #[test]
    fn one_server_is_read_like_an_entry_of_the_list() {
        assert_eq!("[::1]:9092".parse(), Ok(Server { host: "::1".to_owned(), port: 9092 }));
        let error = "::1:9092".parse::<Server>().unwrap_err();
        assert_eq!(error.to_string(), "it is an IPv6 address without brackets");
    }

    #[test]
    fn a_bad_entry_is_named_with_its_reason() {
        for (list, reason) in [
            ("ok:1,nope", "; `nope` has no port"),
            ("nope:", "`nope:` has no port from 1"),
            ("nope:0", "`nope:0` has no port from 1"),
            ("nope:65536", "has no port from 1 to 65535"),
            ("nope:+90", "has no port from 1 to 65535"),
            ("nope:9a", "has no port from 1 to 65535"),
            (":9092", "has no host"),
            ("::1:9092", "without brackets"),
            ("2001:db8::1", "without brackets"),
            ("fe80::1%eth0:9092", "without brackets"),
            ("a:1:2", "; `a:1:2` has more than one colon: separate entries by commas"),
            ("a:1;b:2", "; `a:1;b:2` has a semicolon or a space in it: separate entries by commas"),
            ("a:1 b:2", "separate entries by commas"),
            ("[::1:9092", "not closed"),
            ("[::1]", "has no port"),
            ("[zz]:1", "has no IPv6 address between"),
            ("http://a:1", "is a URL"),
            ("a/b:1", "illegal character"),
            ("", "a list of host:port"),
            (" , ,", "a list of host:port"),
        ] {
            let error = parse(list).unwrap_err();
            assert!(error.starts_with(ALLOWED) && error.contains(reason), "{list}: {error}");
        }
    }
}
