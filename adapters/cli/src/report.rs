//! The report: one JSON line for each record, in the order in which records end.
//!
//! Records end on the producer's thread, which must not wait for a disk or a pipe: it only puts an [`Entry`] into
//! a queue. A thread of the report's own writes. The queue is bounded by whoever sends: it calls
//! [`Report::wait_for_room`] before each record. Once a write fails the rest is dropped and counted.
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Entries that may wait before the sender does.
const QUEUE: usize = 65_536;

/// How one record ended.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The record's index in the input, from 0.
    pub n: u64,
    /// Where to.
    pub topic: Arc<str>,
    /// From 0, if known.
    pub partition: Option<i32>,
    /// Offset, if written and told.
    pub offset: Option<i64>,
    /// Unix ms, if written.
    pub timestamp: Option<i64>,
    /// `written`, `not-written` or `maybe-written`.
    pub outcome: &'static str,
    /// Name and text of the error.
    pub error: Option<(&'static str, String)>,
}

impl Entry {
    /// As a line of the report.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        write!(out, "{{\"n\": {}, \"topic\": {}", self.n, text(&self.topic))?;
        number(out, "partition", self.partition.map(i64::from))?;
        number(out, "offset", self.offset)?;
        number(out, "timestamp", self.timestamp)?;
        write!(out, ", \"outcome\": \"{}\"", self.outcome)?;
        if let Some((name, message)) = &self.error {
            write!(out, ", \"error\": {}, \"message\": {}", text(name), text(message))?;
        }
        out.write_all(b"}\n")
    }
}

fn number(out: &mut impl Write, name: &str, number: Option<i64>) -> io::Result<()> {
    match number {
        Some(number) => write!(out, ", \"{name}\": {number}"),
        None => write!(out, ", \"{name}\": null"),
    }
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    closed: bool,
    /// The first error, until it is taken.
    failed: Option<io::Error>,
    broken: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something to write, or closed.
    filled: Condvar,
    /// Room again, or broken.
    emptied: Condvar,
    /// Called once, when a write fails.
    alarm: Box<dyn Fn(&io::Error) + Send + Sync>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A report that is being written.
pub(crate) struct Report {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Report {
    /// A new report at `path`; `-` is stdout. `alarm` is called once if it cannot be written any more.
    ///
    /// # Errors
    /// The file cannot be created, or there is no thread to write it.
    pub(crate) fn create(
        path: &Path,
        alarm: impl Fn(&io::Error) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let out: Box<dyn Write + Send> =
            if path.as_os_str() == "-" { Box::new(io::stdout()) } else { Box::new(File::create(path)?) };
        Self::to(out, alarm)
    }

    fn to(
        out: Box<dyn Write + Send>,
        alarm: impl Fn(&io::Error) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            alarm: Box::new(alarm),
        });
        let theirs = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("kurier-report".to_owned())
            .spawn(move || write(out, &theirs))?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Adds a record's end. Never waits for the file.
    pub(crate) fn push(&self, entry: Entry) {
        let mut queue = self.shared.queue();
        if !queue.broken {
            queue.entries.push(entry);
            if queue.entries.len() == 1 {
                self.shared.filled.notify_one();
            }
        }
    }

    /// Waits while too much is not written yet.
    pub(crate) fn wait_for_room(&self) {
        let mut queue = self.shared.queue();
        while queue.entries.len() >= QUEUE {
            queue = self.shared.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The report is not complete, and why.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            return Err(io::Error::other("the thread that writes it ended"));
        }
        self.shared.queue().failed.take().map_or(Ok(()), Err)
    }
}

/// The report's thread.
fn write(out: Box<dyn Write + Send>, shared: &Shared) {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    let mut batch = Vec::new();
    loop {
        let mut queue = shared.queue();
        while queue.entries.is_empty() && !queue.closed {
            queue = shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.entries.is_empty() {
            return;
        }
        std::mem::swap(&mut batch, &mut queue.entries);
        drop(queue);
        shared.emptied.notify_all();
        // Whole lines reach the file as soon as there is nothing to wait for.
        let written = batch.drain(..).try_for_each(|entry| entry.write(&mut out)).and_then(|()| out.flush());
        if let Err(error) = written {
            let mut queue = shared.queue();
            queue.broken = true;
            queue.entries = Vec::new();
            drop(queue);
            shared.emptied.notify_all();
            (shared.alarm)(&error);
            shared.queue().failed = Some(error);
            // What the buffer holds must not be tried once more when it is dropped.
            let _unwritten = out.into_parts();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn entry(n: u64) -> Entry {
        Entry {
            n,
            topic: "t".into(),
            partition: Some(0),
            offset: Some(17),
            timestamp: Some(1_700_000_000_000),
            outcome: "written",
            error: None,
        }
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);
    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_json_with_the_documented_members() {
        let memory = Memory::default();
        let report = Report::to(Box::new(memory.clone()), |_| {}).unwrap();
        report.push(entry(0));
        report.push(Entry {
            topic: "a\"b".into(),
            partition: None,
            offset: None,
            timestamp: None,
            outcome: "maybe-written",
            error: Some(("NOT_ENOUGH_REPLICAS", "say \"it\"\n".to_owned())),
            ..entry(1)
        });
        report.finish().unwrap();
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"n": 0, "topic": "t", "partition": 0, "offset": 17, "timestamp": 1700000000000, "outcome": "written"}"#
        );
        let value: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(value["topic"], "a\"b");
        assert_eq!(value["message"], "say \"it\"\n");
        assert_eq!(value["error"], "NOT_ENOUGH_REPLICAS");
        assert!(value["partition"].is_null() && value["offset"].is_null() && value["timestamp"].is_null());
    }

    #[test]
    fn bad_input_a_full_disk_is_told_once_and_never_blocks_the_sender() {
        let alarms = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&alarms);
        let report = Report::create(Path::new("/dev/full"), move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
        for n in 0..200_000 {
            report.wait_for_room();
            report.push(entry(n));
        }
        let error = report.finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(alarms.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_slow_report_holds_the_sender_back() {
        struct Slow(Arc<AtomicUsize>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                std::thread::sleep(std::time::Duration::from_micros(200));
                self.0.fetch_add(bytes.len(), Ordering::SeqCst);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Arc::new(AtomicUsize::new(0));
        let report = Report::to(Box::new(Slow(Arc::clone(&written))), |_| {}).unwrap();
        for n in 0..4 * QUEUE as u64 {
            report.wait_for_room();
            report.push(entry(n));
            assert!(report.shared.queue().entries.len() <= QUEUE);
        }
        report.finish().unwrap();
        assert!(written.load(Ordering::SeqCst) > 4 * QUEUE * 90);
    }
}
