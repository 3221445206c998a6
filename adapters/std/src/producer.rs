//! The producer as its users hold it.
use crate::append::{Patience, Refusal};
use crate::bell::Bell;
use crate::callback::Callback;
use crate::completion::RecordFuture;
use crate::config::{Config, ConfigError, Settings};
use crate::error::{CloseError, ConnectError};
use crate::heap::HeapSlots;
use crate::io_thread::{self, BatchDelivery, OnDelivery};
use crate::memory::Memory;
use crate::metrics::{self, Metric};
use crate::net::{SocketOptions, Sockets, WAKER};
use crate::record::{Cause, RecordError, RecordMetadata};
use crate::shared::{Append, Asks, End, Flush, Shared};
use crate::topics::Topics;
use kurier_core::accumulator::{self, Accumulator};
use kurier_core::error::{DeliveryError, SendError};
use kurier_core::record::{Record, Ticket};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Stack of the I/O thread, bytes. Callbacks run on it.
const STACK: usize = 256 * 1024;
/// How much longer than its timeout a close waits for what is left to fail.
const GRACE: Duration = Duration::from_millis(500);

/// A Kafka producer. Cheap to clone; every clone is the same producer, which may be used from any thread.
///
/// When the last clone is dropped, what was sent is delivered first, within `delivery.timeout.ms`; [`close`](Self::close)
/// says whether that succeeded. It is of no use in a fork of its process, where nothing does the I/O.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    delivery_timeout: Duration,
    client_id: Box<str>,
}

impl Producer {
    /// Starts a producer; the cluster is contacted in the background. What is odd about the configuration is logged
    /// with the target `kurier::config`, for those who have told it already.
    ///
    /// # Errors
    /// The configuration cannot be used, or the system refuses a thread.
    pub fn connect(config: &Config) -> Result<Self, ConnectError> {
        Self::start(config.check()?, None)
    }

    /// The same, with a callback for the end of every batch. It runs on the I/O thread, in the order of appending for
    /// each partition, and should not take long.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        config: &Config,
        on_delivery: impl FnMut(&BatchDelivery<'_>) + Send + 'static,
    ) -> Result<Self, ConnectError> {
        Self::start(config.check()?, Some(Box::new(on_delivery)))
    }

    fn start(settings: Settings, on_delivery: Option<OnDelivery>) -> Result<Self, ConnectError> {
        let settings = settings.named();
        let client_id: Box<str> = settings.client_id.as_deref().unwrap_or_default().into();
        for warning in &settings.warnings {
            log::warn!(target: "kurier::config", "{client_id}: {warning}");
        }
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let size = |bytes: Option<u32>| bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let options = SocketOptions {
            send_buffer: size(settings.send_buffer_bytes),
            receive_buffer: size(settings.receive_buffer_bytes),
        };
        let net = Sockets::new(poll.registry().try_clone()?, Arc::clone(&waker), options);
        let (append, delivery_timeout) = append_half(&settings)?;
        let shared = Arc::new(Shared::new(append, Bell::new(waker), settings.max_block));
        let thread = {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name("kurier-io".into()).stack_size(STACK);
            builder.spawn(move || {
                let endpoints = settings.endpoints();
                let core = settings.core(&endpoints);
                // Checked before the thread was started.
                match core.check() {
                    Ok(config) => io_thread::run(&shared, config, poll, net, on_delivery),
                    Err(_) => shared.finish(End { cut_off: 0 }),
                }
            })?
        };
        log::debug!("{client_id}: started");
        let thread = Mutex::new(Some(thread));
        Ok(Self { inner: Arc::new(Inner { shared, thread, delivery_timeout, client_id }) })
    }

