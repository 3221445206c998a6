//! Record batches as Kafka's own classes write and read them, byte for byte.
#![allow(clippy::unwrap_used)]
use kurier_core::batch::read::{Batch, BatchError};
use kurier_core::batch::{Builder, Stamp, record_size, restamp, seal, sequence, upper_bound};
use kurier_core::record::{Header, Record};
use kurier_core::time::Timestamp;
use kurier_tests::vectors::{bytes, hex, id, int, lines, unhex};
use serde_json::Value;

const CRC: fn(u32, &[u8]) -> u32 = crc32c::crc32c_append;

/// A record of the vectors, with its own bytes.
struct Owned {
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Owned {
    fn new(json: &Value) -> Self {
        let header = |pair: &Value| (pair[0].as_str().unwrap().to_owned(), bytes(&pair[1]));
        Self {
            timestamp: Timestamp(int(&json["timestamp"])),
            key: bytes(&json["key"]),
            value: bytes(&json["value"]),
            headers: json["headers"].as_array().unwrap().iter().map(header).collect(),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&Record<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        let record = Record {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp: Some(self.timestamp),
            partition: None,
        };
        f(&record)
    }
}

fn records(line: &Value) -> Vec<Owned> {
    line["records"].as_array().unwrap().iter().map(Owned::new).collect()
}

fn stamp(json: &Value) -> Option<Stamp> {
    let producer_id = int(&json["producerId"]);
    (producer_id != -1).then(|| Stamp {
        producer_id,
        epoch: i16::try_from(int(&json["producerEpoch"])).unwrap(),
        base_sequence: i32::try_from(int(&json["baseSequence"])).unwrap(),
    })
}

fn transactional(json: &Value) -> bool {
    json["transactional"].as_bool().unwrap()
}

/// What the records take without compression, the header included.
fn uncompressed(line: &Value) -> usize {
    usize::try_from(int(&line["uncompressedSizeInBytes"])).unwrap()
}

/// The records in a buffer of exactly the size they need.
fn append(line: &Value) -> (Builder, Vec<u8>) {
    let mut buf = vec![0; uncompressed(line)];
    let mut builder = Builder::new();
    for (n, record) in records(line).iter().enumerate() {
        let index = record.with(|r| builder.append(&mut buf, r, record.timestamp));
        assert_eq!(index.map(usize::try_from), Ok(Ok(n)), "{}", id(line));
    }
    (builder, buf)
}

/// What a broker fills in behind a producer's back, without a new checksum.
fn set_broker_fields(line: &Value, batch: &mut [u8]) {
    batch[0..8].copy_from_slice(&int(&line["baseOffset"]).to_be_bytes());
    let epoch = i32::try_from(int(&line["partitionLeaderEpoch"])).unwrap();
    batch[12..16].copy_from_slice(&epoch.to_be_bytes());
}

fn is_plain(line: &&Value) -> bool {
    line["compression"] == "none"
}

#[test]
fn vectors_batches_are_written_as_kafka_writes_them() {
    let lines = lines("batches");
    let plain: Vec<&Value> = lines.iter().filter(is_plain).collect();
    assert!(plain.len() > 50, "too few batches to mean anything: {}", plain.len());
    for line in plain {
        let (builder, mut buf) = append(line);
        assert!(seal(&mut buf, &builder, stamp(line), transactional(line), CRC), "{}", id(line));
        set_broker_fields(line, &mut buf);
        assert_eq!(hex(&buf), line["batch"].as_str().unwrap(), "{}", id(line));
    }
}

#[test]
fn vectors_batches_are_the_same_when_values_are_written_in_place() {
    for line in lines("batches").iter().filter(is_plain) {
        for spare in [0, 1, 70, 9_000] {
            let mut buf = vec![0; uncompressed(line) + spare + 16];
            let mut builder = Builder::new();
            for record in records(line) {
                let done = record.with(|r| match r.value {
                    None => builder.append(&mut buf, r, record.timestamp),
                    Some(value) => {
                        let most = value.len() + spare;
                        builder.append_with(&mut buf, r.key, r.headers, record.timestamp, most, |room| {
                            assert_eq!(room.len(), most);
                            room[..value.len()].copy_from_slice(value);
                            room[value.len()..].fill(0xee);
                            value.len()
                        })
                    }
                });
                assert!(done.is_ok(), "{}", id(line));
            }
            assert!(seal(&mut buf, &builder, stamp(line), transactional(line), CRC));
            set_broker_fields(line, &mut buf);
            buf.truncate(builder.len as usize);
            assert_eq!(hex(&buf), line["batch"].as_str().unwrap(), "{} with {spare} spare", id(line));
        }
    }
}

#[test]
fn vectors_batches_are_restamped_as_kafka_restamps_them() {
    let mut restamped = 0;
    for line in lines("batches").iter().filter(is_plain) {
        let again = &line["restamped"];
        let (builder, mut buf) = append(line);
        assert!(seal(&mut buf, &builder, stamp(line), transactional(line), CRC));
        assert!(restamp(&mut buf, &builder, stamp(again), transactional(again), CRC));
        set_broker_fields(line, &mut buf);
        assert_eq!(hex(&buf[..61]), again["batchHeader"].as_str().unwrap(), "{}", id(line));
        assert_eq!(hex(&buf[61..]), line["batch"].as_str().unwrap()[122..], "{}", id(line));
        restamped += 1;
    }
    assert!(restamped > 50);
}

#[test]
fn vectors_batches_have_the_sizes_that_kafka_computes() {
    for line in lines("batches") {
        let records = records(&line);
        let base = records[0].timestamp.0;
        let mut size = 61;
        for (n, record) in records.iter().enumerate() {
            let delta = record.timestamp.0.wrapping_sub(base);
            size += record.with(|r| record_size(r, i32::try_from(n).unwrap(), delta));
            let bound = i64::try_from(record.with(upper_bound)).unwrap();
            assert_eq!(bound, int(&line["singleBatchUpperBounds"][n]), "{} record {n}", id(&line));
        }
        assert_eq!(size, uncompressed(&line), "{}", id(&line));
        let (builder, _) = append(&line);
        let header = &line["header"];
        assert_eq!(builder.len as usize, size, "{}", id(&line));
        assert_eq!(i64::from(builder.count), int(&header["count"]), "{}", id(&line));
        assert_eq!({ builder.base_timestamp }, int(&header["baseTimestamp"]), "{}", id(&line));
        assert_eq!({ builder.max_timestamp }, int(&header["maxTimestamp"]), "{}", id(&line));
    }
}

#[test]
fn vectors_batches_do_not_fit_into_one_byte_less() {
    for line in lines("batches") {
        let mut buf = vec![0; uncompressed(&line) - 1];
        let mut builder = Builder::new();
        let records = records(&line);
        let (last, front) = records.split_last().unwrap();
        for record in front {
            assert!(record.with(|r| builder.fits(buf.len(), r, record.timestamp)), "{}", id(&line));
            assert!(record.with(|r| builder.append(&mut buf, r, record.timestamp)).is_ok(), "{}", id(&line));
        }
        let before = builder;
        let (len, end) = (buf.len(), builder.len as usize);
        let kept = buf[..end.min(len)].to_vec();
        assert!(!last.with(|r| builder.fits(len, r, last.timestamp)), "{}", id(&line));
        assert!(last.with(|r| builder.fits(len + 1, r, last.timestamp)), "{}", id(&line));
        assert!(last.with(|r| builder.append(&mut buf, r, last.timestamp)).is_err(), "{}", id(&line));
        assert_eq!((builder, &buf[..end.min(len)]), (before, &kept[..]), "{}", id(&line));
    }
}

#[test]
fn vectors_batches_are_read_back() {
    for line in lines("batches") {
        let raw = unhex(line["batch"].as_str().unwrap());
        let (batch, rest) = Batch::parse(&raw).unwrap_or_else(|e| panic!("{}: {e}", id(&line)));
        assert_eq!((batch.bytes(), rest), (&raw[..], &[][..]), "{}", id(&line));
        assert!(batch.crc_matches(CRC), "{}", id(&line));
        let header = batch.header;
        for (name, value) in [
            ("length", i64::from(header.length)),
            ("crc", i64::from(header.crc)),
            ("attributes", i64::from(header.attributes)),
            ("lastOffsetDelta", i64::from(header.last_offset_delta)),
            ("baseTimestamp", header.base_timestamp),
            ("maxTimestamp", header.max_timestamp),
            ("lastSequence", i64::from(header.last_sequence())),
            ("count", i64::from(header.count)),
        ] {
            assert_eq!(value, int(&line["header"][name]), "{} {name}", id(&line));
        }
        assert_eq!(header.base_offset, int(&line["baseOffset"]), "{}", id(&line));
        assert_eq!(i64::from(header.leader_epoch), int(&line["partitionLeaderEpoch"]), "{}", id(&line));
        assert_eq!(header.producer_id, int(&line["producerId"]), "{}", id(&line));
        assert_eq!(i64::from(header.producer_epoch), int(&line["producerEpoch"]), "{}", id(&line));
        assert_eq!(i64::from(header.base_sequence), int(&line["baseSequence"]), "{}", id(&line));
        assert_eq!(header.transactional(), transactional(&line), "{}", id(&line));
        if !is_plain(&&line) {
            let error = Err(BatchError::Compressed(header.codec()));
            assert_eq!(batch.records().collect::<Vec<_>>(), [error], "{}", id(&line));
            continue;
        }
        let expected = records(&line);
        assert_eq!(batch.records().count(), expected.len(), "{}", id(&line));
        for (n, (read, record)) in batch.records().zip(&expected).enumerate() {
            let read = read.unwrap_or_else(|e| panic!("{} record {n}: {e}", id(&line)));
            assert_eq!(usize::try_from(read.offset_delta), Ok(n), "{}", id(&line));
            assert_eq!((read.attributes, read.timestamp), (0, record.timestamp), "{} {n}", id(&line));
            assert_eq!((read.key, read.value), (record.key.as_deref(), record.value.as_deref()));
            let headers: Vec<_> = read.headers.collect();
            let names = record.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
            assert_eq!(headers, names.collect::<Vec<_>>(), "{} record {n}", id(&line));
        }
    }
}

#[test]
fn vectors_batches_damaged_or_cut_are_refused_or_read_without_harm() {
    let (mut refused, mut read) = (0, 0);
    for line in lines("batches") {
        let raw = unhex(line["batch"].as_str().unwrap());
        for cut in (0..raw.len()).step_by(1 + raw.len() / 300) {
            assert!(Batch::parse(&raw[..cut]).is_err(), "{} cut at {cut}", id(&line));
        }
        for at in (8..raw.len()).step_by(1 + raw.len() / 300) {
            for damage in [0x01, 0x80, 0xff] {
                let mut raw = raw.clone();
                raw[at] ^= damage;
                let Ok((batch, _)) = Batch::parse(&raw) else { continue };
                // Before the checksum lie fields that it does not cover.
                assert!(at < 17 || !batch.crc_matches(CRC), "{} byte {at}", id(&line));
                let whole = batch.records().all(|record| record.is_ok());
                *if whole { &mut read } else { &mut refused } += 1;
                for record in batch.records().flatten() {
                    let said = usize::try_from(record.headers.remaining());
                    assert_eq!(Ok(record.headers.count()), said, "{} byte {at}", id(&line));
                }
            }
        }
    }
    assert!(
        refused > 1000 && read > 1000,
        "{refused} refused, {read} read: the damage does not reach the records"
    );
}

#[test]
fn vectors_crc32c() {
    let lines = lines("crc32c");
    for line in &lines {
        let data = unhex(line["data"].as_str().unwrap());
        assert_eq!(i64::from(CRC(0, &data)), int(&line["crc32c"]), "{}", id(line));
        let (front, back) = data.split_at(data.len() / 3);
        assert_eq!(CRC(CRC(0, front), back), CRC(0, &data), "{} in two parts", id(line));
    }
    assert!(lines.len() > 50);
}

#[test]
fn vectors_sequences_wrap_as_in_kafka() {
    let mut seen = 0;
    for line in lines("primitives").iter().filter(|line| line["type"] == "sequence") {
        let number = |name: &str| i32::try_from(int(&line[name])).unwrap();
        let by = number("by").cast_unsigned();
        assert_eq!(sequence::add(number("sequence"), by), number("incremented"), "{}", id(line));
        assert_eq!(sequence::sub(number("sequence"), by), number("decremented"), "{}", id(line));
        seen += 1;
    }
    assert!(seen > 10);
}
