//! The I/O thread: owns the send half and the sockets, and goes round: wait, receive, complete what has ended,
//! exchange with the append half under its lock, send.
//!
//! It is the only thread that ends records. A fault in one pass is logged and does not end the loop; whatever ends it,
//! those who wait are told.
use crate::ended::Ended;
use crate::heap::{Heap, HeapBuf, HeapSlots};
use crate::lock;
use crate::memory::Chores;
use crate::metrics::Published;
use crate::net::{Sockets, WAKER};
use crate::shared::{Closing, End, Shared};
use crate::trouble::{Told, in_words};
use kurier_core::config::Checked;
use kurier_core::delivery::{Delivery, message, rejected};
use kurier_core::error::{DeliveryError, Outcome};
use kurier_core::host::Buf;
use kurier_core::record::{Ticket, Topic};
use kurier_core::sender::{Memory, Sender, Trouble, Wake};
use kurier_core::time::{Instant, Timestamp};
use kurier_core::wire::ErrorCode;
use mio::{Events, Poll};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Bytes read at a time; answers to produce requests are small, and longer ones pass through in pieces.
const WINDOW: usize = 16 * 1024;
/// The pause after a pass that failed, so that a lasting fault does not spin.
const AFTER_FAULT: Duration = Duration::from_millis(100);

/// How a batch ended, for a callback of the whole producer.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchDelivery<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The core's delivery: partition, offset, count, outcome; [`Delivery::serial`] is in each record's ticket.
    pub delivery: Delivery,
    bytes: &'a [u8],
}

impl BatchDelivery<'_> {
    /// How the record that `ticket` names ended; `None` if it is of another batch.
    pub fn of(&self, ticket: Ticket) -> Option<kurier_core::delivery::RecordDelivery> {
        self.delivery.of(ticket, self.bytes)
    }
}

/// Called with the end of every batch, on the I/O thread.
pub(crate) type OnDelivery = Box<dyn FnMut(&BatchDelivery<'_>) + Send>;

/// What the thread works on. The sockets lie beside it, since each call of the send half is handed them.
struct IoThread<'a> {
    shared: &'a Shared,
    sender: Sender<'a, Heap>,
    /// The topics' names, by handle.
    names: Vec<Arc<str>>,
    on_delivery: Option<OnDelivery>,
    /// Buffers on their way up.
    freed: Vec<HeapBuf>,
    window: Box<[u8]>,
    published: Published,
    closing: Option<Closing>,
    /// What was left at the close's deadline has failed.
    aborted: bool,
    cut_off: u64,
    /// Somebody waits for memory or for a flush, so what ends late in a pass is worth another.
    awaited: bool,
    failed: Option<DeliveryError>,
    /// What was wrong with a link last, if none is up since, and in words.
    trouble: Option<Trouble>,
    trouble_in_words: Option<Arc<str>>,
    told: Told,
    /// A trouble was told, and its end was not.
    in_trouble: bool,
}

/// Tells those who wait that nobody will serve them any more, however the thread ends.
struct LastWord<'a>(&'a Shared, End);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.0.finish(self.1);
    }
}

/// Runs until the producer is closed and everything has ended, or the time for that is up.
pub(crate) fn run(
    shared: &Shared,
    config: Checked<'_>,
    mut poll: Poll,
    mut net: Sockets,
    on_delivery: Option<OnDelivery>,
) {
    shared.enter();
    let mut last_word = LastWord(shared, End { cut_off: 0 });
    let mut thread = IoThread::new(shared, config, on_delivery);
    let mut events = Events::with_capacity(128);
    loop {
        let pass = catch_unwind(AssertUnwindSafe(|| thread.pass(&mut net)));
        let wake = match pass {
            Ok(Some(wake)) => wake,
            Ok(None) => break,
            Err(_) => {
                log::error!("a pass of the I/O thread failed; it goes on");
                Wake::At(shared.clock.now().plus_millis(u32::try_from(AFTER_FAULT.as_millis()).unwrap_or(0)))
            }
        };
        if let Err(error) = thread.wait(&mut poll, &mut events, wake)
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            log::error!("waiting for the network failed: {error}");
            std::thread::sleep(AFTER_FAULT);
        }
        for event in events.iter().filter(|event| event.token() != WAKER) {
            net.handle(event);
        }
    }
    last_word.1.cut_off = thread.cut_off;
}

