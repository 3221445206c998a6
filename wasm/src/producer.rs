//! Both halves of a producer in one object, without locks: a page has one loop.
//!
//! A call returns at once and calls nothing of the page but [`Page`]'s methods, none of which calls back.
use crate::checksum::{crc32c, make_checksums};
use crate::heap::{Buffers, Heap, HeapBuf, HeapSlots};
use crate::page::{Page, Sockets};
use crate::settings::{self, Number, number};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use kurier_core::accumulator::{self, Accumulator, Refused, Settings};
use kurier_core::batch::upper_bound;
use kurier_core::delivery::{Delivery, message};
use kurier_core::error::{DeliveryError, Fate, Outcome, SendError};
use kurier_core::record::{Header, Record, Ticket, Topic};
use kurier_core::sender::{self, Sender, TroubleKind, Wake};
use kurier_core::time::{Instant, Timestamp};
use kurier_core::wire::ErrorCode;
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

/// Bytes in which answers are read.
const WINDOW: usize = 4096;
/// [`Core::send`]: the topic's partitions are not known yet.
const NOT_READY: f64 = -1.0;
/// [`Core::send`]: memory is full.
const FULL: f64 = -2.0;
/// [`Core::send`]: the topic has no such partition, as far as is known.
const NO_PARTITION: f64 = -3.0;

/// A producer. Times are the page's milliseconds, which never go back.
#[wasm_bindgen]
pub struct Core {
    page: Page,
    append: Accumulator<Heap>,
    sender: Sender<'static, Heap>,
    buffers: Buffers,
    /// The buffer that the next batch is opened in.
    spare: Option<HeapBuf>,
    window: Vec<u8>,
    message: Vec<u8>,
    /// Where the record that was accepted last is in its batch.
    index: u32,
    topics: u16,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
fn instant(ms: f64) -> Instant {
    // Not at zero, so that "before" can be told.
    Instant::from_micros((ms * 1000.0) as u64 + 1_000_000)
}

#[wasm_bindgen]
impl Core {
    /// A producer that starts from `servers`, one `host port` a line. `numbers` are those of `settings.rs`.
    #[wasm_bindgen(constructor)]
    pub fn new(page: Page, servers: &str, client_id: String, numbers: &[f64]) -> Result<Core, JsError> {
        let (hosts, ports): (Vec<_>, Vec<_>) = servers
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(host, port)| (host.to_owned(), port.parse::<u16>().unwrap_or(0)))
            .unzip();
        let config = settings::config(&hosts, &ports, client_id, numbers);
        let checked = config.check().map_err(|error| JsError::new(&error.to_string()))?;
        let total = number(numbers, Number::BufferMemory).unwrap_or(settings::BUFFER_MEMORY);
        let append = accumulator::Memory {
            buffers: HeapSlots::new(),
            topics: HeapSlots::new(),
            queues: HeapSlots::new(),
            nodes: HeapSlots::new(),
        };
        let send = sender::Memory {
            links: HeapSlots::new(),
            slots: HeapSlots::new(),
            topics: HeapSlots::new(),
            names: HeapSlots::new(),
            finished: HeapSlots::new(),
            freed: HeapSlots::new(),
        };
        make_checksums();
        let standard = checked.batch_size().max(kurier_core::storage::LEAST_BATCH_BYTES);
        Ok(Self {
            page,
            append: Accumulator::new(Settings::of(checked), append, checked.seed()),
            sender: Sender::new(checked, crc32c, send),
            buffers: Buffers::new(total as usize, standard as usize),
            spare: None,
            window: vec![0; WINDOW],
            message: Vec::new(),
            index: 0,
            topics: 0,
        })
    }

    /// The handle of a topic, counted from 0 in the order of the calls. One call for each name.
    pub fn topic(&mut self, name: &str, now: f64) -> Result<u16, JsError> {
        let topic = self
            .sender
            .register_topic(name, instant(now))
            .map_err(|error| JsError::new(&error.to_string()))?;
        if topic.0 >= self.topics {
            self.append.publish_topic(topic, 0, 0, 0);
            self.topics = topic.0 + 1;
        }
        Ok(topic.0)
    }

