//! When to ask for metadata: when something needs it, or when it has grown old; one request at a time, and after
//! any, not before a backoff.
//!
//! Two things need not wait for the backoff: a topic that no request was about yet, and the address of a broker that
//! waits for a link. The second may come up again with every answer, so it is paid for: by a batch that got through,
//! or by a request that did wait. Whatever a cluster answers, no more than two requests go out in one backoff.
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
    hurry: Hurry,
}

/// Whether a request may leave its backoff out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hurry {
    /// One may.
    Paid,
    /// The next one does.
    Taken,
    /// It did; the next one waits.
    Spent,
}

impl Refresh {
    /// Nothing is known yet, so it is needed.
    pub const fn new() -> Self {
        Self {
            needed: true,
            asking: false,
            last: None,
            not_before: None,
            failures: 0,
            since: None,
            hurry: Hurry::Paid,
        }
    }

    /// Something needs newer metadata.
    pub fn need(&mut self) {
        self.needed = true;
    }

    /// Something is wanted that should not wait for the backoff, if that was paid for.
    pub fn need_in_a_hurry(&mut self) {
        self.needed = true;
        if self.hurry == Hurry::Paid {
            self.hurry = Hurry::Taken;
            self.not_before = None;
        }
    }

    /// A batch got through: what was learned so far was of use.
    pub fn progressed(&mut self) {
        if self.hurry == Hurry::Spent {
            self.hurry = Hurry::Paid;
        }
    }

    /// A topic is wanted that no request was about yet: no backoff holds for it.
    pub fn need_at_once(&mut self) {
        self.needed = true;
        self.not_before = None;
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
        self.hurry = if self.hurry == Hurry::Taken { Hurry::Spent } else { Hurry::Paid };
    }

    /// Forgets instants that have passed: kept for weeks they would lie ahead again.
    pub fn forget_passed(&mut self, now: Millis, max_age_ms: u32) {
        self.not_before = self.not_before.filter(|at| !at.reached(now));
        self.last = self.last.filter(|last| !last.plus(max_age_ms).reached(now));
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
    fn a_hurry_is_paid_for_by_progress_or_by_patience() {
        let mut refresh = Refresh::new();
        let now = Millis(1000);
        let ask = |refresh: &mut Refresh| {
            refresh.asked();
            refresh.answered(now, true, 100);
            refresh.need_in_a_hurry();
            refresh.due(now, 5000) == Some(now)
        };
        assert!(ask(&mut refresh), "the first one waited for nothing");
        assert!(!ask(&mut refresh), "nothing came of it");
        assert!(ask(&mut refresh), "the one before has waited");
        refresh.asked();
        refresh.progressed();
        refresh.answered(now, true, 100);
        refresh.need_in_a_hurry();
        assert_eq!(refresh.due(now, 5000), Some(now), "a batch got through");
    }

    #[test]
    fn an_old_answer_is_due_however_old_it_is() {
        let mut refresh = Refresh::new();
        refresh.asked();
        refresh.answered(Millis(0), true, 100);
        for day in 1..60_u32 {
            let now = Millis(day.wrapping_mul(86_400_000));
            refresh.forget_passed(now, 5000);
            assert!(refresh.due(now, 5000).is_some_and(|due| due.reached(now)), "day {day}");
        }
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
        refresh.asked();
        refresh.answered(Millis(100), true, 100);
        assert_eq!(refresh.failures(), 0, "the next backoff is a short one again");
    }
}
