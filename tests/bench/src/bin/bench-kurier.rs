//! Produces with kurier and prints what it took, as the other clients' programs do.
//!
//! `--report` says how each record's end is told: `callback`, one closure for each record, as the other clients
//! have it (the default); `batch`, one callback for each batch, which looks at each of its records;
//! `future`, a future for each record, waited on in order.
use kurier::config::Config;
use kurier::{BatchDelivery, Producer, Record, RecordError, RecordFuture, RecordMetadata, Ticket};
use kurier_bench::options::Options;
use kurier_bench::report::{self, Outcome};
use std::collections::VecDeque;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the reports add up to.
struct Reports {
    acked: AtomicU64,
    failed: AtomicU64,
    first: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
}

impl Reports {
    fn count(&self, records: u64, well: bool) {
        let counter = if well { &self.acked } else { &self.failed };
        // One thread tells all ends; there is nothing to race with.
        let before = counter.load(Relaxed);
        counter.store(before + records, Relaxed);
        if before == 0 && well {
            self.first.store(report::unix_micros(), Relaxed);
        }
    }

    fn of(&self, end: &Result<RecordMetadata, RecordError>) {
        if let (Err(error), 0) = (end, self.failed.load(Relaxed)) {
            eprintln!("{error}");
        }
        self.count(1, matches!(end, Ok(metadata) if metadata.offset.is_some()));
    }

    fn done(&self) -> u64 {
        self.acked.load(Relaxed) + self.failed.load(Relaxed)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = Options::read(&words)?;
    let how = words.iter().position(|word| word == "--report").and_then(|at| words.get(at + 1));
    let how = how.map_or("callback", String::as_str);
    let reports: &'static Reports = Box::leak(Box::new(Reports {
        acked: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        first: AtomicU64::new(0),
        latencies: Mutex::new(Vec::new()),
    }));
    let config = [
        ("acks", "all".to_owned()),
        ("enable.idempotence", "true".to_owned()),
        ("batch.size", options.batch.to_string()),
        ("linger.ms", options.linger.to_string()),
        ("buffer.memory", options.memory.to_string()),
        ("max.request.size", options.batch.saturating_mul(12).max(1_048_576).to_string()),
    ];
    let mut settings = Config::new().bootstrap(&options.bootstrap);
    for (key, value) in config {
        settings.set(key, &value)?;
    }
    let producer = if how == "batch" {
        Producer::connect_with(&settings, |delivery| each_record(reports, delivery))?
    } else {
        Producer::connect(&settings)?
    };
    let value = vec![b'x'; options.size];
    if options.rate > 0 {
        // Latencies are those of a producer that is connected.
        producer.send(&options.topic, Record::value(&value).partition(0))?.wait()?;
    }
    let mut futures = VecDeque::new();
    let begun = Instant::now();
    for n in 0..options.records {
        let partition = i32::try_from(n % options.partitions)?;
        let record = Record::value(&value).partition(partition);
        if options.rate > 0 {
            std::thread::sleep(options.due(n).saturating_sub(begun.elapsed()));
            let sent = Instant::now();
            producer.send_with_callback(&options.topic, record, move |end| {
                let mut latencies = reports.latencies.lock().unwrap_or_else(PoisonError::into_inner);
                latencies.push(sent.elapsed());
                drop(latencies);
                reports.of(&end);
            })?;
            continue;
        }
        match how {
            "batch" => drop(producer.post(&options.topic, record)?),
            "future" => {
                futures.push_back(producer.send(&options.topic, record)?);
                take_ended(reports, &mut futures);
            }
            _ => producer.send_with_callback(&options.topic, record, move |end| reports.of(&end))?,
        }
    }
    producer.flush()?;
    while let Some(future) = futures.pop_front() {
        reports.of(&future.wait());
    }
    // A flush returns when batches are over; the callbacks of the last may still run.
    while reports.done() < options.records {
        std::thread::sleep(Duration::from_micros(100));
    }
    let took = begun.elapsed();
    std::thread::sleep(Duration::from_secs(options.idle));
    let (acked, failed, first) =
        (reports.acked.load(Relaxed), reports.failed.load(Relaxed), reports.first.load(Relaxed));
    let latencies = std::mem::take(&mut *reports.latencies.lock().unwrap_or_else(PoisonError::into_inner));
    report::print("kurier", &options, Outcome { acked, failed, first, took, latencies });
    Ok(failed == 0)
}

/// The records of a batch, one by one.
fn each_record(reports: &Reports, batch: &BatchDelivery<'_>) {
    let (mut well, count) = (0, batch.delivery.count);
    for index in 0..count {
        let end = batch.of(Ticket { serial: batch.delivery.serial, index });
        well += u64::from(end.is_some_and(|end| end.offset.is_some()));
    }
    reports.count(well, true);
    if well < u64::from(count) {
        reports.count(u64::from(count) - well, false);
    }
}

/// Takes the ends that are there, oldest first.
fn take_ended(reports: &Reports, futures: &mut VecDeque<RecordFuture>) {
    while let Some(end) = futures.front().and_then(RecordFuture::peek) {
        reports.of(&end);
        futures.pop_front();
    }
}
