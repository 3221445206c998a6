//! The `kurier` command at work: records into its input as fast as it takes them, its report out of its output.
//!
//! One process for the whole run. The topic changes from one record to the next, so that a part of the log can be
//! judged and removed while sending goes on.
use super::book::{Line, Outcome, Segment};
use super::records::Sent;
use crate::kafka::{Failure, command, spawn};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes handed over at once: no more than a pipe holds.
const CHUNK: usize = 32 * 1024;

/// The running command.
#[derive(Debug)]
pub(super) struct Command {
    child: Child,
    shared: Arc<Shared>,
    said: PathBuf,
    feeder: Option<JoinHandle<std::io::Result<()>>>,
    reader: Option<JoinHandle<Result<(), String>>>,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    begin: Instant,
    /// The last one is being sent; the others wait to be judged.
    segments: Mutex<VecDeque<Segment>>,
    /// The topic to go on with.
    next: Mutex<Option<String>>,
    end: AtomicBool,
    /// Records handed over.
    fed: AtomicU64,
    /// Lines of the report.
    told: AtomicU64,
    /// Milliseconds of the run at which a record was last told as written, and the longest time between two such.
    written_at: AtomicU64,
    stall: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Command {
    /// Starts it, with `arguments` after its own, and begins to send to `topic`.
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        folder: &Path,
        seed: u64,
        topic: &str,
    ) -> Result<Self, Failure> {
        let said = folder.join("said.txt");
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", program.display()));
        let mut run = command(program, false);
        run.args(["produce", "--format", "json", "--report", "-"]).args(arguments);
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&said).map_err(failed)?);
        let mut child = spawn(run).map_err(failed)?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (input, output) = streams.ok_or_else(|| Failure::new("the command has no streams"))?;
        let shared = Arc::new(Shared {
            seed,
            begin: Instant::now(),
            segments: Mutex::new([Segment::new(topic.to_owned(), seed, 0)].into()),
            next: Mutex::default(),
            end: AtomicBool::new(false),
            fed: AtomicU64::new(0),
            told: AtomicU64::new(0),
            written_at: AtomicU64::new(0),
            stall: AtomicU64::new(0),
        });
        let (feeding, reading) = (Arc::clone(&shared), Arc::clone(&shared));
        let topic = topic.to_owned();
        let feeder = std::thread::spawn(move || feeding.feed(input, topic));
        let reader = std::thread::spawn(move || reading.read(output));
        Ok(Self { child, shared, said, feeder: Some(feeder), reader: Some(reader) })
    }

    /// From the next record on, goes to `topic`; the segment before is complete when its records are told.
    pub(super) fn go_on(&self, topic: &str) {
        *locked(&self.shared.next) = Some(topic.to_owned());
    }

    /// Sends no more.
    pub(super) fn end_input(&self) {
        self.shared.end.store(true, Ordering::Relaxed);
    }

    /// Takes the oldest segment once its records all have their lines; `None` if that is not so after `patience`, or if
    /// the command ended.
    pub(super) fn complete(&self, patience: Duration) -> Option<Segment> {
        let end = Instant::now() + patience;
        loop {
            {
                let mut segments = locked(&self.shared.segments);
                if segments.front().is_some_and(Segment::complete) {
                    return segments.pop_front();
                }
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What is left of the oldest segment, as far as it was told.
    pub(super) fn incomplete(&self) -> Option<Segment> {
        locked(&self.shared.segments).pop_front()
    }

    /// Records handed over, and lines of the report.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.shared.fed.load(Ordering::Relaxed), self.shared.told.load(Ordering::Relaxed))
    }

    /// The longest time in which no record was told as written, while records were sent.
    pub(super) fn stall(&self) -> Duration {
        Duration::from_millis(self.shared.stall.load(Ordering::Relaxed))
    }

    /// How long no record has been told as written by now.
    pub(super) fn silence(&self) -> Duration {
        let at = Duration::from_millis(self.shared.written_at.load(Ordering::Relaxed));
        self.shared.begin.elapsed().saturating_sub(at)
    }

    /// Waits for its end; `None` if it does not come within `patience`. Fails if what it said or took is not as agreed.
    pub(super) fn finish(mut self, patience: Duration) -> Result<Option<ExitStatus>, Failure> {
        let end = Instant::now() + patience;
        let failed = |error: std::io::Error| Failure::new(format!("the command: {error}"));
        let status = loop {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                break status;
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let fed = self.feeder.take().and_then(|feeder| feeder.join().ok());
        fed.unwrap_or(Ok(())).map_err(failed)?;
        let read = self.reader.take().and_then(|reader| reader.join().ok());
        read.unwrap_or(Ok(())).map_err(Failure::new)?;
        Ok(Some(status))
    }

    /// The end of what it wrote to stderr.
    pub(super) fn said(&self) -> String {
        let text = std::fs::read(&self.said).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_default();
        let last: Vec<_> = text.lines().rev().take(20).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        // Gone already, mostly.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Shared {
    fn feed(&self, mut input: ChildStdin, mut topic: String) -> std::io::Result<()> {
        let (mut lines, mut n, mut first) = (String::new(), 0, 0);
        while !self.end.load(Ordering::Relaxed) {
            if let Some(next) = locked(&self.next).take() {
                let mut segments = locked(&self.segments);
                if let Some(segment) = segments.back_mut() {
                    segment.count = Some(n - first);
                }
                (topic, first) = (next, n);
                segments.push_back(Segment::new(topic.clone(), self.seed, n));
            }
            lines.clear();
            while lines.len() < CHUNK {
                Sent::new(self.seed, n).write(n, &topic, &mut lines);
                n += 1;
            }
            input.write_all(lines.as_bytes())?;
            self.fed.store(n, Ordering::Relaxed);
        }
        if let Some(segment) = locked(&self.segments).back_mut() {
            segment.count = Some(n - first);
        }
        Ok(())
    }

    fn read(&self, output: ChildStdout) -> Result<(), String> {
        let mut lines = BufReader::with_capacity(256 * 1024, output);
        let mut text = String::new();
        loop {
            text.clear();
            match lines.read_line(&mut text) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(format!("the report cannot be read: {error}")),
            }
            self.take(&text).ok_or_else(|| format!("not a line of a report: {text}"))?;
        }
    }

    /// Notes one line of the report.
    fn take(&self, text: &str) -> Option<()> {
        let line: Value = serde_json::from_str(text).ok()?;
        let number = |name: &str| match line.get(name)? {
            Value::Null => Some(-1),
            number => number.as_i64().filter(|number| *number >= 0),
        };
        let (n, topic) = (line.get("n")?.as_u64()?, line.get("topic")?.as_str()?);
        let outcome = match line.get("outcome")?.as_str()? {
            "written" => Outcome::Written,
            "not-written" => Outcome::NotWritten,
            "maybe-written" => Outcome::MaybeWritten,
            _ => return None,
        };
        // Who failed says why.
        if outcome != Outcome::Written
            && (!line.get("error")?.is_string() || !line.get("message")?.is_string())
        {
            return None;
        }
        let now = u64::try_from(self.begin.elapsed().as_millis()).ok()?;
        let told = Line {
            outcome,
            partition: i32::try_from(number("partition")?).ok()?,
            offset: number("offset")?,
            timestamp: number("timestamp")?,
            at: u32::try_from(now).ok()?,
        };
        self.told.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::Written {
            let before = self.written_at.swap(now, Ordering::Relaxed);
            if !self.end.load(Ordering::Relaxed) {
                self.stall.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
            }
        }
        let mut segments = locked(&self.segments);
        let segment = segments.iter_mut().rev().find(|segment| segment.first <= n)?;
        segment.tell(n, topic, told);
        Some(())
    }
}
