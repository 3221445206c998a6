//! A producer, its cluster, and what it told of each record.
use kurier_broker::{Body, Cluster, Fault, RequestInfo, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::delivery::{Delivery, RecordDelivery};
use kurier_core::error::{Fate, SendError};
use kurier_core::producer::{Mark, Producer};
use kurier_core::record::{Record, Ticket, Topic};
use kurier_core::sender::{Stats, Wake};
use kurier_core::storage::{Memory, Storage};
use kurier_core::time::{Instant, Timestamp};
use kurier_core::transport::Endpoint;
use kurier_core::wire::ErrorCode;
use kurier_tests::model_net::ModelNet;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 9091 }];
pub(crate) const NAME: &str = "lines";

fn crc(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// Settings with which a scenario is short: no lingering.
pub(crate) fn config() -> Config<'static> {
    Config::new(SERVERS).linger_ms(0).retry_backoff_ms(10).retry_backoff_max_ms(50)
}

/// A Produce request as a broker saw it: base sequence, epoch and count of its first batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sequence: i32,
    pub(crate) epoch: i16,
    pub(crate) count: i32,
    pub(crate) len: usize,
}

impl Seen {
    pub(crate) fn of(request: &RequestInfo<'_>) -> Option<Self> {
        let Body::Produce(produce) = &request.body else { return None };
        let batch = produce.topics.first()?.partitions.first()?.records?;
        Some(Self {
            sequence: i32::from_be_bytes(batch[53..57].try_into().unwrap()),
            epoch: i16::from_be_bytes(batch[51..53].try_into().unwrap()),
            count: i32::from_be_bytes(batch[57..61].try_into().unwrap()),
            len: batch.len(),
        })
    }
}

struct Sent {
    value: Vec<u8>,
    /// `None`: any.
    partition: Option<i32>,
    ticket: Ticket,
}

pub(crate) struct Stage {
    pub(crate) producer: Producer,
    pub(crate) net: ModelNet,
    pub(crate) now: Instant,
    pub(crate) topic: Topic,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    /// The most requests that were unanswered at a time.
    pub(crate) most_in_flight: u32,
    /// Records carry a time, which is a second ago.
    pub(crate) stamps: bool,
    sent: Vec<Sent>,
    told: BTreeMap<(u32, u32), (Delivery, RecordDelivery)>,
    /// What brokers said of each batch.
    messages: BTreeMap<u32, Vec<u8>>,
    idempotent: bool,
}

impl Stage {
    /// Five batches of 1024 bytes and more, one partition, two brokers.
    pub(crate) fn new(config: Config<'static>) -> Self {
        Self::with(Storage::<2, 4, 12, 1024>::new(), config, 2, 1)
    }