    /// Appends a record: the serial of its batch, or -1 if nothing is known of the topic yet, -2 if memory is full, -3 if
    /// the topic has no such partition; then newer metadata is on its way.
    /// `partition` below 0 is none; `headers` are names and values, each behind its length in 32 bits, little-endian; -1 is null.
    #[allow(clippy::too_many_arguments)] // an object would cost a call for each of its fields
    pub fn send(
        &mut self,
        topic: u16,
        value: Option<Vec<u8>>,
        key: Option<Vec<u8>>,
        headers: &[u8],
        partition: i32,
        timestamp: f64,
        now: f64,
    ) -> Result<f64, JsError> {
        let headers = read_headers(headers);
        #[allow(clippy::cast_possible_truncation)] // saturates
        let record = Record {
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &headers,
            timestamp: Some(Timestamp(timestamp as i64)),
            partition: (partition >= 0).then_some(partition),
        };
        match self.append(Topic(topic), &record, instant(now)) {
            Ok(ticket) => {
                self.index = ticket.index;
                Ok(ticket.serial.into())
            }
            Err(SendError::NotReady) => {
                let count = self.append.partitions(Topic(topic));
                Ok(if count.is_some_and(|count| partition >= count) { NO_PARTITION } else { NOT_READY })
            }
            Err(SendError::Full) => Ok(FULL),
            Err(error) => Err(JsError::new(&format!("{}: {error}", name_of(error)))),
        }
    }

    /// Where the record that was accepted last is in its batch.
    #[wasm_bindgen(getter)]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many partitions a topic has, 0 where nothing is known of it.
    pub fn partitions(&self, topic: u16) -> i32 {
        self.append.partitions(Topic(topic)).unwrap_or(0)
    }

    /// How often the cluster has said what it has.
    #[wasm_bindgen(getter)]
    pub fn updates(&self) -> f64 {
        self.sender.stats().metadata_updates as f64
    }

    /// Does what there is to do. Answers in how many ms to come again, if no socket has something before; -1 is not
    /// at all, until then.
    pub fn poll(&mut self, now_ms: f64) -> f64 {
        let now = instant(now_ms);
        let mut net = Sockets { page: &self.page, message: &mut self.message, has_closed: false };
        self.sender.poll_receive(now, &mut net, &mut self.window);
        let has_closed = net.has_closed;
        self.complete();
        self.sender.exchange(&mut self.append, now);
        let mut net = Sockets { page: &self.page, message: &mut self.message, has_closed: false };
        let wake = self.sender.poll_send(now, &mut net);
        if (has_closed || net.has_closed)
            && let Some((trouble, server)) = self.sender.trouble()
        {
            self.page.trouble(place_of(trouble.kind), server.host, server.port);
        }
        let ended = self.complete();
        match wake {
            _ if ended => 0.0,
            Wake::Now => 0.0,
            // A page's timers count whole milliseconds, and late is better than twice.
            Wake::At(at) => at.as_micros().saturating_sub(now.as_micros()).div_ceil(1000) as f64,
            Wake::OnIo => -1.0,
        }
    }

    /// Makes everything sent so far go without lingering. Answers a mark for [`is_flushed`](Self::is_flushed).
    pub fn flush(&mut self) -> u32 {
        self.append.flush();
        self.append.next_serial()
    }

    /// Whether everything sent before the mark is over.
    pub fn is_flushed(&self, mark: u32) -> bool {
        !self.append.holds_before(mark) && !self.sender.holds_before(mark)
    }

    /// Takes no further records, and fails what is left at once.
    pub fn abort(&mut self) {
        self.append.close();
        self.sender.abort(&mut self.append, DeliveryError::Aborted);
    }

    /// Counters since the start, in the order that `js/kurier.js` names them.
    pub fn metrics(&self) -> Vec<f64> {
        let stats = self.sender.stats();
        let mut counters = [
            stats.records,
            stats.batches,
            stats.requests,
            stats.bytes,
            stats.retries,
            stats.record_errors,
            stats.connections_opened,
            stats.connections_closed,
            stats.metadata_updates,
        ]
        .map(|count| count as f64)
        .to_vec();
        counters.push(self.sender.requests_in_flight().into());
        counters
    }
}

