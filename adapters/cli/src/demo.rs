//! `kurier demo`: this machine's telemetry through the producer to a broker, read back from the broker's port, and
//! both shown. The broker is the embedded one unless another is named.
use crate::args;
use crate::exit::{Error, Status};
use crate::talk::{self, bytes};
use crate::{broker, setup, signals};
use kurier::Producer;
use kurier::config::{Config, Server as Address};
use kurier_broker::{Server, ServerOptions, TopicConfig};
use kurier_core::record::Record;
use read_back::{PATIENCE, Read, Reader};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use telemetry::{Sample, Telemetry};

mod read_back;
mod telemetry;

/// From sample to sample.
const INTERVAL: Duration = Duration::from_millis(250);
/// Partitions of the embedded broker's topic.
const PARTITIONS: u32 = 3;
/// Samples between two lines shown.
const SHOWN: u32 = 4;

/// Where a record was acknowledged, and what it was.
type Acknowledged = BTreeMap<(i32, i64), (&'static str, String)>;

/// What was sent and read so far.
#[derive(Default)]
struct Sums {
    sent: u64,
    read: u64,
    slowest_ms: f64,
}

/// Runs it.
///
/// # Errors
/// The broker cannot be started or reached, or what comes back is not what was sent.
pub(crate) fn run(args: &args::Demo) -> Result<Status, Error> {
    let talk = args::Talk::default();
    talk::begin(talk);
    args::topic_name(&args.topic).map_err(Error::usage)?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    signals::watch(move || told.store(true, Ordering::Relaxed))
        .map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let embedded = match &args.bootstrap {
        Some(_) => None,
        None => Some(start(&args.topic)?),
    };
    let servers =
        embedded.as_ref().map(Server::bootstrap).or_else(|| args.bootstrap.clone()).unwrap_or_default();
    let mut config = Config::new();
    config.set("bootstrap.servers", &servers).map_err(Error::usage)?;
    config.set("client.id", "kurier-demo").map_err(Error::usage)?;
    let brokers = setup::settings(&config, talk)?.bootstrap;
    let producer = Producer::connect(&config).map_err(Error::failed)?;
    let kind = if embedded.is_some() { "an embedded broker, in memory" } else { "a Kafka cluster" };
    setup::print(&format!("kurier demo: {servers} is {kind}; topic {}, {} s\n\n", args.topic, args.seconds))?;

    let end = Instant::now() + Duration::from_secs(args.seconds.into());
    let sums = stream(&producer, &brokers, &args.topic, end, &stop)?;
    producer.close(Duration::from_secs(10)).map_err(Error::failed)?;
    setup::print(&format!(
        "\n{} records sent and acknowledged, the slowest after {:.1} ms; {} read back over TCP, all identical\n",
        sums.sent, sums.slowest_ms, sums.read
    ))?;
    Ok(if stop.load(Ordering::Relaxed) { Status::Interrupted } else { Status::Written })
}

fn start(topic: &str) -> Result<Server, Error> {
    let server = Server::start(ServerOptions::default())
        .map_err(|error| Error::failed(format!("cannot start the embedded broker: {error}")))?;
    broker::create(&server, topic, PARTITIONS, TopicConfig::default())?;
    Ok(server)
}

/// Sample, send, wait for the acknowledgements, read back, compare; until `end` or `stop`.
fn stream(
    producer: &Producer,
    brokers: &[Address],
    topic: &str,
    end: Instant,
    stop: &AtomicBool,
) -> Result<Sums, Error> {
    let mut telemetry = Telemetry::begin();
    let mut sums = Sums::default();
    let mut reader = None;
    let begin = Instant::now();
    let mut due = begin;
    let mut round = 0;
    loop {
        due += INTERVAL;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) || Instant::now() >= end {
            return Ok(sums);
        }
        let sample = telemetry.sample();
        let sent_at = Instant::now();
        let acknowledged = send(producer, topic, &telemetry.records(&sample))?;
        let ms = sent_at.elapsed().as_secs_f64() * 1e3;
        sums.slowest_ms = sums.slowest_ms.max(ms);
        sums.sent += acknowledged.len() as u64;
        let reader = match &mut reader {
            Some(reader) => reader,
            // Only now is the topic sure to be there.
            None => reader.insert(Reader::open(brokers, topic, PATIENCE).map_err(cannot_read)?),
        };
        let read = read_back(reader, &acknowledged)?;
        sums.read += read.len() as u64;
        if round % SHOWN == 0 {
            show(begin.elapsed(), &sample, topic, ms, &read)?;
        }
        round += 1;
    }
}

