//! The few options our commands take: `--name`, `--name VALUE`, and plain words.
//!
//! Invariant: what no command asked for is an error, never ignored.
use std::process::ExitCode;
use std::str::FromStr;

/// Arguments that were not asked for yet.
pub(crate) struct Arguments<'a> {
    usage: &'static str,
    rest: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// All of them are still to be asked for.
    pub(crate) fn new(usage: &'static str, given: &'a [String]) -> Self {
        Self { usage, rest: given.iter().map(String::as_str).collect() }
    }

    /// Whether `--name` was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let found = self.rest.iter().position(|word| *word == name);
        found.map(|at| self.rest.remove(at)).is_some()
    }

    /// The value of `--name VALUE` or `--name=VALUE`.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, ExitCode> {
        let joined = |word: &&str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).is_some();
        let text = if let Some(at) = self.rest.iter().position(joined) {
            self.rest.remove(at).split_once('=').map(|(_, value)| value)
        } else if let Some(at) = self.rest.iter().position(|word| *word == name) {
            self.rest.remove(at);
            if at >= self.rest.len() {
                return Err(self.wrong(&format!("{name} needs a value")));
            }
            Some(self.rest.remove(at))
        } else {
            None
        };
        let Some(text) = text else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(&format!("`{text}` is no value for {name}")))
    }

    /// The next plain word.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let at = self.rest.iter().position(|word| !word.starts_with('-'))?;
        Some(self.rest.remove(at))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), ExitCode> {
        self.rest.first().map_or(Ok(()), |word| Err(self.wrong(&format!("unexpected `{word}`"))))
    }

    /// Says what is wrong and how to use the command.
    pub(crate) fn wrong(&self, what: &str) -> ExitCode {
        eprintln!("error: {what}\n\nusage: cargo xtask {}", self.usage);
        ExitCode::from(2)
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn given(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn both_forms_of_an_option_are_read_and_the_rest_is_refused() {
        let words = given(&["up", "--nodes", "3", "--version=2.8.2", "--quick"]);
        let mut arguments = Arguments::new("kafka", &words);
        assert_eq!(arguments.value::<u32>("--nodes").unwrap(), Some(3));
        assert_eq!(arguments.value::<String>("--version").unwrap().as_deref(), Some("2.8.2"));
        assert_eq!(arguments.word(), Some("up"));
        assert!(arguments.end().is_err());
        assert!(arguments.flag("--quick") && !arguments.flag("--quick"));
        assert!(arguments.end().is_ok());
    }

    #[test]
    fn a_missing_or_odd_value_is_refused() {
        let words = given(&["--nodes"]);
        assert!(Arguments::new("kafka", &words).value::<u32>("--nodes").is_err());
        let words = given(&["--nodes", "many"]);
        assert!(Arguments::new("kafka", &words).value::<u32>("--nodes").is_err());
    }
}