    pub(crate) fn with<M: Memory + 'static>(
        memory: M,
        config: Config<'static>,
        brokers: u16,
        partitions: i32,
    ) -> Self {
        Self::on(Settings::default(), memory, config, brokers, partitions)
    }

    /// The same on brokers of another kind.
    pub(crate) fn on<M: Memory + 'static>(
        settings: Settings,
        memory: M,
        config: Config<'static>,
        brokers: u16,
        partitions: i32,
    ) -> Self {
        let idempotent = config.check().unwrap().idempotence();
        let memory = Box::leak(Box::new(memory));
        let config = Box::leak(Box::new(config));
        let mut net = ModelNet::new(Cluster::new(settings), brokers);
        net.cluster.create_topic(NAME, partitions, TopicConfig::default()).unwrap();
        let all: Vec<i32> = (1..=i32::from(brokers)).collect();
        for partition in 0..partitions {
            net.cluster.set_replicas(NAME, partition, &all, &all);
        }
        let mut producer = Producer::new(memory, config, crc).unwrap();
        let now = Instant::from_millis(1000);
        let topic = producer.topic(NAME, now).unwrap();
        let mut stage = Self {
            producer,
            net,
            now,
            topic,
            seen: Arc::default(),
            most_in_flight: 0,
            stamps: true,
            sent: Vec::new(),
            told: BTreeMap::new(),
            messages: BTreeMap::new(),
            idempotent,
        };
        stage.inject(|_, _| None);
        stage
    }

    /// Another producer in the place of this one, which is gone without a word; with notes of an earlier one, or none.
    /// Answers whether they were of use.
    pub(crate) fn replace(&mut self, config: Config<'static>, notes: &mut [u8]) -> bool {
        self.net.cut();
        let memory = Box::leak(Box::new(Storage::<2, 4, 12, 1024>::new()));
        self.producer = Producer::new(memory, Box::leak(Box::new(config)), crc).unwrap();
        let recalled = self.producer.recall(notes, self.now);
        self.topic = self.producer.topic(NAME, self.now).unwrap();
        // Serials begin anew.
        self.sent.clear();
        self.told.clear();
        recalled
    }

    /// The largest batch the topic takes.
    pub(crate) fn limit(&mut self, bytes: i32) {
        assert!(self.net.cluster.configure_topic(NAME, |config| config.max_message_bytes = bytes));
    }

    /// What goes wrong with each Produce request from now on, which are counted from 0.
    pub(crate) fn inject(&mut self, mut fault: impl FnMut(usize, Seen) -> Option<Fault> + Send + 'static) {
        self.take_seen();
        let seen = Arc::clone(&self.seen);
        self.net.cluster.inject(move |request| {
            let this = Seen::of(request)?;
            let mut seen = seen.lock().unwrap();
            seen.push(this);
            fault(seen.len() - 1, this)
        });
    }

    /// What brokers saw since the last call.
    pub(crate) fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    pub(crate) fn turn(&mut self) {
        let wake = self.producer.poll(self.now, &mut self.net);
        self.most_in_flight = self.most_in_flight.max(self.producer.requests_in_flight());
        self.take();
        let before = self.now;
        self.now = match wake {
            Wake::Now => Instant::from_micros(before.as_micros() + 10),
            Wake::At(at) => at.max(Instant::from_micros(before.as_micros() + 10)).min(before.plus_millis(5)),
            Wake::OnIo => before.plus_millis(1),
        };
        self.net.now += i64::try_from(self.now.as_micros() / 1000 - before.as_micros() / 1000).unwrap();
        self.net.cluster.poll(self.net.now);
    }

    /// Takes what is told.
    pub(crate) fn take(&mut self) {
        while let Some(told) = self.producer.next_delivery() {
            self.messages.insert(told.serial, told.message().to_vec());
            for index in told.first..told.first + told.count {
                let of = told.of(Ticket { serial: told.serial, index }).unwrap();
                let before = self.told.insert((told.serial, index), (*told, of));
                assert!(before.is_none(), "told twice: {told:?}");
            }
            for index in [told.first.wrapping_sub(1), told.first + told.count] {
                assert_eq!(told.of(Ticket { serial: told.serial, index }), None, "not its own");
            }
        }
    }

    pub(crate) fn turns(&mut self, ms: u32) {
        let until = self.now.plus_millis(ms);
        while self.now < until {
            self.turn();
        }
    }

    /// Until this is so.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..20_000 {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("stuck: {:?}", self.producer.stats());
    }

    /// Sends to partition 0 a record of `len` bytes that tells its number. Answers that number.
    pub(crate) fn send(&mut self, len: usize) -> usize {
        self.send_to(0, len)
    }

    pub(crate) fn send_to(&mut self, partition: i32, len: usize) -> usize {
        self.send_record(Some(partition), None, len)
    }

    /// To whichever partition is chosen.
    pub(crate) fn send_anywhere(&mut self, len: usize) -> usize {
        self.send_record(None, None, len)
    }

    /// To partition 0, with a key.
    pub(crate) fn send_keyed(&mut self, len: usize) -> usize {
        self.send_record(Some(0), Some(b"key"), len)
    }

    fn send_record(&mut self, partition: Option<i32>, key: Option<&[u8]>, len: usize) -> usize {
        for _ in 0..20_000 {
            match self.try_send(partition, key, len) {
                Ok(id) => return id,
                Err(SendError::Full | SendError::NotReady) => self.turn(),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("cannot send");
    }

    /// One call: if there is room. Answers the record's number.
    pub(crate) fn try_send(
        &mut self,
        partition: Option<i32>,
        key: Option<&[u8]>,
        len: usize,
    ) -> Result<usize, SendError> {
        let id = self.sent.len();
        let mut value = format!("{id:08}").into_bytes();
        value.resize(len.max(8), b'.');
        let timestamp = self.stamps.then_some(Timestamp(self.net.now - 1000));
        let record = Record { partition, key, timestamp, ..Record::value(&value) };
        let ticket = self.producer.send(self.topic, record, self.now)?;
        self.sent.push(Sent { value, partition, ticket });
        Ok(id)
    }

    pub(crate) fn is_flushed(&self, mark: Mark) -> bool {
        self.producer.is_flushed(mark)
    }

    pub(crate) fn flush(&mut self) {
        let mark = self.producer.flush();
        self.until(|stage| stage.is_flushed(mark));
        assert!(
            self.sent.iter().all(|sent| self.told.contains_key(&(sent.ticket.serial, sent.ticket.index)))
        );
    }

    /// What was told of a record.
    pub(crate) fn told(&self, id: usize) -> RecordDelivery {
        let ticket = self.sent[id].ticket;
        self.told.get(&(ticket.serial, ticket.index)).unwrap_or_else(|| panic!("{id} was not told")).1
    }

    /// What a broker said of the batch that a record was in.
    pub(crate) fn message(&self, id: usize) -> &str {
        std::str::from_utf8(&self.messages[&self.sent[id].ticket.serial]).unwrap()
    }

    pub(crate) fn fates(&self) -> Vec<Fate> {
        (0..self.sent.len()).map(|id| self.told(id).outcome.fate()).collect()
    }

    /// How many of all records ended in which way: written, maybe, not.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let fates = self.fates();
        let of = |fate| fates.iter().filter(|seen| **seen == fate).count();
        (of(Fate::Written), of(Fate::MaybeWritten), of(Fate::NotWritten))
    }

    pub(crate) fn stats(&self) -> Stats {
        *self.producer.stats()
    }

    pub(crate) fn refusal(&self, id: usize) -> (ErrorCode, Fate) {
        let outcome = self.told(id).outcome;
        (ErrorCode(outcome.error().and_then(|error| error.code()).unwrap_or(0)), outcome.fate())
    }

    /// Numbers and offsets in the log of a partition.
    pub(crate) fn log(&self, partition: i32) -> Vec<(usize, i64)> {
        let records = self.net.cluster.records(NAME, partition);
        let number = |value: &[u8]| std::str::from_utf8(&value[..8]).unwrap().parse().unwrap();
        records.map(|record| (number(record.value.unwrap()), record.offset)).collect()
    }

    /// Epoch, base sequence and count of each batch in the log.
    pub(crate) fn batches(&self, partition: i32) -> Vec<(i16, i32, i32)> {
        let batches = self.net.cluster.batches(NAME, partition);
        batches.map(|b| (b.header.producer_epoch, b.header.base_sequence, b.header.count)).collect()
    }

    /// All of it is true: acknowledged ones lie where they were said to be and as they were sent, those not written lie
    /// nowhere, and under idempotence none lies twice, and all in order.
    pub(crate) fn check(&self) {
        self.check_tail(0);
    }

    /// The same where the first `gone` records were deleted from the log.
    pub(crate) fn check_tail(&self, gone: usize) {
        let partitions = self.net.cluster.partitions(NAME);
        let mut places: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for partition in 0..partitions {
            for record in self.net.cluster.records(NAME, partition) {
                let value = record.value.unwrap();
                let id: usize = std::str::from_utf8(&value[..8]).unwrap().parse().unwrap();
                assert_eq!(self.sent[id].value, value);
                assert!(self.sent[id].partition.is_none_or(|wanted| wanted == partition));
                places.entry(id).or_default().push(record.offset);
            }
            let log = self.log(partition);
            if self.idempotent {
                assert!(log.windows(2).all(|pair| pair[0].0 < pair[1].0), "doubled or out of order: {log:?}");
            }
        }
        for id in gone..self.sent.len() {
            let of = self.told(id);
            let lies = places.get(&id).cloned().unwrap_or_default();
            match of.outcome.fate() {
                Fate::Written => match of.offset {
                    Some(offset) => {
                        assert!(lies.contains(&offset), "{id} is not at {offset}, but at {lies:?}")
                    }
                    None => assert!(!lies.is_empty(), "{id} is nowhere"),
                },
                Fate::NotWritten => assert!(lies.is_empty(), "{id} was called not written"),
                Fate::MaybeWritten => assert_eq!(of.offset, None),
            }
        }
    }
}
