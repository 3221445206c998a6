//! `kurier produce`: records from files or stdin to a topic.
//!
//! A thread reads and sends; it may hang in a read, or wait for memory. The main thread waits for what happens
//! (end of input, an interrupt) and closes the producer, on a thread of its
//! own, so that a second interrupt is always heard.
use crate::args;
use crate::exit::{Error, Status};
use crate::input::{Form, Input};
use crate::ledger::Ledger;
use crate::pace::Pace;
use crate::report::Report;
use crate::talk::{self, Progress};
use crate::{link, same_file, setup, signals};
use feed::{Feed, FeedEnd};
use kurier::Producer;
use kurier::config::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

mod feed;

/// How long after the second interrupt the outcomes of aborted records are waited for.
const ABORT: Duration = Duration::from_secs(2);

/// What the main thread waits for.
enum Event {
    Interrupt,
    /// Why the report cannot be written any more.
    ReportBroken(String),
    InputEnded(FeedEnd),
    Closed(Result<(), String>, std::io::Result<()>),
}

/// Runs it.
///
/// # Errors
/// Wrong usage or configuration, before anything was sent.
pub(crate) fn run(args: args::Produce) -> Result<Status, Error> {
    let talk = args.cluster.talk;
    talk::begin(talk);
    let mut config = setup::config(&args.cluster)?;
    if let Some(codec) = &args.compression {
        config.set("compression.type", codec).map_err(Error::usage)?;
    }
    let settings = setup::settings(&config, talk)?;
    let endpoints = settings.endpoints();
    let core = settings.core(&endpoints);
    let core = core.check().map_err(Error::usage)?;
    let patience = Duration::from_millis(core.delivery_timeout_ms().into());
    let max_record = usize::try_from(core.max_request_size()).unwrap_or(usize::MAX);
    let (input, feed) = prepare(args, max_record)?;

    let (events, inbox) = mpsc::channel();
    let ledger = Ledger::new(input.names(), report(feed.report.as_deref(), events.clone())?);
    // Only now: a report may be a pipe without a reader, and opening it must end with an interrupt.
    let told = events.clone();
    // Sending fails only when nobody listens any more.
    signals::watch(move || drop(told.send(Event::Interrupt)))
        .map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    // Callbacks of every record refer to it; it lives as long as the process.
    let ledger: &'static Ledger = Box::leak(Box::new(ledger));
    let producer = Producer::connect(&config).map_err(Error::failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let run = Run {
        producer: producer.clone(),
        bootstrap: settings.bootstrap.clone(),
        ledger,
        stop: Arc::clone(&stop),
        patience,
        events: events.clone(),
    };
    std::thread::Builder::new()
        .name("kurier-read".to_owned())
        .spawn(move || drop(events.send(Event::InputEnded(feed.run(input, &producer, ledger, &stop)))))
        .map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
    Ok(run.supervise(&inbox, talk))
}

fn prepare(args: args::Produce, max_record: usize) -> Result<(Input, Feed), Error> {
    if let Some(topic) = &args.topic {
        args::topic_name(topic).map_err(Error::usage)?;
    }
    let json = args.format == args::Format::Json;
    if args.topic.is_none() && !json {
        return Err(Error::usage("no topic: give -t TOPIC"));
    }
    if args.key_delimiter.is_some() && json {
        return Err(Error::usage("-K is for lines; with --format json the key is a member of the record"));
    }
    let form = Form {
        format: args.format,
        delimiter: args.delimiter,
        key_delimiter: args.key_delimiter,
        null: args.null,
        max_record,
    };
    if let Some(report) = &args.report {
        // Also a stdin that is not read: it may be somebody's only copy.
        let stdin = std::path::Path::new("-");
        let inputs = args.files.iter().chain(&args.cluster.config).map(AsRef::as_ref);
        same_file::refuse("--report", report, inputs.chain([stdin]))?;
    }
    let input = Input::new(args.files, form)?;
    let feed = Feed {
        topic: args.topic,
        only_topic: !json,
        partition: args.partition,
        headers: args.headers,
        pace: args.rate.map(|rate| Pace::new(rate, Instant::now())),
        skip_bad_lines: args.skip_bad_lines,
        max_record,
        report: args.report,
    };
    Ok((input, feed))
}

fn report(path: Option<&std::path::Path>, events: Sender<Event>) -> Result<Option<Report>, Error> {
    let Some(path) = path else { return Ok(None) };
    Report::create(path, move |error| drop(events.send(Event::ReportBroken(error.to_string()))))
        .map(Some)
        .map_err(|error| Error::usage(format!("--report {}: {error}", path.display())))
}

/// A run under way.
struct Run {
    producer: Producer,
    bootstrap: Vec<Server>,
    ledger: &'static Ledger,
    stop: Arc<AtomicBool>,
    patience: Duration,
    events: Sender<Event>,
}

/// What ended a run, and how well.
#[derive(Default)]
struct Ending {
    closing: bool,
    interrupts: u32,
    /// After this, nothing is waited for.
    until: Option<Instant>,
    input: Option<FeedEnd>,
    closed: Option<Result<(), String>>,
    report: Option<std::io::Result<()>>,
    /// That the report is not complete was said.
    report_told: bool,
}

impl Run {
    fn supervise(self, inbox: &Receiver<Event>, talk: args::Talk) -> Status {
        let progress = Progress::begin(talk);
        let mut ending = Ending::default();
        let begin = Instant::now();
        while ending.closed.is_none() {
            let left = ending.until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let wait = [progress.interval(), left].into_iter().flatten().min();
            let event = match wait {
                Some(wait) => inbox.recv_timeout(wait),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(event) => self.handle(event, &mut ending),
                Err(RecvTimeoutError::Timeout) => {}
                // The sender lies in `self`.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            progress.show(|| self.line(begin));
        }
        self.settle();
        let watched = progress.interval().is_some();
        drop(progress);
        self.conclude(&ending, talk, watched)
    }

    fn handle(&self, event: Event, ending: &mut Ending) {
        match event {
            Event::Interrupt => {
                ending.interrupts += 1;
                if ending.interrupts == 1 {
                    talk::say("interrupted: sending what was read; interrupt again to stop at once");
                    self.close(ending);
                } else {
                    ending.until.get_or_insert_with(|| Instant::now() + ABORT);
                    let producer = self.producer.clone();
                    // It waits for the I/O thread, which may be busy; without a thread the deadline still holds.
                    let _unheard = std::thread::Builder::new().spawn(move || producer.abort());
                }
            }
            // Records are worth more than their report: reading and sending go on.
            Event::ReportBroken(error) => {
                ending.report_told = true;
                tell_report(&error);
            }
            Event::InputEnded(end) => {
                ending.input = Some(end);
                self.close(ending);
            }
            Event::Closed(closed, report) => {
                ending.closed = Some(closed);
                ending.report = Some(report);
            }
        }
    }

    /// Reads no more, and lets what was sent come to its end.
    fn close(&self, ending: &mut Ending) {
        if std::mem::replace(&mut ending.closing, true) {
            return;
        }
        self.stop.store(true, Ordering::Relaxed);
        let (producer, ledger, events) = (self.producer.clone(), self.ledger, self.events.clone());
        // A batch that is only now sealed has all of its delivery timeout before it.
        let patience = self.patience.saturating_add(Duration::from_secs(5));
        let close = move || {
            let closed = producer.close(patience).map_err(|error| error.to_string());
            drop(events.send(Event::Closed(closed, ledger.finish())));
        };
        let thread = std::thread::Builder::new().name("kurier-close".to_owned());
        if let Err(error) = thread.spawn(close) {
            ending.closed = Some(Err(format!("cannot start a thread: {error}")));
        }
    }

    /// A record that was taken from the input at the last moment is refused by the closed producer; this lets
    /// it be counted.
    fn settle(&self) {
        let until = Instant::now() + Duration::from_millis(200);
        while self.ledger.counts().open() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn line(&self, begin: Instant) -> String {
        let counts = self.ledger.counts();
        let metrics = self.producer.metrics();
        let metric = |name| metrics.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, value)| *value);
        let seconds = begin.elapsed().as_secs_f64().max(0.001);
        format!(
            "{} records, {}, {:.0} records/s, {} in flight, {:.0} retries, {} errors",
            talk::thousands(counts.written),
            talk::bytes(metric("byte-total")),
            counts.written as f64 / seconds,
            talk::thousands(counts.open()),
            metric("record-retry-total"),
            talk::thousands(counts.not_written + counts.maybe_written),
        )
    }

    fn conclude(&self, ending: &Ending, talk: args::Talk, watched: bool) -> Status {
        let counts = self.ledger.counts();
        let mut status = Status::Written;
        if let Some(Err(error)) = &ending.report {
            status = Status::Failed;
            if !ending.report_told {
                tell_report(error);
            }
        }
        let mut fail = |message: &dyn std::fmt::Display| {
            talk::say(format_args!("error: {message}"));
            status = Status::Failed;
        };
        self.ledger.untold().iter().for_each(talk::say);
        if let Some(problem) = ending.input.as_ref().and_then(|input| input.problem.as_ref()) {
            fail(problem);
        }
        if let Some(Err(error)) = &ending.closed {
            fail(error);
        }
        if counts.written < counts.opened && ending.interrupts == 0 {
            link::explain(&self.producer, &self.bootstrap).iter().for_each(talk::say);
        }
        let skipped = ending.input.as_ref().map_or(0, |input| input.skipped);
        if status == Status::Failed && counts.opened == 0 && ending.report.as_ref().is_none_or(|r| r.is_ok())
        {
            status = Status::Usage;
        } else if counts.written < counts.opened {
            status = Status::Failed;
        }
        if ending.interrupts > 0 {
            status = Status::Interrupted;
        }
        if skipped > 0 {
            talk::say(match skipped {
                1 => "1 line that could not be read was skipped".to_owned(),
                _ => format!("{skipped} lines that could not be read were skipped"),
            });
        }
        if !talk.quiet && (status != Status::Written || watched || talk.verbose > 0) {
            talk::say(counts.text());
        }
        status
    }
}

fn tell_report(error: &dyn std::fmt::Display) {
    talk::say(format_args!("error: the report is not complete: {error}; the records are not affected"));
}
