//! What happened in a history, line by line, for people. Costs nothing unless it is wanted.
use std::sync::{Arc, Mutex};

/// The virtual time in µs, and the lines.
type Lines = Mutex<(u64, Vec<String>)>;

/// Lines with their virtual time.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeline(Option<Arc<Lines>>);

impl Timeline {
    /// One that keeps lines, if `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(Default::default))
    }

    /// What time it is, in µs.
    pub(super) fn at(&self, now: u64) {
        if let Some(kept) = &self.0
            && let Ok(mut kept) = kept.lock()
        {
            kept.0 = now;
        }
    }

    /// Notes a line.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(kept) = &self.0
            && let Ok(mut kept) = kept.lock()
        {
            let (seconds, micros) = (kept.0 / 1_000_000, kept.0 % 1_000_000);
            let line = line();
            kept.1.push(format!("{seconds:>6}.{micros:06}  {line}"));
        }
    }

    /// Everything noted.
    pub(super) fn text(&self) -> String {
        let lines = self.0.as_ref().and_then(|kept| Some(kept.lock().ok()?.1.join("\n")));
        lines.unwrap_or_default()
    }
}