    /// Sends a record: it is in a batch when this returns, and the future tells what becomes of it. Waits up to
    /// `max.block.ms` for the topic's metadata and for memory; in a callback it does not wait.
    ///
    /// # Errors
    /// The call itself is wrong: the producer is closed, or has failed, or partition or timestamp are negative. What is
    /// wrong with the record is told by its future.
    pub fn send(&self, topic: &str, record: Record<'_>) -> Result<RecordFuture, SendError> {
        self.send_or_fail(topic, &record, Patience::MaxBlock)
    }

    /// Sends a record without waiting for anything.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `Full` and `NotReady` where that would wait.
    pub fn try_send(&self, topic: &str, record: Record<'_>) -> Result<RecordFuture, SendError> {
        self.send_or_fail(topic, &record, Patience::None)
    }

    #[inline]
    fn send_or_fail(
        &self,
        topic: &str,
        record: &Record<'_>,
        patience: Patience,
    ) -> Result<RecordFuture, SendError> {
        let sent = self.inner.shared.append(topic, record, patience, |batch, ticket, facts| {
            RecordFuture::of_batch(Arc::clone(batch.state()), ticket.index, facts)
        });
        match sent {
            Ok(future) => Ok(future),
            Err(Refusal::Misuse(error)) => Err(error),
            Err(Refusal::Record(cause)) => Ok(RecordFuture::failed(self.inner.refused(topic, cause))),
        }
    }

    /// Sends a record as [`send`](Self::send) does and has `callback` called with its end: on the I/O thread, in the
    /// order of appending for each partition, or at once on this thread if the record fails at once.
    ///
    /// # Errors
    /// As [`send`](Self::send); `callback` is not called then.
    pub fn send_with_callback(
        &self,
        topic: &str,
        record: Record<'_>,
        callback: impl FnOnce(Result<RecordMetadata, RecordError>) + Send + 'static,
    ) -> Result<(), SendError> {
        let mut callback = Some(Callback::new(callback));
        let sent = self.inner.shared.append(topic, &record, Patience::MaxBlock, |batch, ticket, facts| {
            if let Some(callback) = callback.take() {
                batch.on_end(ticket.index, facts, callback);
            }
        });
        match (sent, callback) {
            (Ok(()), _) => Ok(()),
            (Err(Refusal::Misuse(error)), _) => Err(error),
            (Err(Refusal::Record(cause)), callback) => {
                if let Some(callback) = callback {
                    callback.call(Err(self.inner.refused(topic, cause)));
                }
                Ok(())
            }
        }
    }

    /// Sends a record as [`send`](Self::send) does, without a future: its end is in the delivery of its batch, which
    /// [`connect_with`](Self::connect_with)'s callback gets, under the ticket returned here.
    ///
    /// # Errors
    /// The record was not accepted; nothing else will be heard of it.
    pub fn post(&self, topic: &str, record: Record<'_>) -> Result<Ticket, RecordError> {
        let sent = self.inner.shared.append(topic, &record, Patience::MaxBlock, |_, ticket, _| ticket);
        sent.map_err(|refusal| {
            let cause = match refusal {
                Refusal::Misuse(error) => Cause::Refused(error),
                Refusal::Record(cause) => cause,
            };
            self.inner.refused(topic, cause)
        })
    }

    /// Makes everything sent so far go without lingering, and waits until all of it has ended.
    ///
    /// # Errors
    /// `InCallback`.
    pub fn flush(&self) -> Result<(), CloseError> {
        let shared = &self.inner.shared;
        if shared.is_io_thread() {
            return Err(CloseError::InCallback);
        }
        let id = {
            let mut append = shared.append.lock();
            append.accumulator.flush();
            let (id, before) = (append.asks.id(), append.accumulator.next_serial());
            append.asks.flushes.push(Flush { id, before, thread: std::thread::current() });
            id
        };
        shared.bell.ring();
        loop {
            {
                let append = shared.append.lock();
                let waits = append.asks.flushes.iter().any(|flush| flush.id == id);
                if !waits || append.asks.over {
                    return Ok(());
                }
            }
            if shared.is_fork() {
                return Ok(());
            }
            std::thread::park();
        }
    }

