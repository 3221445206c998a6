//! Which topics pages may write to: `--allow-topic NAME|PREFIX*`.
use kurier_core::error::{TopicError, check_topic_name};

/// A list of names and prefixes. An empty one allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Prefix(String),
}

impl Topics {
    /// Nothing is allowed yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Allows a name, or with `*` at its end every name that begins so; `*` alone allows every topic but those whose
    /// names begin with `__`, which are Kafka's own.
    ///
    /// # Errors
    /// Kafka has no topics of such names.
    pub fn allow(&mut self, pattern: &str) -> Result<(), TopicError> {
        let parsed = match pattern.strip_suffix('*') {
            None => Pattern::Name(pattern.to_owned()),
            Some("") => Pattern::Prefix(String::new()),
            Some(prefix) => Pattern::Prefix(prefix.to_owned()),
        };
        match &parsed {
            Pattern::Name(name) => check_topic_name(name)?,
            // `.` is no name, but may begin one.
            Pattern::Prefix(prefix) if prefix.is_empty() || prefix == "." || prefix == ".." => (),
            Pattern::Prefix(prefix) => check_topic_name(prefix)?,
        }
        self.0.push(parsed);
        Ok(())
    }

    /// Whether nothing was allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page may write to the topic.
    pub fn allows(&self, name: &str) -> bool {
        check_topic_name(name).is_ok()
            && self.0.iter().any(|pattern| match pattern {
                Pattern::Name(allowed) => allowed == name,
                // Kafka's own topics must be named to be meant.
                Pattern::Prefix(prefix) => {
                    name.starts_with(prefix.as_str()) && (prefix.starts_with("__") || !name.starts_with("__"))
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(patterns: &[&str]) -> Topics {
        let mut topics = Topics::new();
        patterns.iter().for_each(|pattern| topics.allow(pattern).unwrap());
        topics
    }

    #[test]
    fn a_name_is_itself_and_a_prefix_is_what_begins_so() {
        let topics = topics(&["clicks*", "log"]);
        for name in ["clicks", "clicks-2", "log"] {
            assert!(topics.allows(name), "{name}");
        }
        for name in ["Clicks", "click", "log2", "", "xclicks", "clicks/..", "clicks\0", "clicks*"] {
            assert!(!topics.allows(name), "{name}");
        }
        assert!(!Topics::new().allows("log"));
    }

    #[test]
    fn kafkas_own_topics_are_allowed_by_name_only() {
        assert!(!topics(&["*"]).allows("__consumer_offsets"));
        assert!(!topics(&["_*"]).allows("__consumer_offsets"));
        assert!(topics(&["*"]).allows("orders"));
        assert!(topics(&["__consumer_offsets"]).allows("__consumer_offsets"));
    }

    #[test]
    fn a_pattern_that_no_topic_can_have_is_refused() {
        for pattern in ["", "a*b", "a b", "a/*", ".."] {
            assert!(Topics::new().allow(pattern).is_err(), "{pattern}");
        }
    }
}
