//! What the report said of each record, in a few bytes a record, and the comparison with what the log holds.
//!
//! Not in here: where either comes from. So that a wrong report and a wrong log can be made up in tests.
use super::records::{PARTITIONS, Sent, number};
use kurier_kafka::read;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Wrong records of each kind that are told in words.
const TOLD: usize = 5;

/// How a record ended, by its line in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Written,
    NotWritten,
    MaybeWritten,
}

/// One line of the report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) outcome: Outcome,
    /// -1 if it is not known.
    pub(super) partition: i32,
    /// -1 if it is not known.
    pub(super) offset: i64,
    /// -1 if it is not known.
    pub(super) timestamp: i64,
    /// Milliseconds of the run.
    pub(super) at: u32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outcome, partition, offset, timestamp, at } = self;
        let seconds = f64::from(*at) / 1000.0;
        write!(
            f,
            "{outcome:?} after {seconds} s: partition {partition}, offset {offset}, timestamp {timestamp}"
        )
    }
}

/// What is known of one record.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    line: Option<Line>,
    seen: u8,
}

/// The records of one topic: those from `first` on.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) topic: String,
    seed: u64,
    pub(super) first: u64,
    /// How many there are, once that is known.
    pub(super) count: Option<u64>,
    entries: Vec<Entry>,
    told: u64,
    /// Of each partition, the record told last as written.
    last_told: BTreeMap<i32, u64>,
    pub(super) wrong: Wrong,
}

/// What must not be, by its name, and the first few of each kind in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrong {
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) words: Vec<String>,
}

/// Acknowledged and not in the log.
pub(super) const LOST: &str = "lost";
/// In the log more than once.
pub(super) const DUPLICATED: &str = "duplicated";
/// In the log behind a later record of its partition.
pub(super) const REORDERED: &str = "reordered";
/// In the log, and told as not written.
pub(super) const DENIED: &str = "denied";
/// In the log at another place than was told.
pub(super) const MISPLACED: &str = "misplaced";
/// In the log with other bytes.
pub(super) const ALTERED: &str = "altered";
/// Without a line in the report.
pub(super) const UNTOLD: &str = "untold";
/// With a second line, a line of another topic, or out of turn in the report.
pub(super) const MISTOLD: &str = "mistold";
/// In the log, and never sent.
pub(super) const FOREIGN: &str = "foreign";

impl Wrong {
    fn add(&mut self, kind: &'static str, words: impl FnOnce() -> String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= TOLD as u64 {
            self.words.push(format!("{kind}: {}", words()));
        }
    }

    pub(super) fn of(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.words.extend(other.words);
    }
}

/// Outcomes counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) written: u64,
    pub(super) not_written: u64,
    pub(super) maybe_written: u64,
    /// Of the maybe written, those that the log holds.
    pub(super) maybe_found: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.written += other.written;
        self.not_written += other.not_written;
        self.maybe_written += other.maybe_written;
        self.maybe_found += other.maybe_found;
    }
}

impl Segment {
    pub(super) fn new(topic: String, seed: u64, first: u64) -> Self {
        Self {
            topic,
            seed,
            first,
            count: None,
            entries: Vec::new(),
            told: 0,
            last_told: BTreeMap::new(),
            wrong: Wrong::default(),
        }
    }

    /// Whether every record has its line.
    pub(super) fn complete(&self) -> bool {
        self.count.is_some_and(|count| self.told >= count)
    }

    /// Records without a line, as far as their number is known.
    pub(super) fn open(&self) -> u64 {
        self.count.unwrap_or(0).saturating_sub(self.told)
    }

    /// Takes a line of the report.
    pub(super) fn tell(&mut self, n: u64, topic: &str, line: Line) {
        if topic != self.topic {
            self.wrong.add(MISTOLD, || format!("record {n} of {} is told of {topic}", self.topic));
        }
        let Some(index) = n.checked_sub(self.first).and_then(|index| usize::try_from(index).ok()) else {
            return;
        };
        if index >= self.entries.len() {
            self.entries.resize(index + 1, Entry::default());
        }
        let Some(entry) = self.entries.get_mut(index) else { return };
        if let Some(before) = entry.line.replace(line) {
            self.wrong.add(MISTOLD, || format!("record {n} has two lines: {before} and {line}"));
        } else {
            self.told += 1;
        }
        if line.outcome == Outcome::Written
            && let Some(before) = self.last_told.insert(line.partition, n).filter(|before| *before > n)
        {
            self.wrong.add(MISTOLD, || {
                format!("record {n} of partition {} was told after {before}", line.partition)
            });
        }
    }

