//! The thread that reads the input and sends its records.
use crate::input::{Draft, Found, Input, Next};
use crate::ledger::{Ledger, Place};
use crate::pace::Pace;
use crate::talk;
use kurier::Producer;
use kurier_core::error::{Fate, SendError};
use kurier_core::record::{Header, Record};
use kurier_core::time::Timestamp;
use kurier_core::wire::ErrorCode;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bad lines that are told one by one when they are skipped.
const TOLD: u64 = 5;

/// What is done with every record of the input.
pub(super) struct Feed {
    /// For records that name none.
    pub(super) topic: Option<String>,
    /// Records cannot name a topic of their own.
    pub(super) only_topic: bool,
    /// For records that name none.
    pub(super) partition: Option<i32>,
    /// On every record, before its own.
    pub(super) headers: Vec<(String, String)>,
    pub(super) pace: Option<Pace>,
    pub(super) skip_bad_lines: bool,
    pub(super) max_record: usize,
    /// Where the report goes.
    pub(super) report: Option<PathBuf>,
}

/// How the input ended.
#[derive(Debug, Default)]
pub(super) struct FeedEnd {
    /// What ended it before its end.
    pub(super) problem: Option<String>,
    /// Bad lines.
    pub(super) skipped: u64,
}

/// Whether to go on.
enum Then {
    GoOn,
    End(Option<String>),
}

impl Feed {
    /// Sends all of `input`, until `stop`.
    pub(super) fn run(
        mut self,
        mut input: Input,
        producer: &Producer,
        ledger: &'static Ledger,
        stop: &AtomicBool,
    ) -> FeedEnd {
        let files = input.names();
        let mut end = FeedEnd::default();
        let mut n = 0;
        loop {
            let (at, next) = match input.next() {
                Ok(Some(found)) => found,
                Ok(None) => return end,
                Err(problem) => return FeedEnd { problem: Some(problem), ..end },
            };
            if let Some(pace) = &mut self.pace {
                pace.wait(stop);
            }
            if stop.load(Ordering::Relaxed) {
                return end;
            }
            let place = Place { n, file: at.file, line: at.line };
            let then = match next {
                Next::Bad(reason) => Err(reason),
                Next::TooLarge(bytes) => Ok(self.refuse(bytes, place, ledger)),
                Next::Record(draft) => self.send(&draft, place, producer, ledger, stop),
            };
            match then {
                Ok(Then::GoOn) => n += 1,
                Ok(Then::End(problem)) => return FeedEnd { problem, ..end },
                Err(reason) => {
                    let reason = bad_line(&files, at, &reason);
                    if !self.skip_bad_lines {
                        let problem = format!("{reason}; --skip-bad-lines goes on after such lines");
                        return FeedEnd { problem: Some(problem), ..end };
                    }
                    end.skipped += 1;
                    if end.skipped <= TOLD {
                        talk::say(format_args!("skipped: {reason}"));
                    }
                }
            }
        }
    }

    /// A record longer than any that could be sent, of which nothing was kept.
    fn refuse(&self, bytes: u64, place: Place, ledger: &Ledger) -> Then {
        ledger.open();
        let topic = self.topic.as_deref().unwrap_or_default();
        let max = self.max_record;
        let message =
            format!("topic {topic}: not-written: {bytes} bytes are more than max.request.size={max}");
        ledger.close_failed(place, topic, self.partition, Fate::NotWritten, "RECORD_TOO_LARGE", &message);
        Then::GoOn
    }

    /// # Errors
    /// The line is not a record that could be sent.
    fn send(
        &self,
        draft: &Draft<'_>,
        place: Place,
        producer: &Producer,
        ledger: &'static Ledger,
        stop: &AtomicBool,
    ) -> Result<Then, String> {
        let topic = draft.topic.as_deref().or(self.topic.as_deref());
        let topic = topic.ok_or("it names no topic, and there is no -t")?;
        let partition = draft.partition.or(self.partition);
        if ledger.is_dead(topic, partition) {
            if self.only_topic {
                let problem = format!("stopped reading: nothing can be sent to topic {topic}");
                return Ok(Then::End(Some(problem)));
            }
            ledger.open();
            let message = format!("topic {topic}: not-written: it failed for an earlier record");
            ledger.close_failed(place, topic, partition, Fate::NotWritten, "TOPIC_UNAVAILABLE", &message);
            return Ok(Then::GoOn);
        }
        let headers: Vec<Header<'_>> = self.headers(draft);
        let record = Record {
            key: draft.key.as_deref(),
            value: draft.value.as_deref(),
            headers: &headers,
            timestamp: draft.timestamp.map(Timestamp),
            partition,
        };
        ledger.open();
        let sent = producer.send_with_callback(topic, record, move |end| ledger.close(place, partition, end));
        Ok(match sent {
            Ok(()) => Then::GoOn,
            Err(SendError::Closed) if stop.load(Ordering::Relaxed) => {
                // Interrupted between reading and sending.
                ledger.withdraw();
                Then::End(None)
            }
            Err(error) => {
                let name = match error {
                    SendError::Fatal(code) => ErrorCode(code).name(),
                    _ => "REFUSED",
                };
                ledger.close_failed(place, topic, partition, Fate::NotWritten, name, &error.to_string());
                let over = matches!(error, SendError::Fatal(_) | SendError::Closed);
                if over { Then::End(Some(format!("stopped reading: {error}"))) } else { Then::GoOn }
            }
        })
    }

    fn headers<'a>(&'a self, draft: &'a Draft<'_>) -> Vec<Header<'a>> {
        let all = self.headers.iter().map(|(name, value)| Header { name, value: Some(value.as_bytes()) });
        all.chain(draft.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }))
            .collect()
    }
}

fn bad_line(files: &[String], at: Found, reason: &str) -> String {
    let file = files.get(at.file).map_or("input", String::as_str);
    format!("{file} line {}: {reason}", at.line)
}