impl Core {
    fn append(&mut self, to: Topic, record: &Record<'_>, now: Instant) -> Result<Ticket, SendError> {
        if record.timestamp.is_some_and(|timestamp| timestamp.0 < 0) {
            return Err(SendError::InvalidTimestamp);
        }
        let need = upper_bound(record);
        if need > self.buffers.total() {
            let [size, max] =
                [need, self.buffers.total()].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
            return Err(SendError::RecordTooLarge { size, max });
        }
        // Beforehand, since to be without a buffer means to the append half that memory is exhausted.
        if self.spare.as_ref().is_none_or(|spare| kurier_core::host::Buf::bytes(spare).len() < need) {
            if let Some(small) = self.spare.take() {
                self.buffers.give(small);
            }
            self.spare = self.buffers.take(need);
        }
        match self.append.append(
            to,
            record,
            record.timestamp.unwrap_or(Timestamp::NONE),
            now,
            &mut self.spare,
        ) {
            Ok(appended) => Ok(appended.ticket),
            Err(Refused::NeedsBuffer { .. }) => Err(SendError::Full),
            Err(Refused::NeedsMetadata | Refused::NeedsSlot { .. }) => {
                self.sender.want_topic(to, now);
                Err(SendError::NotReady)
            }
            Err(Refused::Send(SendError::TopicRefused(code))) => {
                // The next answer of the cluster decides anew.
                self.sender.want_topic(to, now);
                Err(SendError::TopicRefused(code))
            }
            Err(Refused::Send(error)) => Err(error),
        }
    }

    /// Tells the page of every delivery there is. Answers whether there was any.
    fn complete(&mut self) -> bool {
        let mut any = false;
        while let Some((delivery, buffer)) = self.sender.next_delivery() {
            any = true;
            tell(&self.page, &delivery, kurier_core::host::Buf::bytes(buffer));
        }
        while let Some(buffer) = self.sender.take_free() {
            self.buffers.give(buffer);
        }
        any
    }
}

fn tell(page: &Page, delivery: &Delivery, bytes: &[u8]) {
    let Delivery { serial, first, count, partition, .. } = *delivery;
    if let Outcome::Written = delivery.outcome {
        let number = |value: Option<i64>| value.unwrap_or(-1) as f64;
        page.written(
            serial,
            first,
            count,
            partition,
            number(delivery.base_offset),
            number(delivery.timestamp),
        );
    } else {
        for index in first..first.saturating_add(count) {
            let record = delivery.of(Ticket { serial, index }, bytes);
            let Some(error) = record.and_then(|record| record.outcome.error()) else { continue };
            let fate = record.map_or(Fate::MaybeWritten, |record| record.outcome.fate());
            let code = error.code().map_or(error.name(), |code| ErrorCode(code).name());
            let said = if delivery.has_notes { String::from_utf8_lossy(message(bytes)) } else { "".into() };
            let text = if said.is_empty() { error.to_string() } else { format!("{error}: {said}") };
            page.failed(serial, index, fate.as_str(), code, &text);
        }
    }
    if delivery.rest == 0 {
        page.over(serial);
    }
}

/// Where `js/page.js` has the words for it.
const fn place_of(kind: TroubleKind) -> u32 {
    match kind {
        TroubleKind::Unreachable => 0,
        TroubleKind::Closed => 1,
        TroubleKind::NoAnswer => 2,
        TroubleKind::NotKafka => 3,
        TroubleKind::TooOld => 4,
    }
}

/// The name of an error for programs.
fn name_of(error: SendError) -> &'static str {
    match error {
        SendError::Full => "BUFFER_EXHAUSTED",
        SendError::NotReady => "NO_METADATA",
        SendError::RecordTooLarge { .. } => "RECORD_TOO_LARGE",
        SendError::InvalidPartition { .. } => "INVALID_PARTITION",
        SendError::InvalidTimestamp => "INVALID_TIMESTAMP",
        SendError::TopicRefused(code) | SendError::Fatal(code) => ErrorCode(code).name(),
        SendError::Closed => "PRODUCER_CLOSED",
        _ => "INVALID_RECORD",
    }
}

/// Headers as `js/record.js` writes them. It writes them right, or not at all.
fn read_headers(mut bytes: &[u8]) -> Vec<Header<'_>> {
    let mut headers = Vec::new();
    while let Some(Some(name)) = part(&mut bytes) {
        let Some(value) = part(&mut bytes) else { break };
        headers.push(Header { name: core::str::from_utf8(name).unwrap_or_default(), value });
    }
    headers
}

fn part<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let Ok(length) = usize::try_from(i32::from_le_bytes(*length)) else { return Some(None) };
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_as_they_were_written() {
        let bytes =
            [&[1, 0, 0, 0, b'a', 0, 0, 0, 0][..], &[1, 0, 0, 0, b'b', 0xff, 0xff, 0xff, 0xff]].concat();
        let headers = read_headers(&bytes);
        let found: Vec<_> = headers.iter().map(|header| (header.name, header.value)).collect();
        assert_eq!(found, [("a", Some(&[][..])), ("b", None)]);
        assert!(read_headers(&bytes[..6]).is_empty(), "half a header is none");
    }
}