    /// Compares with the log: `read` hands each of its records over, in order within a partition. Gives the counts, and
    /// how many records the log holds in each partition.
    pub(super) fn audit<E>(
        &mut self,
        read: impl FnOnce(&mut dyn FnMut(read::Record)) -> Result<(), E>,
    ) -> Result<(Counts, Vec<u64>), E> {
        let mut log = Log::default();
        read(&mut |record| self.find(&mut log, &record))?;
        let count = self.count.unwrap_or(0);
        let mut counts = Counts { sent: count, ..Counts::default() };
        self.entries
            .resize(usize::try_from(count).unwrap_or(usize::MAX).max(self.entries.len()), Entry::default());
        for (n, entry) in (self.first..).zip(&self.entries) {
            let Some(line) = entry.line else {
                self.wrong.add(UNTOLD, || format!("record {n} has no line in the report"));
                continue;
            };
            let found = entry.seen > 0;
            match line.outcome {
                Outcome::Written => counts.written += 1,
                Outcome::NotWritten => counts.not_written += 1,
                Outcome::MaybeWritten => {
                    counts.maybe_written += 1;
                    counts.maybe_found += u64::from(found);
                }
            }
            if line.outcome == Outcome::Written && !found {
                self.wrong.add(LOST, || format!("record {n}, told {line}"));
            }
            if line.outcome == Outcome::NotWritten && found {
                self.wrong.add(DENIED, || format!("record {n} is in the log, told {line}"));
            }
        }
        Ok((counts, log.counts))
    }

    /// Judges one record of the log.
    fn find(&mut self, log: &mut Log, record: &read::Record) {
        let at = (record.partition, record.offset);
        log.count(record.partition);
        let n = number(record.key.as_deref(), record.value.as_deref());
        let entry = n.and_then(|n| self.entries.get_mut(usize::try_from(n.checked_sub(self.first)?).ok()?));
        let (Some(n), Some(entry)) = (n, entry) else {
            self.wrong.add(FOREIGN, || format!("{n:?} at {at:?} was not sent here"));
            return;
        };
        entry.seen = entry.seen.saturating_add(1);
        let before = log.last.insert(record.partition, n);
        if entry.seen > 1 {
            self.wrong.add(DUPLICATED, || format!("record {n} is at {at:?} too, told {}", told(entry.line)));
        } else if let Some(before) = before.filter(|before| *before > n) {
            self.wrong.add(REORDERED, || {
                format!("record {n} at {at:?} comes after {before}, told {}", told(entry.line))
            });
        }
        let sent = Sent::new(self.seed, n);
        let headers = if sent.header { format!("n={n}") } else { String::new() };
        let same = record.key.as_deref() == sent.key.as_deref().map(str::as_bytes)
            && record.value.as_deref() == sent.value.as_deref().map(str::as_bytes)
            && record.headers == headers;
        if !same {
            self.wrong.add(ALTERED, || format!("record {n} at {at:?} is {record:?}"));
        }
        let home = sent
            .key
            .filter(|_| sent.value.is_some())
            .map(|key| *log.homes.entry(key).or_insert(record.partition));
        if sent.partition.or(home).is_some_and(|wanted| wanted != record.partition) {
            self.wrong.add(MISPLACED, || format!("record {n} at {at:?} belongs to another partition"));
        }
        if let Some(line) = entry.line.filter(|line| line.outcome == Outcome::Written) {
            // A broker that only knows that it has the batch does not say where.
            let placed = line.offset < 0 || u64::try_from(line.offset) == Ok(record.offset);
            let stamped = line.timestamp < 0 || line.timestamp == record.timestamp;
            if !placed || !stamped || u32::try_from(line.partition) != Ok(record.partition) {
                self.wrong.add(MISPLACED, || {
                    format!("record {n} of {} is at {at:?}, told {line}", record.timestamp)
                });
            }
        }
    }
}

fn told(line: Option<Line>) -> String {
    line.map_or("nowhere".to_owned(), |line| line.to_string())
}

/// What was seen of the log so far.
#[derive(Default)]
struct Log {
    last: HashMap<u32, u64>,
    homes: HashMap<String, u32>,
    counts: Vec<u64>,
}

