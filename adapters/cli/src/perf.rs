//! `kurier perf`: throughput and latency against a cluster, as Kafka's own producer-perf-test measures them:
//! latency is from handing a record over to knowing its end.
use crate::args;
use crate::exit::{Error, Status};
use crate::pace::Pace;
use crate::talk::{self, Progress, thousands};
use crate::usage::Usage;
use crate::{link, same_file, setup, signals};
use figures::Figures;
use histogram::Histogram;
use kurier::{Producer, config::Config};
use kurier_core::record::Record;
use plot::Course;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stopwatch::{Lap, Stopwatch};

mod figures;
mod histogram;
mod plot;
mod stopwatch;

/// How often the course of the run is noted.
const NOTE: Duration = Duration::from_millis(250);
/// How long after the second interrupt the ends of aborted records are waited for.
const ABORT: Duration = Duration::from_secs(2);
/// The longest sleep of a paced sender, so that a stop is noticed.
const NAP: Duration = Duration::from_millis(50);

/// What the threads of a run share.
struct Load {
    topic: String,
    size: usize,
    left: AtomicU64,
    sent: AtomicU64,
    pace: Option<Mutex<Pace>>,
    stop: AtomicBool,
    latencies: Arc<Histogram>,
    /// The first refusal, in words.
    refusal: Mutex<Option<String>>,
}

enum Event {
    Interrupt,
    /// A worker has sent everything.
    Sent,
    /// Everything has come to its end.
    Finished(Totals),
}

