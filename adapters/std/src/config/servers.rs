//! `bootstrap.servers`: a list of `host:port`, IPv6 addresses in brackets. Names are resolved later, each
//! time a broker is dialled.

/// One bootstrap server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A DNS name, an IPv4 address, or an IPv6 address without brackets; 1 to 255 bytes.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// What each entry must look like.
pub(super) const ALLOWED: &str =
    "a list of host:port, with IPv6 addresses in brackets and ports from 1 to 65535";

/// The servers of `list` without repetition, and the entries that were repeated.
///
/// # Errors
/// What is wrong with which entry.
pub(super) fn parse(list: &str) -> Result<(Vec<Server>, Vec<&str>), String> {
    let mut servers: Vec<Server> = Vec::new();
    let mut repeated = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let server = one(entry).map_err(|reason| format!("{reason} in `{entry}`; {ALLOWED}"))?;
        if servers.iter().any(|s| s.port == server.port && s.host.eq_ignore_ascii_case(&server.host)) {
            repeated.push(entry);
        } else {
            servers.push(server);
        }
    }
    if servers.is_empty() { Err(ALLOWED.to_owned()) } else { Ok((servers, repeated)) }
}

fn one(entry: &str) -> Result<Server, &'static str> {
    let address = match entry.split_once("://") {
        // Copied from a broker's `listeners`; Java takes it as well.
        Some((scheme, address)) if scheme.eq_ignore_ascii_case("plaintext") => address,
        Some(_) => return Err("no URL is allowed"),
        None => entry,
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() && !host.contains('%') {
                return Err("no IPv6 address between the brackets");
            }
            (host, rest.strip_prefix(':').ok_or("no port")?)
        }
        None => {
            let (host, port) = address.rsplit_once(':').ok_or("no port")?;
            if host.contains(':') {
                return Err("an IPv6 address without brackets");
            }
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '%');
            if !host.chars().all(legal) {
                return Err("a host with an illegal character");
            }
            (host, port)
        }
    };
    if host.is_empty() {
        return Err("no host");
    }
    if host.len() > 255 {
        return Err("a host of more than 255 bytes");
    }
    // `parse` alone would take a sign.
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number > 0 => Ok(Server { host: host.to_owned(), port: number }),
        _ => Err("a bad port"),
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
    fn a_bad_entry_is_named_with_its_reason() {
        for (list, reason) in [
            ("ok:1,nope", "no port in `nope`"),
            ("nope:", "a bad port"),
            ("nope:0", "a bad port"),
            ("nope:65536", "a bad port"),
            ("nope:+90", "a bad port"),
            ("nope:9a", "a bad port"),
            (":9092", "no host"),
            ("::1:9092", "without brackets"),
            ("[::1:9092", "not closed"),
            ("[::1]", "no port"),
            ("[zz]:1", "no IPv6"),
            ("http://a:1", "no URL"),
            ("a b:1", "illegal character"),
            ("", "a list of host:port"),
            (" , ,", "a list of host:port"),
        ] {
            let error = parse(list).unwrap_err();
            assert!(error.contains(reason), "{list}: {error}");
        }
    }
}