impl Log {
    fn count(&mut self, partition: u32) {
        self.counts.resize(self.counts.len().max(PARTITIONS as usize), 0);
        if let Some(count) = self.counts.get_mut(partition as usize) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const FIRST: u64 = 1000;

    /// A segment of 36 records as it should be, and its log.
    fn sound() -> (Segment, Vec<read::Record>) {
        let (mut segment, mut log) = (Segment::new("t".to_owned(), 1, FIRST), Vec::new());
        let mut next = [0_u64; PARTITIONS as usize];
        for n in FIRST..FIRST + 36 {
            let sent = Sent::new(1, n);
            let partition = sent.partition.unwrap_or(sent.key.as_ref().map_or(0, |key| key.len() as u32));
            let offset = next[partition as usize];
            next[partition as usize] += 1;
            segment.tell(n, "t", line(Outcome::Written, partition, offset));
            log.push(read::Record {
                partition,
                offset,
                timestamp: 5,
                key: sent.key.map(String::into_bytes),
                value: sent.value.map(String::into_bytes),
                headers: if sent.header { format!("n={n}") } else { String::new() },
            });
        }
        segment.count = Some(36);
        (segment, log)
    }

    fn line(outcome: Outcome, partition: u32, offset: u64) -> Line {
        Line { outcome, partition: partition as i32, offset: offset as i64, timestamp: 5, at: 0 }
    }

    fn judge(mut segment: Segment, log: Vec<read::Record>) -> (Counts, BTreeMap<&'static str, u64>) {
        let audited = segment.audit(|see| {
            log.into_iter().for_each(see);
            Ok::<_, Infallible>(())
        });
        (audited.unwrap().0, segment.wrong.counts)
    }

    /// What is wrong after `change`.
    fn wrong(change: impl FnOnce(&mut Segment, &mut Vec<read::Record>)) -> Vec<(&'static str, u64)> {
        let (mut segment, mut log) = sound();
        change(&mut segment, &mut log);
        judge(segment, log).1.into_iter().collect()
    }

    #[test]
    fn a_sound_log_and_report_have_nothing_wrong() {
        let (segment, log) = sound();
        let (counts, wrong) = judge(segment, log);
        assert_eq!((counts.sent, counts.written, wrong.len()), (36, 36, 0));
    }

    #[test]
    fn what_is_wrong_with_the_log_is_named() {
        assert_eq!(wrong(|_, log| drop(log.remove(7))), [(LOST, 1)]);
        // At a place that was not told, of course.
        let doubled = wrong(|_, log| log.push(read::Record { offset: 99, ..log[35].clone() }));
        assert_eq!(doubled, [(DUPLICATED, 1), (MISPLACED, 1)]);
        assert_eq!(wrong(|_, log| log[3].value = Some(b"n=1003 x".to_vec())), [(ALTERED, 1)]);
        assert_eq!(wrong(|_, log| log[4].headers = "n=1".to_owned()), [(ALTERED, 1)]);
        assert_eq!(wrong(|_, log| log[5].offset += 1), [(MISPLACED, 1)]);
        assert_eq!(wrong(|_, log| log[6].value = Some(b"other".to_vec())), [(FOREIGN, 1), (LOST, 1)]);
        let swapped = wrong(|_, log| {
            let of: Vec<_> = (0..36).filter(|at| log[*at].partition == 0).collect();
            log.swap(of[0], of[1]);
        });
        assert_eq!(swapped, [(REORDERED, 1)]);
    }

    #[test]
    fn what_is_wrong_with_the_report_is_named() {
        let tell = |n: u64, outcome| {
            move |segment: &mut Segment, _: &mut Vec<_>| {
                segment.entries[n as usize].line = Some(line(outcome, 0, 0));
            }
        };
        assert_eq!(wrong(tell(9, Outcome::NotWritten)), [(DENIED, 1)]);
        assert_eq!(wrong(tell(9, Outcome::MaybeWritten)), []);
        assert_eq!(
            wrong(|segment, log| {
                segment.entries[9].line = Some(line(Outcome::NotWritten, 0, 0));
                log.remove(9);
            }),
            []
        );
        assert_eq!(wrong(|segment, _| segment.entries[9].line = None), [(UNTOLD, 1)]);
        assert_eq!(wrong(|segment, _| segment.count = Some(37)), [(UNTOLD, 1)]);
        let twice = wrong(|segment, _| segment.tell(FIRST + 35, "t", segment.entries[35].line.unwrap()));
        assert_eq!(twice, [(MISTOLD, 1)]);
        let late = wrong(|segment, _| {
            let told = segment.entries[0].line.take().unwrap();
            segment.last_told.insert(told.partition, FIRST + 30);
            segment.tell(FIRST, "t", told);
        });
        assert_eq!(late, [(MISTOLD, 1)]);
        let elsewhere = wrong(|segment, _| {
            let told = segment.entries[35].line.take().unwrap();
            segment.tell(FIRST + 35, "u", told);
        });
        assert_eq!(elsewhere, [(MISTOLD, 1)]);
    }
}