/// Errors, and the sums of the producers' counters.
type Totals = (u64, Vec<(&'static str, f64)>);

/// One producer and the thread that feeds it.
struct Worker {
    producer: Producer,
    watch: Arc<Stopwatch>,
    thread: JoinHandle<()>,
}

/// Runs it.
///
/// # Errors
/// Wrong usage or configuration, or a thread that cannot be started.
pub(crate) fn run(args: args::Perf) -> Result<Status, Error> {
    talk::begin(args.cluster.talk);
    args::topic_name(&args.topic).map_err(Error::usage)?;
    if let Some(plot) = &args.plot {
        same_file::refuse("--plot", plot, args.cluster.config.iter().map(AsRef::as_ref))?;
    }
    let config = setup::config(&args.cluster)?;
    let settings = setup::settings(&config, args.cluster.talk)?;
    let endpoints = settings.endpoints();
    let core = settings.core(&endpoints);
    let core = core.check().map_err(Error::usage)?;
    let patience = Duration::from_millis(core.delivery_timeout_ms().into()) + Duration::from_secs(5);

    let (events, inbox) = mpsc::channel();
    let told = events.clone();
    signals::watch(move || drop(told.send(Event::Interrupt)))
        .map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let (begin, used) = (Instant::now(), Usage::now());
    let load = Arc::new(Load {
        topic: args.topic.clone(),
        size: usize::try_from(args.record_size).unwrap_or(usize::MAX),
        left: AtomicU64::new(args.num_records),
        sent: AtomicU64::new(0),
        pace: args.throughput.map(|rate| Mutex::new(Pace::new(rate, begin))),
        stop: AtomicBool::new(false),
        latencies: Arc::default(),
        refusal: Mutex::default(),
    });
    let mut workers = Vec::new();
    for number in 0..args.producers {
        workers.push(Worker::start(&config, number, &load, events.clone())?);
    }
    let Some(first) = workers.first().map(|worker| worker.producer.clone()) else {
        return Err(Error::usage("--producers 0"));
    };
    let mut course = Course::default();
    let mut watch = Watch { inbox, events, workers, patience, load: Arc::clone(&load), begin };
    let (interrupts, (errors, metrics)) = watch.over(args.cluster.talk, &mut course);
    let seconds = begin.elapsed().as_secs_f64();
    course.note(seconds, load.latencies.snapshot());

    let usage = Usage::now().since(&used);
    let latencies = load.latencies.snapshot();
    let records = load.sent.load(Ordering::Relaxed);
    let not_tried = args.num_records.saturating_sub(records);
    let figures = Figures { records, not_tried, size: load.size, errors, seconds, latencies, usage, metrics };
    setup::print(&if args.json { figures.json() } else { figures.text() })?;
    if let Some(path) = &args.plot {
        let title = format!("kurier perf: {} records of {} bytes", thousands(figures.records), figures.size);
        std::fs::write(path, course.svg(&title))
            .map_err(|error| Error::failed(format!("--plot {}: {error}", path.display())))?;
    }
    if let Some(refusal) = load.refusal.lock().unwrap_or_else(PoisonError::into_inner).take() {
        talk::say(format_args!("error: {refusal}"));
        if not_tried > 0 {
            talk::say(format_args!(
                "{} of {} records were not tried: they would meet the same",
                thousands(not_tried),
                thousands(args.num_records)
            ));
        }
        link::explain(&first, &settings.bootstrap).iter().for_each(talk::say);
    }
    Ok(match interrupts {
        0 if errors == 0 && figures.records == args.num_records => Status::Written,
        0 => Status::Failed,
        _ => Status::Interrupted,
    })
}

impl Worker {
    fn start(
        config: &Config,
        number: u32,
        load: &Arc<Load>,
        ended: mpsc::Sender<Event>,
    ) -> Result<Self, Error> {
        let watch = Arc::new(Stopwatch::new(Arc::clone(&load.latencies)));
        let theirs = Arc::clone(&watch);
        let producer = Producer::connect_with(config, move |batch| {
            theirs.ended(batch.delivery.serial, batch.delivery.count, batch.delivery.is_ok());
        })
        .map_err(Error::failed)?;
        let (feed, load, our) = (producer.clone(), Arc::clone(load), Arc::clone(&watch));
        let thread = std::thread::Builder::new()
            .name(format!("kurier-perf-{number}"))
            .spawn(move || {
                load.feed(&feed, &our, number);
                drop(ended.send(Event::Sent));
            })
            .map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { producer, watch, thread })
    }
}

impl Load {
    /// Sends records until there are none left.
    fn feed(&self, producer: &Producer, watch: &Stopwatch, number: u32) {
        let value = payload(self.size, number);
        let mut lap = Lap::new(watch);
        while !self.stop.load(Ordering::Relaxed) && self.take() {
            if let Some(pace) = &self.pace {
                let pause = pace.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
                if !pause.is_zero() {
                    lap.share();
                    self.sleep(pause);
                }
            }
            let at = Instant::now();
            match producer.post(&self.topic, Record::value(&value)) {
                Ok(ticket) => lap.sent(ticket, at),
                Err(error) => {
                    watch.refused();
                    let mut first = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert_with(|| error.to_string());
                    // Whatever it is, the next record would meet it as well.
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        lap.share();
    }

    fn sleep(&self, pause: Duration) {
        let begin = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            match pause.checked_sub(begin.elapsed()) {
                Some(left) => std::thread::sleep(left.min(NAP)),
                None => return,
            }
        }
    }

    fn take(&self) -> bool {
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Letters and digits in an order of no meaning.
fn payload(size: usize, seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'A' + (state >> 33) as u8 % 26
    };
    (0..size).map(|_| next()).collect()
}

/// A run under way, as the main thread sees it.
struct Watch {
    inbox: mpsc::Receiver<Event>,
    events: mpsc::Sender<Event>,
    workers: Vec<Worker>,
    patience: Duration,
    load: Arc<Load>,
    begin: Instant,
}

impl Watch {
    /// Waits until everything has come to its end, and notes the course. Answers how often it was interrupted.
    fn over(&mut self, talk: args::Talk, course: &mut Course) -> (u32, Totals) {
        let progress = Progress::begin(talk);
        let producers: Vec<Producer> = self.workers.iter().map(|worker| worker.producer.clone()).collect();
        let (mut interrupts, mut sending, mut until) = (0, self.workers.len(), None::<Instant>);
        loop {
            match self.inbox.recv_timeout(NOTE) {
                Ok(Event::Finished(totals)) => return (interrupts, totals),
                Ok(Event::Sent) => {
                    sending = sending.saturating_sub(1);
                    if sending == 0 {
                        self.finish();
                    }
                }
                Ok(Event::Interrupt) => {
                    interrupts += 1;
                    self.load.stop.store(true, Ordering::Relaxed);
                    if interrupts > 1 && until.is_none() {
                        until = Some(Instant::now() + ABORT);
                        let producers = producers.clone();
                        // Without a thread the deadline still holds.
                        let _unheard = std::thread::Builder::new()
                            .spawn(move || producers.iter().for_each(Producer::abort));
                    }
                }
                Err(_) => course.note(self.begin.elapsed().as_secs_f64(), self.load.latencies.snapshot()),
            }
            if until.is_some_and(|until| Instant::now() > until) {
                let open = self.open();
                talk::say(format_args!("stopped; nobody knows the end of {} records", thousands(open)));
                return (interrupts, (open, Vec::new()));
            }
            progress.show(|| self.line());
        }
    }

    /// Closes the producers on a thread of its own, so that an interrupt is still heard.
    fn finish(&mut self) {
        let (workers, patience, events) =
            (std::mem::take(&mut self.workers), self.patience, self.events.clone());
        let finish = move || drop(events.send(Event::Finished(totals(workers, patience))));
        if let Err(error) = std::thread::Builder::new().spawn(finish) {
            talk::say(format_args!("error: cannot start a thread: {error}"));
            drop(self.events.send(Event::Finished((1, Vec::new()))));
        }
    }

    /// Records that were sent and whose end is not known.
    fn open(&self) -> u64 {
        self.load.sent.load(Ordering::Relaxed).saturating_sub(self.load.latencies.snapshot().count())
    }

    fn line(&self) -> String {
        let done = self.load.latencies.snapshot();
        let (count, seconds) = (done.count(), self.begin.elapsed().as_secs_f64().max(0.001));
        let (rate, p99) = (count as f64 / seconds, done.quantile_ms(0.99));
        format!("{} records, {rate:.0} records/s, p99 {p99:.1} ms", thousands(count))
    }
}

/// Lets everything come to its end.
fn totals(workers: Vec<Worker>, patience: Duration) -> Totals {
    let mut errors = 0;
    let mut metrics: Vec<(&'static str, f64)> = Vec::new();
    for worker in workers {
        if let Err(error) = worker.producer.close(patience) {
            talk::say(format_args!("error: {error}"));
        }
        // It has sent everything; a panic has said so itself.
        let _panicked = worker.thread.join();
        errors += worker.watch.errors();
        for (name, value) in worker.producer.metrics() {
            match metrics.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += value,
                None => metrics.push((name, value)),
            }
        }
    }
    (errors, metrics)
}
