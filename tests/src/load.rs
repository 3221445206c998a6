//! A steady stream of numbered records while a cluster is disturbed, and the audit of what it came to hold.
//!
//! One thread sends, a third of the records to a partition that is named, a third by key, a third wherever the
//! partitioner likes; so the numbers must rise in every partition. The audit compares what the producer told
//! with what another tool read from the log, and never asks the producer twice.
#![allow(clippy::unwrap_used, clippy::panic)] // only tests use it
use kurier::config::Config;
use kurier::{Producer, Record, RecordError, RecordMetadata};
use kurier_kafka::read;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Records of one turn, and the pause after it: about 2000 a second.
const TURN: u64 = 10;
const PAUSE: Duration = Duration::from_millis(5);
/// Longer than a delivery may take in any test here.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of one record.
#[derive(Debug)]
pub struct End {
    /// Its number.
    pub n: u64,
    /// What the producer told.
    pub told: Result<RecordMetadata, RecordError>,
}

/// Records under way.
#[derive(Debug)]
pub struct Load {
    producer: Producer,
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    topic: String,
    /// Partitions that are named in records.
    partitions: AtomicU64,
    stop: AtomicBool,
    /// Records handed to the producer.
    sent: AtomicU64,
    ends: Mutex<Vec<End>>,
}

impl Load {
    /// Begins to send to `topic`, whose first `partitions` are also named in records.
    pub fn start(config: &Config, topic: &str, partitions: u32) -> Self {
        let producer = Producer::connect(config).unwrap();
        let shared = Arc::new(Shared {
            topic: topic.to_owned(),
            partitions: AtomicU64::new(partitions.into()),
            stop: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            ends: Mutex::default(),
        });
        let sender = {
            let (producer, shared) = (producer.clone(), Arc::clone(&shared));
            std::thread::spawn(move || shared.send(&producer))
        };
        Self { producer, shared, sender }
    }

    /// Names more partitions from now on.
    pub fn name_partitions(&self, partitions: u32) {
        self.shared.partitions.store(partitions.into(), Ordering::Relaxed);
    }

    /// Records handed to the producer so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Waits until each of the partitions acknowledged a record that was sent after this call; gives how long it took.
    pub fn await_progress(&self, partitions: u32, what: &str) -> Duration {
        let (begin, first) = (Instant::now(), self.sent());
        loop {
            let mut waiting: Vec<_> = (0..partitions).collect();
            for end in self.shared.ends().iter().filter(|end| end.n >= first) {
                if let Ok(told) = &end.told {
                    waiting.retain(|partition| *partition != told.partition.cast_unsigned());
                }
            }
            if waiting.is_empty() {
                println!("{what}: acknowledged everywhere after {:?}", begin.elapsed());
                return begin.elapsed();
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: nothing from {waiting:?} {}", self.state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends no more, waits for every record's end, and closes.
    pub fn finish(self) -> Vec<End> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + PATIENCE;
        while !self.sender.is_finished() {
            assert!(Instant::now() < until, "a send hangs; {}", self.state());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.sender.join().unwrap();
        let closed = self.producer.close(PATIENCE);
        assert_eq!(closed, Ok(()));
        let metrics = self.producer.metrics();
        let retries = metrics.iter().find(|(name, _)| *name == "record-retry-total");
        let ends = std::mem::take(&mut *self.shared.ends());
        println!("{} records, retries: {retries:?}", ends.len());
        assert_eq!(ends.len() as u64, self.shared.sent.load(Ordering::Relaxed), "each record has one end");
        ends
    }

    fn state(&self) -> String {
        let ends = self.shared.ends();
        let failed = ends.iter().find_map(|end| end.told.as_ref().err());
        format!("{} sent, {} ended, first failure {failed:?}", self.sent(), ends.len())
    }
}

impl Shared {
    fn ends(&self) -> std::sync::MutexGuard<'_, Vec<End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(self: Arc<Self>, producer: &Producer) {
        let mut n = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for _ in 0..TURN {
                self.send_one(producer, n);
                n += 1;
                self.sent.store(n, Ordering::Relaxed);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn send_one(self: &Arc<Self>, producer: &Producer, n: u64) {
        let (key, value) = (format!("key-{}", n % 101), format!("{n:08}{:92}", ""));
        let mut record = Record::value(value.as_bytes());
        match n % 3 {
            0 => record.partition = i32::try_from(n / 3 % self.partitions.load(Ordering::Relaxed)).ok(),
            1 => record.key = Some(key.as_bytes()),
            _ => {}
        }
        let shared = Arc::clone(self);
        let tell = move |told| shared.ends().push(End { n, told });
        producer.send_with_callback(&self.topic, record, tell).unwrap();
    }
}

/// The number of a record that was read back.
pub fn number(record: &read::Record) -> u64 {
    let value = record.value.as_deref().unwrap_or_default();
    let digits = value.get(..8).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("not ours: {record:?}"))
}

/// Every record was acknowledged.
pub fn all_acknowledged(ends: &[End]) {
    let failed: Vec<_> = ends.iter().filter_map(|end| Some((end.n, end.told.as_ref().err()?))).collect();
    let shown: Vec<_> = failed.iter().take(5).map(|(n, error)| format!("{n}: {error}")).collect();
    assert!(failed.is_empty(), "{} of {} records failed: {shown:#?}", failed.len(), ends.len());
}

/// The log holds every acknowledged record once, where it was told, and nothing that is known not to be
/// written; numbers rise in each partition, and the ends of each partition came in that order.
pub fn audit(ends: &[End], log: &[read::Record]) {
    let mut found: BTreeMap<u64, (u32, u64)> = BTreeMap::new();
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    for record in log {
        let (n, at) = (number(record), (record.partition, record.offset));
        if let Some(other) = found.insert(n, at) {
            panic!("record {n} is doubled: at {other:?} and at {at:?}");
        }
        if let Some(before) = last.insert(record.partition, n) {
            assert!(before < n, "out of order: {n} at {at:?} comes after {before}");
        }
    }
    let mut told_last: BTreeMap<i32, u64> = BTreeMap::new();
    for end in ends {
        match &end.told {
            Ok(told) => {
                let at = found.remove(&end.n);
                let at = at.unwrap_or_else(|| panic!("record {} is lost, told {told:?}", end.n));
                assert_eq!(at.0, told.partition.cast_unsigned(), "record {}", end.n);
                // A broker that only knows that it has the batch does not say where.
                if let Some(offset) = told.offset {
                    assert_eq!(at.1, offset.cast_unsigned(), "record {} in partition {}", end.n, at.0);
                }
                if let Some(before) = told_last.insert(told.partition, end.n) {
                    assert!(before < end.n, "{} was told after {before}", end.n);
                }
            }
            Err(error) if error.written() == kurier::Fate::NotWritten => {
                assert!(!found.contains_key(&end.n), "record {} is there, but {error}", end.n);
            }
            Err(_) => drop(found.remove(&end.n)),
        }
    }
    assert!(found.is_empty(), "in the log, and not from here: {found:?}");
}
