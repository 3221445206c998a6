//! What one Kafka release needs: its jars, its mode, the names of its classes.
//!
//! Not a list of all releases: the rules are by version number, and were tried with 4.3.1, 4.0.0, 3.9.1,
//! 2.8.2, 2.4.1, 1.0.2, 0.11.0.3, 0.10.2.2 and 0.9.0.1 on Java 17.
use crate::Failure;
use std::fmt;

/// A Kafka version, `major.minor.rest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    name: String,
    major: u32,
    minor: u32,
}

impl Release {
    /// What tests use unless they say otherwise.
    pub const DEFAULT: &'static str = "4.3.1";

    /// Every release that tests know, the newest first: each stands for a range of request versions, or for a
    /// clear refusal (the last two).
    pub const MATRIX: &'static [&'static str] =
        &["4.3.1", "4.0.0", "3.9.1", "2.8.2", "2.4.1", "1.0.2", "0.11.0.3", "0.10.2.2", "0.9.0.1"];

    /// The releases to test now: those in `KURIER_KAFKA_VERSIONS`, separated by blanks, else the newest, the
    /// first with flexible requests, and the oldest that works.
    pub fn under_test() -> Vec<String> {
        let named = std::env::var("KURIER_KAFKA_VERSIONS").unwrap_or_default();
        let named: Vec<String> = named.split_whitespace().map(str::to_owned).collect();
        if named.is_empty() { ["4.3.1", "2.8.2", "0.11.0.3"].map(str::to_owned).to_vec() } else { named }
    }

    /// Reads a version.
    ///
    /// # Errors
    /// Not of the form `4.3.1`, or older than 0.9.
    pub fn parse(name: &str) -> Result<Self, Failure> {
        let wrong =
            || Failure::new(format!("`{name}` is no Kafka version; like 4.3.1, and 0.9.0.1 at least"));
        let numbers: Vec<u32> =
            name.split('.').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let &[major, minor, _, ..] = numbers.as_slice() else { return Err(wrong()) };
        if (major, minor) < (0, 9) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), major, minor })
    }

    /// Whether it runs without ZooKeeper here. 3.x could do both; from 3.3 on we take KRaft.
    pub fn kraft(&self) -> bool {
        self.at_least(3, 3)
    }

    /// Whether today's admin client and tools can talk to it (KIP-896).
    pub fn speaks_to_current_tools(&self) -> bool {
        self.at_least(2, 1)
    }

    /// Whether listeners may have names of their own (KIP-103).
    pub fn named_listeners(&self) -> bool {
        self.at_least(0, 11)
    }

    /// Whether a client may ask which API versions it has (KIP-35).
    pub fn answers_api_versions(&self) -> bool {
        self.at_least(0, 10)
    }

    /// The class of the tool that prints log segments.
    pub(crate) fn dump_log_class(&self) -> &'static str {
        if self.at_least(4, 3) {
            "org.apache.kafka.tools.DumpLogSegments"
        } else {
            "kafka.tools.DumpLogSegments"
        }
    }

    pub(crate) fn scala(&self) -> &'static str {
        if self.at_least(2, 5) {
            "2.13"
        } else if self.at_least(0, 10) {
            "2.12"
        } else {
            "2.11"
        }
    }

    /// Profiles of `pom.xml`.
    pub(crate) fn profiles(&self) -> &'static str {
        match (self.major, self.minor) {
            (4.., _) => "tools,slf4j-simple",
            (3, _) => "tools",
            (2, 2..) => "slf4j-log4j12",
            (2, _) => "slf4j-log4j12,zookeeper-3.4.10",
            (0, 10..) => "jaxb",
            _ => "", // 0.9 and 1.x bring all they need
        }
    }

    fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn a_release_knows_its_mode_by_its_number() {
        let of = |name| Release::parse(name).unwrap();
        assert!(of("4.3.1").kraft() && of("3.9.1").kraft());
        assert!(!of("2.8.2").kraft());
        assert_eq!(of("2.4.1").scala(), "2.12");
        assert_eq!(of("0.9.0.1").scala(), "2.11");
        assert_eq!(of("0.10.2.2").profiles(), "jaxb");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for wrong in ["", "4", "4.3", "latest", "0.8.2.2", "4.3.x"] {
            assert!(Release::parse(wrong).is_err(), "{wrong}");
        }
    }
}