fn cannot_read(error: String) -> Error {
    Error::failed(format!("cannot read back: {error}"))
}

fn send(producer: &Producer, topic: &str, records: &[(&'static str, String)]) -> Result<Acknowledged, Error> {
    let mut futures = Vec::new();
    for (key, value) in records {
        let record = Record::value(value.as_bytes()).key(key.as_bytes());
        futures.push((*key, value.clone(), producer.send(topic, record).map_err(Error::failed)?));
    }
    let mut acknowledged = Acknowledged::new();
    for (key, value, future) in futures {
        let metadata = future.wait().map_err(Error::failed)?;
        let offset =
            metadata.offset.ok_or_else(|| Error::failed("a record was acknowledged without an offset"))?;
        acknowledged.insert((metadata.partition, offset), (key, value));
    }
    Ok(acknowledged)
}

/// Reads exactly what was acknowledged; others may write to the topic as well, and are passed over.
fn read_back(reader: &mut Reader, acknowledged: &Acknowledged) -> Result<Vec<Read>, Error> {
    let mut ends = BTreeMap::new();
    for (partition, offset) in acknowledged.keys() {
        reader.begin(*partition, *offset);
        ends.insert(*partition, offset + 1);
    }
    let mut read = reader.read_to(&ends).map_err(cannot_read)?;
    read.retain(|record| acknowledged.contains_key(&(record.partition, record.offset)));
    for ((partition, offset), (key, value)) in acknowledged {
        let same = |record: &&Read| {
            (record.partition, record.offset) == (*partition, *offset)
                && record.key.as_deref() == Some(key.as_bytes())
                && record.value.as_deref() == Some(value.as_bytes())
        };
        if read.iter().find(same).is_none() {
            return Err(Error::failed(format!(
                "partition {partition} offset {offset} did not come back as it was sent"
            )));
        }
    }
    Ok(read)
}

fn show(at: Duration, sample: &Sample, topic: &str, ms: f64, read: &[Read]) -> Result<(), Error> {
    let memory = match sample.memory_total {
        0 => 0.0,
        total => sample.memory_used as f64 / total as f64 * 100.0,
    };
    let mut text = format!(
        "{:>5.1} s  cpu {} {:>5.1} %   memory {} {} of {}   network in {}/s out {}/s\n",
        at.as_secs_f64(),
        gauge(sample.cpu_percent),
        sample.cpu_percent,
        gauge(memory),
        bytes(sample.memory_used as f64),
        bytes(sample.memory_total as f64),
        bytes(sample.received_per_second),
        bytes(sample.sent_per_second),
    );
    text.push_str(&format!("         sent {} records, acknowledged in {ms:.1} ms\n", read.len()));
    for record in read {
        let text_of = |bytes: &Option<Vec<u8>>| {
            String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
        };
        let (key, value) = (text_of(&record.key), text_of(&record.value));
        text.push_str(&format!(
            "         read {topic}-{}@{:<4} {key:<8} {value}\n",
            record.partition, record.offset
        ));
    }
    setup::print(&text)
}

/// Ten cells of a percentage.
fn gauge(percent: f64) -> String {
    let full = (percent / 10.0).round().clamp(0.0, 10.0) as usize;
    "█".repeat(full) + &"░".repeat(10 - full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_has_ten_cells() {
        for (percent, full) in [(-1.0, 0), (0.0, 0), (4.9, 0), (50.0, 5), (99.0, 10), (1000.0, 10)] {
            let gauge = gauge(percent);
            assert_eq!(gauge.chars().count(), 10);
            assert_eq!(gauge.chars().filter(|cell| *cell == '█').count(), full, "{percent}");
        }
    }
}
