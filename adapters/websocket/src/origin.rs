//! Whether a text can be what a browser sends as its page's origin: `SCHEME://HOST[:PORT]`, or `null`.
//!
//! Origins are compared byte by byte, so that one in another form would match no page, and whoever wrote it would look for the
//! reason elsewhere. Source: the serialization of an origin, WHATWG HTML 7.1.1, and the host and port of the URL standard.

/// What is wrong with an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginTrouble {
    /// It has a wildcard.
    Wildcard,
    /// It does not begin with a scheme.
    NoScheme,
    /// Something stands behind the host and port, if only a slash.
    Path,
    /// There are capital letters, or others than ASCII has.
    Letters,
    /// The port is the scheme's own, which browsers leave out.
    OwnPort,
    /// The host or the port cannot be read.
    Host,
}

impl OriginTrouble {
    /// What to write instead.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Wildcard => "there are no wildcards, name each origin",
            Self::NoScheme => "it must begin with its scheme, as in https://shop.example",
            Self::Path => "nothing may stand behind the host and port, not even a slash",
            Self::Letters => "browsers send it in small letters of ASCII (xn--... for others)",
            Self::OwnPort => "browsers leave out :80 of http and :443 of https",
            Self::Host => "it must look like https://shop.example or http://shop.example:8080",
        }
    }
}

/// Judges an origin.
///
/// # Errors
/// No browser sends it in this form.
pub(crate) fn check(origin: &str) -> Result<(), OriginTrouble> {
    // That of files and of sandboxed frames, everybody's.
    if origin == "null" {
        return Ok(());
    }
    if origin.contains('*') {
        return Err(OriginTrouble::Wildcard);
    }
    let (scheme, rest) = origin.split_once("://").ok_or(OriginTrouble::NoScheme)?;
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(OriginTrouble::NoScheme);
    }
    if rest.contains(['/', '?', '#']) {
        return Err(OriginTrouble::Path);
    }
    if origin.chars().any(|letter| letter.is_ascii_uppercase() || !letter.is_ascii()) {
        return Err(OriginTrouble::Letters);
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or(OriginTrouble::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| OriginTrouble::Host)?;
            let port = behind.strip_prefix(':');
            if port.is_none() && !behind.is_empty() {
                return Err(OriginTrouble::Host);
            }
            (host, port)
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let is_host = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte))
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_port = port.is_none_or(|port| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok());
    match (scheme, port) {
        _ if !is_host || !is_port => Err(OriginTrouble::Host),
        ("http", Some("80")) | ("https", Some("443")) => Err(OriginTrouble::OwnPort),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_send_is_an_origin() {
        for origin in [
            "https://shop.example",
            "http://shop.example:8080",
            "https://xn--bcher-kva.example",
            "http://192.0.2.1",
            "http://[2001:db8::1]:8080",
            "http://localhost",
            "chrome-extension://abcdefghijklmnop",
            "tauri://localhost",
            "null",
        ] {
            assert_eq!(check(origin), Ok(()), "{origin}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_named_with_what_to_write() {
        for (origin, trouble) in [
            ("*", OriginTrouble::Wildcard),
            ("https://*.example", OriginTrouble::Wildcard),
            ("shop.example", OriginTrouble::NoScheme),
            ("shop.example:8080", OriginTrouble::NoScheme),
            ("://shop.example", OriginTrouble::NoScheme),
            ("", OriginTrouble::NoScheme),
            ("https://shop.example/", OriginTrouble::Path),
            ("https://shop.example/page", OriginTrouble::Path),
            ("https://Shop.example", OriginTrouble::Letters),
            ("https://bücher.example", OriginTrouble::Letters),
            ("https://shop.example:443", OriginTrouble::OwnPort),
            ("http://[::1]:80", OriginTrouble::OwnPort),
            ("https://", OriginTrouble::Host),
            ("https://:8080", OriginTrouble::Host),
            ("https://shop.example:", OriginTrouble::Host),
            ("https://shop.example:x", OriginTrouble::Host),
            ("https://shop.example:70000", OriginTrouble::Host),
            ("https://user@shop.example", OriginTrouble::Host),
            ("https://shop.example, https://other.example", OriginTrouble::Path),
            ("https://[::1", OriginTrouble::Host),
            ("https://[::1]8080", OriginTrouble::Host),
        ] {
            assert_eq!(check(origin), Err(trouble), "{origin}");
            assert!(!trouble.advice().is_empty());
        }
    }
}