    /// Takes no more records, delivers those it has, and ends. What is left after `timeout` fails. In a callback it
    /// begins that and does not wait.
    ///
    /// # Errors
    /// `TimedOut` with the number of records that were not delivered, or `Stuck`.
    pub fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.inner.close(timeout, DeliveryError::Closed)
    }

    /// Takes no more records and fails those it has, at once.
    pub fn abort(&self) {
        // How many it cut off is what was asked for.
        let _ = self.inner.close(Duration::ZERO, DeliveryError::Aborted);
    }

    /// How many partitions a topic has; waits for its metadata up to `max.block.ms`.
    ///
    /// # Errors
    /// The topic did not appear in time, its name is not valid, or the producer is closed.
    pub fn partitions_for(&self, topic: &str) -> Result<u32, RecordError> {
        self.inner.shared.partitions(topic).map_err(|cause| self.inner.refused(topic, cause))
    }

    /// What the producer did so far, by the names of Kafka's `producer-metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        metrics::snapshot(&self.inner.shared)
    }

    /// What is wrong with the way to the cluster, in words: why the last link that was lost was, until its broker is reached,
    /// or any server if it led to one of the `bootstrap.servers`. `None` also if none was tried yet.
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.inner.shared.counters.trouble()
    }

    /// `client.id`, as it is sent.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }
}

/// The append half of a producer, and its `delivery.timeout.ms`.
fn append_half(settings: &Settings) -> Result<(Append, Duration), ConfigError> {
    let endpoints = settings.endpoints();
    let core = settings.core(&endpoints);
    let config = core.check().map_err(ConfigError::Core)?;
    let memory = accumulator::Memory {
        buffers: HeapSlots::new(),
        topics: HeapSlots::new(),
        queues: HeapSlots::new(),
        nodes: HeapSlots::new(),
    };
    let total = usize::try_from(settings.buffer_memory).unwrap_or(usize::MAX);
    let standard = usize::try_from(config.batch_size()).unwrap_or(usize::MAX).min(total);
    let append = Append {
        accumulator: Accumulator::new(accumulator::Settings::of(config), memory, config.seed()),
        topics: Topics::new(),
        memory: Memory::new(total, standard),
        asks: Asks::default(),
    };
    Ok((append, Duration::from_millis(u64::from(config.delivery_timeout_ms()))))
}

impl Inner {
    fn refused(&self, topic: &str, cause: Cause) -> RecordError {
        let detail = match cause {
            Cause::NoMetadata { .. } => self.shared.counters.trouble(),
            _ => None,
        };
        RecordError::refused(topic.into(), cause).with_detail(detail)
    }

    fn close(&self, timeout: Duration, error: DeliveryError) -> Result<(), CloseError> {
        let shared = &self.shared;
        if shared.is_fork() {
            return Ok(());
        }
        // That of an earlier call, if it is sooner.
        let deadline = shared.close(timeout, error);
        if shared.is_io_thread() {
            return Ok(());
        }
        let left = deadline.as_micros().saturating_sub(shared.clock.now().as_micros());
        let end = shared.wait_for_end(Duration::from_micros(left).saturating_add(GRACE));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (end, thread) {
            (None, thread) => {
                *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread;
                Err(CloseError::Stuck)
            }
            (Some(end), thread) => {
                // It said its last word; what a panic after that could be is of no use to anyone.
                let _ = thread.map(JoinHandle::join);
                match end {
                    End { cut_off: 0 } => Ok(()),
                    End { cut_off } => Err(CloseError::TimedOut { records: cut_off }),
                }
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        match self.close(self.delivery_timeout, DeliveryError::Closed) {
            Ok(()) => log::debug!("{}: closed", self.client_id),
            Err(error) => log::warn!("{}: dropped, but {error}", self.client_id),
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("client_id", &self.inner.client_id).finish_non_exhaustive()
    }
}
