//! What a run came to: the table at its end, and whether it is good.
use super::book::{Counts, DUPLICATED, LOST, REORDERED, Wrong};
use super::faults::Happened;
use std::fmt;
use std::time::Duration;

/// The verdict on a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub(super) counts: Counts,
    pub(super) wrong: Wrong,
    /// What did not come to its end.
    pub(super) stuck: Vec<String>,
    pub(super) happened: Happened,
    /// Leaders that had to be killed.
    pub(super) kills: u64,
    pub(super) stall: Duration,
    pub(super) time: Duration,
    /// The last lines of the command's stderr.
    pub(super) said: String,
}

impl Verdict {
    /// What happened to brokers and links.
    pub fn happened(&self) -> Happened {
        self.happened
    }

    /// Records that were sent, and of those that were acknowledged.
    pub fn records(&self) -> (u64, u64) {
        (self.counts.sent, self.counts.written)
    }

    /// What is not as it should be, in words; none if the run is good. A run in which too little happened proves
    /// nothing, and is not good.
    pub fn problems(&self) -> Vec<String> {
        let wrong = self.wrong.counts.iter().map(|(kind, count)| format!("{count} records {kind}"));
        let mut problems: Vec<_> = wrong.chain(self.stuck.iter().cloned()).collect();
        let Happened { kills, pauses, reassigns, cuts: [requests, answers, _], .. } = self.happened;
        for (count, least, what) in [
            (kills, self.kills.max(1), "leaders were killed"),
            (pauses, 1, "brokers were paused"),
            (reassigns, 1, "partitions were reassigned"),
            (requests, 1, "links were cut within requests"),
            (answers, 1, "links were cut within answers"),
            (self.counts.written, 1000, "records were written"),
        ] {
            if count < least {
                problems.push(format!("only {count} {what}, {least} at least are a test"));
            }
        }
        problems
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counts, happened) = (&self.counts, &self.happened);
        let others: u64 = self.wrong.counts.values().sum::<u64>()
            - [LOST, DUPLICATED, REORDERED].iter().map(|kind| self.wrong.of(kind)).sum::<u64>();
        let [requests, answers, links] = happened.cuts;
        for (what, count) in [
            ("records sent", counts.sent),
            ("written", counts.written),
            ("maybe-written", counts.maybe_written),
            ("  of them in the log", counts.maybe_found),
            ("not-written", counts.not_written),
            (LOST, self.wrong.of(LOST)),
            (DUPLICATED, self.wrong.of(DUPLICATED)),
            (REORDERED, self.wrong.of(REORDERED)),
            ("otherwise wrong", others),
            ("leader kills", happened.kills),
            ("leader restarts", happened.restarts),
            ("pauses", happened.pauses),
            ("reassigns", happened.reassigns),
            ("cuts within requests", requests),
            ("cuts within answers", answers),
            ("cuts of whole links", links),
            ("links hindered", happened.hindered),
        ] {
            writeln!(f, "{what:<22} {count:>12}")?;
        }
        writeln!(f, "{:<22} {:>12.1} s", "longest stall", self.stall.as_secs_f64())?;
        writeln!(f, "{:<22} {:>12.1}", "seconds", self.time.as_secs_f64())?;
        for words in self.wrong.words.iter().chain(&self.problems()) {
            writeln!(f, "{words}")?;
        }
        if !self.problems().is_empty() && !self.said.is_empty() {
            writeln!(f, "the command said\n{}", self.said)?;
        }
        write!(
            f,
            "records {}: lost {}, duplicated {}, reordered {}; leader kills {}",
            counts.sent,
            self.wrong.of(LOST),
            self.wrong.of(DUPLICATED),
            self.wrong.of(REORDERED),
            happened.kills
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Verdict {
        let counts = Counts { sent: 5000, written: 4990, not_written: 10, ..Counts::default() };
        let happened =
            Happened { kills: 20, pauses: 5, reassigns: 4, cuts: [3, 4, 5], ..Happened::default() };
        let (wrong, stuck) = (Wrong::default(), Vec::new());
        let (stall, time) = (Duration::from_secs(4), Duration::from_secs(600));
        Verdict { counts, wrong, stuck, happened, kills: 20, stall, time, said: String::new() }
    }

    #[test]
    fn a_run_is_good_only_if_nothing_is_wrong_and_enough_happened() {
        assert_eq!(good().problems(), Vec::<String>::new());
        assert!(
            good().to_string().ends_with("records 5000: lost 0, duplicated 0, reordered 0; leader kills 20")
        );
        let mut lost = good();
        lost.wrong.counts.insert(LOST, 2);
        assert_eq!(lost.problems(), ["2 records lost"]);
        assert!(lost.to_string().contains("lost 2,"));
        let few = Verdict { happened: Happened { kills: 19, ..good().happened }, ..good() };
        assert_eq!(few.problems().len(), 1);
        let idle = Verdict { happened: Happened::default(), ..good() };
        assert_eq!(idle.problems().len(), 5);
        let stuck = Verdict { stuck: vec!["7 records have no end".to_owned()], ..good() };
        assert_eq!(stuck.problems().len(), 1);
    }
}
