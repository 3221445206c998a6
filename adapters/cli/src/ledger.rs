//! What became of every record: counts, the report's lines, and the first failures in words.
//!
//! Invariant: a record that was opened is closed exactly once, whatever happens to it, so that
//! `opened - closed` is what nobody knows the end of.
use crate::report::{Entry, Report};
use crate::talk::{self, thousands};
use kurier::{Cause, RecordError, RecordMetadata};
use kurier_core::error::{DeliveryError, Fate};
use kurier_core::wire::ErrorCode;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Failures of one name that are told in full; the rest is counted.
const TOLD: u64 = 5;

/// Where in the input a record was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The record's index, from 0.
    pub n: u64,
    /// Which of the input's files.
    pub file: usize,
    /// Its line there, from 1.
    pub line: u64,
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Records taken from the input.
    pub opened: u64,
    /// Of those, written.
    pub written: u64,
    /// Known not to be written.
    pub not_written: u64,
    /// Maybe written.
    pub maybe_written: u64,
}

impl Counts {
    /// Records without an end yet.
    pub(crate) fn open(&self) -> u64 {
        self.opened.saturating_sub(self.written + self.not_written + self.maybe_written)
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} written", thousands(self.written));
        for (count, what) in [
            (self.not_written, "not written"),
            (self.maybe_written, "maybe written"),
            (self.open(), "without an outcome"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {} {what}", thousands(count)));
            }
        }
        text
    }
}

/// What became of every record.
pub(crate) struct Ledger {
    files: Vec<String>,
    report: Option<Report>,
    opened: AtomicU64,
    written: AtomicU64,
    not_written: AtomicU64,
    maybe_written: AtomicU64,
    /// By name.
    failures: Mutex<BTreeMap<&'static str, u64>>,
    dead: Mutex<HashSet<(String, Option<i32>)>>,
    any_dead: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// An empty one for input from `files`.
    pub(crate) fn new(files: Vec<String>, report: Option<Report>) -> Self {
        Self {
            files,
            report,
            opened: AtomicU64::new(0),
            written: AtomicU64::new(0),
            not_written: AtomicU64::new(0),
            maybe_written: AtomicU64::new(0),
            failures: Mutex::default(),
            dead: Mutex::default(),
            any_dead: AtomicBool::new(false),
        }
    }

    /// Takes a record from the input; waits while the report is too far behind.
    pub(crate) fn open(&self) {
        if let Some(report) = &self.report {
            report.wait_for_room();
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// The record opened last was never sent, and nothing is told of it.
    pub(crate) fn withdraw(&self) {
        self.opened.fetch_sub(1, Ordering::Relaxed);
    }

    /// The end of a record, as the producer tells it.
    pub(crate) fn close(&self, place: Place, asked: Option<i32>, end: Result<RecordMetadata, RecordError>) {
        match end {
            Ok(metadata) => self.close_written(place, metadata),
            Err(error) => {
                self.bury(asked, &error);
                let name = error.code().map_or(error.name(), |code| ErrorCode(code).name());
                let fate = error.written();
                let partition = error.partition().or(asked);
                self.close_failed(place, error.topic(), partition, fate, name, &error.to_string());
            }
        }
    }

    fn close_written(&self, place: Place, metadata: RecordMetadata) {
        self.written.fetch_add(1, Ordering::Relaxed);
        if let Some(report) = &self.report {
            report.push(Entry {
                n: place.n,
                topic: metadata.topic,
                partition: Some(metadata.partition),
                offset: metadata.offset,
                timestamp: Some(metadata.timestamp.0).filter(|ms| *ms >= 0),
                outcome: Fate::Written.as_str(),
                error: None,
            });
        }
    }

    /// The end of a record that failed.
    pub(crate) fn close_failed(
        &self,
        place: Place,
        topic: &str,
        partition: Option<i32>,
        fate: Fate,
        name: &'static str,
        message: &str,
    ) {
        let counter = match fate {
            Fate::Written => &self.written,
            Fate::NotWritten => &self.not_written,
            Fate::MaybeWritten => &self.maybe_written,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let told = {
            let mut failures = locked(&self.failures);
            let count = failures.entry(name).or_default();
            *count += 1;
            *count
        };
        if told <= TOLD {
            let file = self.files.get(place.file).map_or("input", String::as_str);
            talk::say(format_args!("record {} ({file} line {}): {name}: {message}", place.n, place.line));
        }
        if let Some(report) = &self.report {
            let error = Some((name, message.to_owned()));
            let topic = Arc::from(topic);
            let outcome = fate.as_str();
            report.push(Entry {
                n: place.n,
                topic,
                partition,
                offset: None,
                timestamp: None,
                outcome,
                error,
            });
        }
    }

    /// Remembers a topic, or one partition of it, that no record can be sent to, so that no other record waits
    /// for it in vain.
    fn bury(&self, asked: Option<i32>, error: &RecordError) {
        let partition = match error.cause() {
            Cause::TopicName(_) | Cause::TopicRefused(_) | Cause::Delivery(DeliveryError::Topic(_)) => None,
            Cause::NoMetadata { .. } | Cause::NoPartition { .. } => asked,
            _ => return,
        };
        locked(&self.dead).insert((error.topic().to_owned(), partition));
        self.any_dead.store(true, Ordering::Release);
    }

    /// Whether an earlier record showed that this one cannot be sent.
    pub(crate) fn is_dead(&self, topic: &str, partition: Option<i32>) -> bool {
        self.any_dead.load(Ordering::Acquire) && {
            let dead = locked(&self.dead);
            let key = |partition| (topic.to_owned(), partition);
            dead.contains(&key(None)) || partition.is_some() && dead.contains(&key(partition))
        }
    }

    /// Counts at this moment.
    pub(crate) fn counts(&self) -> Counts {
        // Ends first, so that no record is seen to end before it began.
        let of = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let (written, not_written) = (of(&self.written), of(&self.not_written));
        let maybe_written = of(&self.maybe_written);
        Counts { written, not_written, maybe_written, opened: of(&self.opened) }
    }

    /// Failures that were not told one by one, in words.
    pub(crate) fn untold(&self) -> Vec<String> {
        let failures = locked(&self.failures);
        let more = failures.iter().filter(|(_, count)| **count > TOLD);
        more.map(|(name, count)| match count - TOLD {
            1 => format!("{name}: 1 more record like these"),
            more => format!("{name}: {} more records like these", thousands(more)),
        })
        .collect()
    }

    /// Ends the report.
    ///
    /// # Errors
    /// It is not complete.
    pub(crate) fn finish(&self) -> std::io::Result<()> {
        self.report.as_ref().map_or(Ok(()), Report::finish)
    }
}
