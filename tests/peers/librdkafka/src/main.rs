//! Produces with librdkafka, by the options that all programs of `cargo xtask bench` share, and prints what
//! it took as one line of JSON.
//!
//! At full speed one thread sends and polls, which is librdkafka's cheapest way to a delivery report for each
//! record; at a pace another one polls, which is its quickest.
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::{ClientContext, Statistics};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[path = "../../../bench/src/options.rs"]
#[allow(dead_code)] // what the runner needs of it
mod options;
#[path = "../../../bench/src/report.rs"]
mod report;
use options::Options;
use report::{Outcome, unix_micros};

/// The number of a record that is sent before those that count.
const WARM_UP: usize = usize::MAX;

/// What the delivery reports add up to.
struct Reports {
    acked: AtomicU64,
    failed: AtomicU64,
    /// Unix time in µs of the first one.
    first: AtomicU64,
    /// The record before all others is acknowledged.
    warm: AtomicBool,
    /// When each record was sent; empty unless latencies are asked for.
    sent: Mutex<Vec<Instant>>,
    latencies: Mutex<Vec<Duration>>,
}

struct Context(&'static Reports, bool);

impl ClientContext for Context {
    fn stats(&self, _: Statistics) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, n: usize) {
        let reports = self.0;
        if n == WARM_UP {
            return reports.warm.store(true, Relaxed);
        }
        match result {
            Ok(message) if message.offset() >= 0 => {
                if reports.acked.fetch_add(1, Relaxed) == 0 {
                    reports.first.store(unix_micros(), Relaxed);
                }
                if self.1 {
                    let sent = reports.sent.lock().unwrap()[n];
                    reports.latencies.lock().unwrap().push(sent.elapsed());
                }
            }
            Ok(_) => drop(reports.failed.fetch_add(1, Relaxed)),
            Err((error, _)) => {
                if reports.failed.fetch_add(1, Relaxed) == 0 {
                    eprintln!("record {n}: {error}");
                }
            }
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = Options::read(&words).unwrap_or_else(|error| panic!("{error}"));
    let paced = options.rate > 0;
    let reports: &'static Reports = Box::leak(Box::new(Reports {
        acked: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        first: AtomicU64::new(0),
        warm: AtomicBool::new(false),
        sent: Mutex::new(Vec::with_capacity(if paced { options.records as usize } else { 0 })),
        latencies: Mutex::new(Vec::new()),
    }));
    let producer: BaseProducer<Context> = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("batch.size", options.batch.to_string())
        // Only `batch.size` is to limit a batch, as with the others.
        .set("batch.num.messages", "1000000")
        .set("linger.ms", options.linger.to_string())
        .set("queue.buffering.max.kbytes", (options.memory / 1024).to_string())
        .set("queue.buffering.max.messages", "10000000")
        .create_with_context(Context(reports, paced))
        .expect("a usable configuration");

    let producer = Arc::new(producer);
    let value = vec![b'x'; options.size];
    if paced {
        // Latencies are those of a producer that is connected.
        let record: BaseRecord<'_, (), [u8], usize> =
            BaseRecord::with_opaque_to(&options.topic, WARM_UP).payload(&value[..]).partition(0);
        producer.send(record).map_err(|(error, _)| error).expect("room for one record");
        while !reports.warm.load(Relaxed) {
            serve(&producer);
        }
        let producer = Arc::clone(&producer);
        std::thread::spawn(move || {
            loop {
                // The crate's poll spins through the last millisecond of its time, so it gets much of it.
                producer.poll(Duration::from_secs(10));
            }
        });
    }
    let begun = Instant::now();
    for n in 0..options.records {
        if paced {
            std::thread::sleep(options.due(n).saturating_sub(begun.elapsed()));
            reports.sent.lock().unwrap().push(Instant::now());
        } else if n % 64 == 0 {
            // It takes one batch of reports, whatever there is.
            producer.poll(Duration::ZERO);
        }
        let mut record: BaseRecord<'_, (), [u8], usize> =
            BaseRecord::with_opaque_to(&options.topic, n as usize)
                .payload(&value[..])
                .partition((n % options.partitions) as i32);
        while let Err((error, back)) = producer.send(record) {
            assert!(
                matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)),
                "record {n}: {error}"
            );
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    let done = || reports.acked.load(Relaxed) + reports.failed.load(Relaxed);
    while done() < options.records {
        if paced {
            std::thread::sleep(Duration::from_millis(1));
        } else {
            producer.poll(Duration::from_millis(10));
        }
    }
    let took = begun.elapsed();
    if options.idle > 0 {
        producer.poll(Duration::from_millis(1));
        std::thread::sleep(Duration::from_secs(options.idle));
    }
    let latencies = std::mem::take(&mut *reports.latencies.lock().unwrap());
    let [acked, failed, first] =
        [&reports.acked, &reports.failed, &reports.first].map(|count| count.load(Relaxed));
    report::print("librdkafka", &options, Outcome { acked, failed, first, took, latencies });
    // What a close costs is nobody's question here.
    std::process::exit(i32::from(failed > 0));
}

/// Takes the reports that are there and rests for a moment.
fn serve(producer: &BaseProducer<Context>) {
    producer.poll(Duration::ZERO);
    std::thread::sleep(Duration::from_millis(1));
}
