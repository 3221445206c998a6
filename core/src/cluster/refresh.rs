//! When to ask for metadata: when something needs it, or when it has grown old; one request at a time, and after
//! one that failed or did not help, not before a backoff.
use crate::time::Millis;

/// When to ask whom for metadata.
#[derive(Debug, Clone, Copy)]
pub struct Refresh {
    needed: bool,
    asking: bool,
    /// The last good answer.
    last: Option<Millis>,
    /// Not before.
    not_before: Option<Millis>,
    /// Requests in a row that brought nothing.
    failures: u16,
    /// Since when an answer is wanted.
    since: Option<Millis>,
}

impl Refresh {
    /// Nothing is known yet, so it is needed.
    pub const fn new() -> Self {
        Self { needed: true, asking: false, last: None, not_before: None, failures: 0, since: None }
    }

    /// Something needs newer metadata.
    pub fn need(&mut self) {
        self.needed = true;
    }

    /// Something new is wanted that no request was about yet: no backoff holds for it.
    pub fn need_at_once(&mut self) {
        self.needed = true;
        self.not_before = None;
    }

    /// Whether a request is under way.
    pub const fn is_asking(&self) -> bool {
        self.asking
    }

    /// Whether an answer has been tried for in vain for `trigger_ms`
    /// (`metadata.recovery.rebootstrap.trigger.ms`), counted from the first attempt: a producer that slept has not
    /// tried. Says so once, and counts anew.
    pub fn is_in_vain(&mut self, now: Millis, trigger_ms: u32) -> bool {
        let since = *self.since.get_or_insert(now);
        let over = since.plus(trigger_ms).reached(now) && since != now;
        if over {
            self.since = Some(now);
        }
        over
    }

    /// Requests in a row that brought nothing.
    pub const fn failures(&self) -> u16 {
        self.failures
    }

    /// When a request is due: `None` while one is under way. `max_age_ms` is `metadata.max.age.ms`.
    pub fn due(&self, now: Millis, max_age_ms: u32) -> Option<Millis> {
        if self.asking {
            return None;
        }
        let due = match self.last {
            _ if self.needed => now,
            None => now,
            Some(last) => last.plus(max_age_ms),
        };
        match self.not_before {
            Some(not_before) if not_before.since(due) > 0 => Some(not_before),
            _ => Some(due),
        }
    }

    /// A request was begun.
    pub fn asked(&mut self) {
        self.asking = true;
        self.needed = false;
    }

    /// A good answer came; `helpful` if it brought what was missing. Otherwise wait `backoff_ms` before the next.
    pub fn answered(&mut self, now: Millis, helpful: bool, backoff_ms: u32) {
        self.asking = false;
        self.last = Some(now);
        self.since = None;
        if helpful {
            self.failures = 0;
            self.not_before = Some(now.plus(backoff_ms));
        } else {
            self.failures = self.failures.saturating_add(1);
            self.needed = true;
            self.not_before = Some(now.plus(backoff_ms));
        }
    }

    /// The request failed: no answer, or an error. Wait `backoff_ms` before the next.
    pub fn failed(&mut self, now: Millis, backoff_ms: u32) {
        self.asking = false;
        self.needed = true;
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.plus(backoff_ms));
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_by_need_and_by_age_but_not_within_the_backoff() {
        let mut refresh = Refresh::new();
        let now = Millis(1000);
        assert_eq!(refresh.due(now, 5000), Some(now));
        refresh.asked();
        assert_eq!(refresh.due(now, 5000), None);
        refresh.failed(now, 100);
        assert_eq!(refresh.due(now, 5000), Some(Millis(1100)));
        refresh.asked();
        refresh.answered(Millis(1100), true, 100);
        assert_eq!(refresh.due(Millis(1100), 5000), Some(Millis(6100)));
        refresh.need();
        assert_eq!(refresh.due(Millis(1150), 5000), Some(Millis(1200)));
        assert_eq!(refresh.due(Millis(1300), 5000), Some(Millis(1300)));
        refresh.need_at_once();
        assert_eq!(refresh.due(Millis(1150), 5000), Some(Millis(1150)));
    }

    #[test]
    fn trying_in_vain_counts_from_the_first_attempt_and_is_said_once() {
        let mut refresh = Refresh::new();
        refresh.asked();
        refresh.answered(Millis(0), true, 0);
        assert!(!refresh.is_in_vain(Millis(900), 300));
        assert!(!refresh.is_in_vain(Millis(1199), 300));
        assert!(refresh.is_in_vain(Millis(1200), 300));
        assert!(!refresh.is_in_vain(Millis(1201), 300));
        refresh.answered(Millis(1210), true, 0);
        assert!(!refresh.is_in_vain(Millis(1600), 300));
    }

    #[test]
    fn an_answer_that_does_not_help_is_asked_for_again_after_the_backoff() {
        let mut refresh = Refresh::new();
        refresh.asked();
        refresh.answered(Millis(0), false, 100);
        assert_eq!(refresh.due(Millis(1), 5000), Some(Millis(100)));
        assert_eq!(refresh.failures(), 1);
    }
}