impl<'a> IoThread<'a> {
    fn new(shared: &'a Shared, config: Checked<'a>, on_delivery: Option<OnDelivery>) -> Self {
        let memory = Memory {
            links: HeapSlots::new(),
            slots: HeapSlots::new(),
            topics: HeapSlots::new(),
            names: HeapSlots::new(),
            finished: HeapSlots::new(),
            freed: HeapSlots::new(),
        };
        Self {
            shared,
            sender: Sender::new(config, lock::crc32c, memory),
            names: Vec::new(),
            on_delivery,
            freed: Vec::new(),
            window: vec![0; WINDOW].into_boxed_slice(),
            published: Published::default(),
            closing: None,
            aborted: false,
            cut_off: 0,
            awaited: false,
            failed: None,
            trouble: None,
            trouble_in_words: None,
            told: Told::default(),
            in_trouble: false,
        }
    }

    /// One round. `None`: it was the last.
    fn pass(&mut self, net: &mut Sockets) -> Option<Wake> {
        self.shared.bell.hear();
        let now = self.shared.clock.now();
        self.sender.poll_receive(now, net, &mut self.window);
        self.note_trouble(now, net);
        self.complete();
        let was_failed = self.failed.is_some();
        let over = self.exchange(now);
        if let Some(fatal) = self.failed.filter(|_| !was_failed) {
            let name = fatal.code().map_or(fatal.name(), |code| ErrorCode(code).name());
            log::error!("{fatal} ({name}): close it and make another");
        }
        let mut ended = self.complete();
        if over {
            self.publish();
            return None;
        }
        let wake = self.sender.poll_send(now, net);
        ended |= self.complete();
        self.publish();
        if ended && (self.awaited || self.closing.is_some()) {
            return Some(Wake::Now);
        }
        Some(match (wake, self.closing.filter(|_| !self.aborted)) {
            (Wake::At(at), Some(closing)) => Wake::At(at.min(closing.deadline)),
            (Wake::OnIo, Some(closing)) => Wake::At(closing.deadline),
            (wake, _) => wake,
        })
    }

    /// Looks whether the way to the cluster is clear, and says so when that changes.
    fn note_trouble(&mut self, now: Instant, net: &mut Sockets) {
        let current = self.sender.trouble();
        // What the system said is of the latest attempt only if it is taken at every look.
        let failure = net.take_failure();
        let said = current.and_then(|(_, to)| failure.as_ref()?.of(to));
        let trouble = current.map(|(trouble, _)| trouble);
        if trouble == self.trouble && (trouble.is_none() || said.is_none()) {
            return;
        }
        self.trouble = trouble;
        self.trouble_in_words = current.map(|(trouble, to)| in_words(trouble, to, said));
        match (current, &self.trouble_in_words) {
            (Some((trouble, to)), Some(words)) if self.told.is_news(trouble, to, now) => {
                log::warn!("{words}");
                self.in_trouble = true;
            }
            (None, _) if std::mem::take(&mut self.in_trouble) => log::info!("connected"),
            _ => {}
        }
        self.shared.counters.set_trouble(self.trouble_in_words.clone());
    }

    /// The part of a pass under the lock. Answers whether all is over.
    fn exchange(&mut self, now: Instant) -> bool {
        let mut chores = Chores::default();
        let mut held = self.shared.append.lock();
        let append = &mut *held;
        for index in self.names.len()..append.topics.len() {
            let topic = Topic(u16::try_from(index).unwrap_or(u16::MAX));
            let Some(name) = append.topics.name(topic) else { break };
            match self.sender.register_topic(name, now) {
                Ok(given) if given == topic => self.names.push(Arc::clone(name)),
                // The name was checked, and slots grow: not met.
                _ => break,
            }
        }
        for topic in append.asks.wanted.drain(..) {
            self.sender.want_topic(topic, now);
        }
        for buffer in self.freed.drain(..) {
            append.memory.give(buffer, &mut chores);
        }
        append.memory.refill();
        self.sender.exchange(&mut append.accumulator, now);
        self.closing = append.asks.closing;
        if let Some(closing) = self.closing
            && !self.aborted
            && closing.deadline <= now
        {
            self.aborted = true;
            self.sender.abort(&mut append.accumulator, closing.error);
        }
        self.tell(append, now, &mut chores);
        let is_open =
            |before: u32| append.accumulator.holds_before(before) || self.sender.holds_before(before);
        append.asks.flushes.retain(|flush| {
            let open = is_open(flush.before);
            if !open {
                chores.wake.push(flush.thread.clone());
            }
            open
        });
        let over = self.closing.is_some() && !is_open(append.accumulator.next_serial());
        self.awaited = append.memory.waiters() > 0 || !append.asks.flushes.is_empty();
        drop(held);
        if !chores.wake.is_empty() {
            // Who is woken finds the counters up to date.
            self.publish();
        }
        chores.run();
        over
    }

