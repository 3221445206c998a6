//! What is said on stderr: log records by level, and on a terminal a line of progress that stays out of
//! their way.
use crate::args::Talk;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a log record with the same words is not said again: a little less than a producer waits before it repeats
/// itself, so that of several producers in the same trouble one is heard.
const AGAIN: Duration = Duration::from_secs(9);
/// Words that are remembered; of more, the oldest are said again sooner.
const REMEMBERED: usize = 64;

static BAR: OnceLock<ProgressBar> = OnceLock::new();
static SAID: Mutex<Said> = Mutex::new(Said(Vec::new()));

/// What was said when.
struct Said(Vec<(String, Instant)>);

impl Said {
    /// Whether `words` were not said lately; takes note that they are now.
    fn is_news(&mut self, words: &str, now: Instant) -> bool {
        self.0.retain(|(_, at)| now.saturating_duration_since(*at) < AGAIN);
        if self.0.iter().any(|(said, _)| said == words) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.remove(0);
        }
        self.0.push((words.to_owned(), now));
        true
    }
}

struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true // the crate-wide maximum decides
    }

    fn log(&self, record: &log::Record<'_>) {
        // What is odd about the configuration was said before there was a producer.
        if record.target() == "kurier::config" {
            return;
        }
        let level = match record.level() {
            log::Level::Error => "error: ",
            log::Level::Warn => "warning: ",
            _ => return say(record.args()),
        };
        let words = format!("{level}{}", record.args());
        if SAID.lock().unwrap_or_else(PoisonError::into_inner).is_news(&words, Instant::now()) {
            say(words);
        }
    }

    fn flush(&self) {}
}

/// Sends log records of the wanted levels to stderr.
pub(crate) fn begin(talk: Talk) {
    let level = match (talk.quiet, talk.verbose) {
        (true, _) => log::LevelFilter::Error,
        (_, 0) => log::LevelFilter::Warn,
        (_, 1) => log::LevelFilter::Info,
        (_, 2) => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}

/// Says a line on stderr, above the progress. A closed stderr changes nothing.
pub(crate) fn say(message: impl std::fmt::Display) {
    let write = || {
        let _closed = writeln!(std::io::stderr(), "kurier: {message}");
    };
    match BAR.get() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A line of progress, if stderr is a terminal and it is wanted.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Begins it.
    pub(crate) fn begin(talk: Talk) -> Self {
        if talk.quiet || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = BAR.get_or_init(ProgressBar::new_spinner).clone();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    /// How often it is worth a look; `None` if there is none.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.0.is_some().then_some(Duration::from_millis(100))
    }

    /// Shows `text`.
    pub(crate) fn show(&self, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.0 {
            bar.set_message(text());
            bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the nearest unit.
pub(crate) fn bytes(number: f64) -> String {
    let mut number = number;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            return if unit == "B" { format!("{number:.0} {unit}") } else { format!("{number:.1} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_producers_in_the_same_trouble_are_heard_as_one() {
        let (mut said, begin) = (Said(Vec::new()), Instant::now());
        let mut count = 0;
        // Each of three repeats itself every ten seconds.
        for second in [0, 10, 20] {
            for producer in 0..3 {
                let now = begin + Duration::from_secs(second) + Duration::from_millis(producer);
                count += u32::from(said.is_news("warning: a:1 cannot be reached", now));
            }
        }
        assert_eq!(count, 3);
        assert!(said.is_news("warning: b:1 cannot be reached", begin + Duration::from_secs(20)));
        for n in 0..1000 {
            said.is_news(&format!("{n}"), begin + Duration::from_secs(20));
        }
        assert_eq!(said.0.len(), REMEMBERED);
    }

    #[test]
    fn numbers_are_easy_to_read() {
        let shown = [0, 12, 999, 1000, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,234,567"]);
        let shown = [0.0, 1023.0, 1536.0, 5.0 * 1024.0 * 1024.0].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]);
    }
}
