//! N records of 100 bytes through the core's whole producer, from append to a taken delivery, over a link in memory;
//! for counting instructions as `encode_ir` does. The difference of two counts is what one record costs.
//!
//! The far side acknowledges whole requests without looking at their batches; what it costs (a hundred
//! instructions a batch) is counted too. The first requests are answered by the model broker.
use kurier_broker::{Cluster, ConnectionId, Settings, TopicConfig};
use kurier_core::config::Config;
use kurier_core::error::SendError;
use kurier_core::producer::Producer;
use kurier_core::record::{Record, Ticket};
use kurier_core::storage::Storage;
use kurier_core::time::Instant;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use std::process::ExitCode;
use std::task::Poll;

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "broker", port: 9092 }];
const VALUE_BYTES: usize = 100;
const NOW: i64 = 1_700_000_000_000;

/// One link to a broker that has acknowledged all it was sent.
struct Memory {
    cluster: Cluster,
    connection: Option<ConnectionId>,
    /// The begin of the request on its way: size, key, version, correlation id, and all of it if it is a rare one.
    head: Vec<u8>,
    /// Bytes of it that are still to come.
    left: usize,
    answers: Vec<u8>,
    /// The topic's id, as the produce request names it; the offset of the next batch.
    offset: i64,
}

impl Memory {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let wanted = 4_usize.saturating_sub(self.head.len()).min(bytes.len());
                let (length, rest) = bytes.split_at(wanted);
                self.head.extend_from_slice(length);
                bytes = rest;
                if let Some(length) = self.head.first_chunk::<4>() {
                    self.left = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(0);
                }
                continue;
            }
            let (here, rest) = bytes.split_at(bytes.len().min(self.left));
            let is_produce = self.head.get(4..6).is_some_and(|key| key == [0, 0]);
            // Of a produce request only the front is kept, up to the topic and the partition.
            if !is_produce || self.head.len() < 128 {
                let kept = if is_produce { here.len().min(128) } else { here.len() };
                self.head.extend(here.iter().take(kept));
            }
            self.left -= here.len();
            bytes = rest;
            if self.left == 0 {
                self.answer();
                self.head.clear();
            }
        }
    }

    fn answer(&mut self) {
        if self.head.get(4..6).is_some_and(|key| key == [0, 0]) {
            self.acknowledge();
        } else if let Some(connection) = self.connection {
            // Whether the model would rather close shows in what comes out.
            let _ = self.cluster.handle(connection, &self.head, NOW);
            self.answers.append(&mut self.cluster.take_output(connection));
        }
    }

    /// Produce 13: one topic, one partition, written.
    fn acknowledge(&mut self) {
        let client = usize::from(self.head.get(13).copied().unwrap_or(0));
        // Size, key, version, correlation id, client id, tags, transactional id, acks, timeout, count of topics.
        let topic = 4 + 4 + 4 + 2 + client + 1 + 1 + 2 + 4 + 1;
        let field = |range: std::ops::Range<usize>| self.head.get(range).unwrap_or_default();
        let before = self.answers.len();
        let mut answer = std::mem::take(&mut self.answers);
        answer.extend_from_slice(&[0; 4]);
        answer.extend_from_slice(field(8..12));
        answer.extend_from_slice(&[0, 2]);
        answer.extend_from_slice(field(topic..topic + 16));
        answer.push(2);
        answer.extend_from_slice(field(topic + 17..topic + 21));
        answer.extend_from_slice(&[0; 2]);
        answer.extend_from_slice(&self.offset.to_be_bytes());
        answer.extend_from_slice(&(-1_i64).to_be_bytes());
        answer.extend_from_slice(&[0; 8]);
        // No record errors, no message, no tags, twice; no throttling; no tags.
        answer.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let length = u32::try_from(answer.len() - before - 4).unwrap_or(0).to_be_bytes();
        for (slot, byte) in answer.iter_mut().skip(before).zip(length) {
            *slot = byte;
        }
        self.answers = answer;
        self.offset += 1000;
    }
}

impl embedded_io::ErrorType for Memory {
    type Error = embedded_io::ErrorKind;
}

impl Transport for Memory {
    fn connect(&mut self, _: LinkId, _: Endpoint<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection = self.cluster.open(1);
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, _: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Self::Error>> {
        bufs.iter().for_each(|bytes| self.take(bytes));
        Poll::Ready(Ok(bufs.iter().map(|bytes| bytes.len()).sum()))
    }

    fn flush(&mut self, _: LinkId) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, _: LinkId, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>> {
        if self.answers.is_empty() {
            return Poll::Pending;
        }
        let count = buf.len().min(self.answers.len());
        let (to, from) = (buf.get_mut(..count), self.answers.get(..count));
        if let (Some(to), Some(from)) = (to, from) {
            to.copy_from_slice(from);
        }
        self.answers.drain(..count);
        Poll::Ready(Ok(count))
    }

    fn close(&mut self, _: LinkId) {
        self.connection = None;
    }
}

fn main() -> ExitCode {
    let Some(records) = std::env::args().nth(1).and_then(|n| n.parse::<u64>().ok()) else {
        eprintln!("usage: produce-ir RECORDS");
        return ExitCode::from(2);
    };
    match produce(records) {
        Ok(written) if written == records => {
            println!("{written} records");
            ExitCode::SUCCESS
        }
        Ok(written) => {
            eprintln!("{written} of {records} records were written");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn produce(records: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let mut cluster = Cluster::new(Settings::default());
    cluster.add_broker(1, "broker", 9092);
    cluster.create_topic("lines", 1, TopicConfig::default()).map_err(|error| format!("{error:?}"))?;
    let mut net =
        Memory { cluster, connection: None, head: Vec::new(), left: 0, answers: Vec::new(), offset: 0 };
    let memory = Box::leak(Box::new(Storage::<1, 1, 8, 16_384>::new()));
    let config: &'static Config<'static> = Box::leak(Box::new(Config::new(SERVERS).linger_ms(5)));
    let mut producer = Producer::new(memory, config, crc32c::crc32c_append)?;
    let mut now = Instant::from_millis(1000);
    let topic = producer.topic("lines", now)?;
    let value = [0x5a_u8; VALUE_BYTES];
    let (mut sent, mut written, mut turns, mut flushed) = (0, 0, 0_u64, false);
    while sent < records || written < records {
        while sent < records {
            match producer.send(topic, Record::value(&value), now) {
                Ok(_) => sent += 1,
                Err(SendError::Full | SendError::NotReady) => break,
                Err(error) => return Err(error.to_string().into()),
            }
        }
        if sent == records && !flushed {
            producer.flush();
            flushed = true;
        }
        producer.poll(now, &mut net);
        while let Some(told) = producer.next_delivery() {
            for index in 0..told.count {
                let end = told.of(Ticket { serial: told.serial, index });
                written += u64::from(end.is_some_and(|end| end.offset.is_some()));
            }
        }
        now = now.plus_millis(1);
        turns += 1;
        if turns > 1000 + records {
            return Err(format!(
                "the producer is stuck: {sent} sent, {written} written, {:?}",
                producer.stats()
            )
            .into());
        }
    }
    Ok(written)
}