    /// Wakes those who wait for news that have come.
    fn tell(&mut self, append: &mut crate::shared::Append, now: Instant, chores: &mut Chores) {
        let updates = self.sender.stats().metadata_updates;
        if updates != self.published.stats.metadata_updates {
            self.published.metadata_at = Some(now);
            chores.wake.extend(append.asks.curious.drain(..).map(|(_, thread)| thread));
        }
        if let Some(fatal) = self.sender.fatal()
            && self.failed.is_none()
        {
            self.failed = Some(fatal);
            append.asks.failed = true;
            append.wake_all(chores);
        }
    }

    /// Takes every delivery there is and tells whom it concerns, outside the lock. Answers whether there was any.
    fn complete(&mut self) -> bool {
        let mut any = false;
        while let Some((delivery, buffer)) = self.sender.next_delivery() {
            any = true;
            let published = &mut self.published;
            published.batches_ended += u64::from(delivery.rest == 0);
            published.records_ended += u64::from(delivery.count);
            published.batch_size_max = published.batch_size_max.max(u64::from(buffer.meta().builder.len));
            let name = self.names.get(usize::from(delivery.topic.0));
            if let Outcome::Failed { error, written } = delivery.outcome {
                log::debug!(
                    "{} records of {}-{}: {written}: {error}",
                    delivery.count,
                    name.map_or("?", |name| name),
                    delivery.partition
                );
                self.cut_off += if self.aborted { u64::from(delivery.count) } else { 0 };
            }
            if let Some(on_delivery) = &mut self.on_delivery {
                let topic = name.map_or("", |name| name);
                let told = BatchDelivery { topic, delivery, bytes: buffer.bytes() };
                // A caller's fault must not take the records with it.
                if catch_unwind(AssertUnwindSafe(|| on_delivery(&told))).is_err() {
                    log::error!("the delivery callback panicked; the producer goes on");
                }
            }
            let verdicts = verdicts(&delivery, buffer.bytes());
            let detail = detail(&delivery, buffer.bytes(), &self.trouble_in_words);
            buffer.end(delivery.rest == 0, || Ended {
                first: delivery.first,
                before: Vec::new(),
                topic: name.map_or_else(|| "".into(), Arc::clone),
                partition: delivery.partition,
                base_offset: delivery.base_offset,
                timestamp: delivery.timestamp.map(Timestamp),
                outcome: delivery.outcome,
                verdicts,
                detail,
            });
        }
        while let Some(buffer) = self.sender.take_free() {
            self.freed.push(buffer);
        }
        any
    }

    fn publish(&mut self) {
        self.published.stats = *self.sender.stats();
        self.published.requests_in_flight = u64::from(self.sender.requests_in_flight());
        self.shared.counters.publish(&self.published);
    }

    /// Sleeps until there is something to do.
    fn wait(&self, poll: &mut Poll, events: &mut Events, wake: Wake) -> std::io::Result<()> {
        let timeout = match wake {
            Wake::Now => return poll.poll(events, Some(Duration::ZERO)),
            Wake::At(at) => {
                let now = self.shared.clock.now();
                Some(Duration::from_micros(at.as_micros().saturating_sub(now.as_micros())))
            }
            Wake::OnIo => None,
        };
        self.shared
            .bell
            .sleep(|may_wait| poll.poll(events, if may_wait { timeout } else { Some(Duration::ZERO) }))
    }
}

/// What else there is to say of a failure: the broker's words, or what is wrong with the way to it.
fn detail(delivery: &Delivery, bytes: &[u8], trouble: &Option<Arc<str>>) -> Option<Arc<str>> {
    match delivery.outcome.error()? {
        DeliveryError::Broker(_) => {
            let said = String::from_utf8_lossy(message(bytes));
            (!said.is_empty()).then(|| said.into())
        }
        DeliveryError::TimedOut
        | DeliveryError::Disconnected
        | DeliveryError::RequestTimedOut
        | DeliveryError::Closed => trouble.clone(),
        _ => None,
    }
}

/// What the broker said of each record, where it told them apart (KIP-467).
fn verdicts(delivery: &Delivery, bytes: &[u8]) -> Option<Box<[Outcome]>> {
    let Outcome::Failed { error: DeliveryError::Broker(_), .. } = delivery.outcome else { return None };
    rejected(bytes).next()?;
    let ticket = |place| Ticket { serial: delivery.serial, index: delivery.first.saturating_add(place) };
    let all = (0..delivery.count)
        .map(|index| delivery.of(ticket(index), bytes).map_or(delivery.outcome, |record| record.outcome));
    Some(all.collect())
}
