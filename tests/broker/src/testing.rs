//! Batches and requests by hand, for the tests of this crate and of others: right by default, and wrong in any
//! place on demand. It is not a producer: nothing is checked.
use crate::api;

/// A record to be put into a [`BatchBuilder`].
#[derive(Debug, Clone, Default)]
pub struct TestRecord {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl TestRecord {
    /// Null key, null value, no headers, the batch's timestamp.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this key.
    pub fn key(mut self, key: &[u8]) -> Self {
        self.key = Some(key.to_vec());
        self
    }

    /// With this value.
    pub fn value(mut self, value: &[u8]) -> Self {
        self.value = Some(value.to_vec());
        self
    }

    /// With this timestamp, Unix ms.
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &[u8], value: Option<&[u8]>) -> Self {
        self.headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        self
    }
}

/// A batch of magic 2 to be built. Every fixed field can be overridden after it was computed.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    records: Vec<TestRecord>,
    producer: (i64, i16, i32),
    timestamp: i64,
    attributes: i16,
    count: Option<i32>,
    last_offset_delta: Option<i32>,
    base_offset: i64,
    max_timestamp: Option<i64>,
    magic: u8,
    crc_xor: u32,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// No records, no producer id, timestamp 1 700 000 000 000.
    pub fn new() -> Self {
        Self {
            records: Vec::new(),
            producer: (-1, -1, -1),
            timestamp: 1_700_000_000_000,
            attributes: 0,
            count: None,
            last_offset_delta: None,
            base_offset: 0,
            max_timestamp: None,
            magic: 2,
            crc_xor: 0,
        }
    }

    /// One more record.
    pub fn record(mut self, record: TestRecord) -> Self {
        self.records.push(record);
        self
    }

    /// One more record of this value, with a null key.
    pub fn value(self, value: &[u8]) -> Self {
        self.record(TestRecord::new().value(value))
    }

    /// Producer id, epoch and base sequence.
    pub fn producer(mut self, id: i64, epoch: i16, sequence: i32) -> Self {
        self.producer = (id, epoch, sequence);
        self
    }

    /// The timestamp of records without their own, Unix ms.
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// The attributes, as they stand on the wire.
    pub fn attributes(mut self, attributes: i16) -> Self {
        self.attributes = attributes;
        self
    }

    /// Another count than there are records.
    pub fn count(mut self, count: i32) -> Self {
        self.count = Some(count);
        self
    }

    /// Another last offset delta than the count's.
    pub fn last_offset_delta(mut self, delta: i32) -> Self {
        self.last_offset_delta = Some(delta);
        self
    }

    /// Another base offset than 0.
    pub fn base_offset(mut self, offset: i64) -> Self {
        self.base_offset = offset;
        self
    }

    /// Another maximum than the records'.
    pub fn max_timestamp(mut self, timestamp: i64) -> Self {
        self.max_timestamp = Some(timestamp);
        self
    }

    /// Another magic than 2.
    pub fn magic(mut self, magic: u8) -> Self {
        self.magic = magic;
        self
    }

    /// A wrong CRC.
    pub fn bad_crc(mut self) -> Self {
        self.crc_xor = 1;
        self
    }

    /// The bytes.
    pub fn build(&self) -> Vec<u8> {
        let stamp = |record: &TestRecord| record.timestamp.unwrap_or(self.timestamp);
        let base_timestamp = self.records.first().map_or(self.timestamp, stamp);
        let max_timestamp = self.records.iter().map(stamp).max().unwrap_or(-1);
        let count = self.records.len() as i32;
        let mut covered = Vec::new();
        covered.extend_from_slice(&self.attributes.to_be_bytes());
        covered.extend_from_slice(&self.last_offset_delta.unwrap_or(count - 1).to_be_bytes());
        covered.extend_from_slice(&base_timestamp.to_be_bytes());
        covered.extend_from_slice(&self.max_timestamp.unwrap_or(max_timestamp).to_be_bytes());
        covered.extend_from_slice(&self.producer.0.to_be_bytes());
        covered.extend_from_slice(&self.producer.1.to_be_bytes());
        covered.extend_from_slice(&self.producer.2.to_be_bytes());
        covered.extend_from_slice(&self.count.unwrap_or(count).to_be_bytes());
        for (index, record) in self.records.iter().enumerate() {
            let mut body = vec![0];
            varlong(&mut body, stamp(record).wrapping_sub(base_timestamp));
            varlong(&mut body, index as i64);
            bytes(&mut body, record.key.as_deref());
            bytes(&mut body, record.value.as_deref());
            varlong(&mut body, record.headers.len() as i64);
            for (name, value) in &record.headers {
                bytes(&mut body, Some(name));
                bytes(&mut body, value.as_deref());
            }
            bytes(&mut covered, Some(&body));
        }
        let mut out = Vec::with_capacity(covered.len() + 21);
        out.extend_from_slice(&self.base_offset.to_be_bytes());
        out.extend_from_slice(&(covered.len() as i32 + 9).to_be_bytes());
        out.extend_from_slice(&(-1i32).to_be_bytes());
        out.push(self.magic);
        out.extend_from_slice(&(crc32c::crc32c(&covered) ^ self.crc_xor).to_be_bytes());
        out.extend_from_slice(&covered);
        out
    }
}

fn varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = (value << 1 ^ value >> 63).cast_unsigned();
    while raw > 0x7f {
        out.push(raw as u8 & 0x7f | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn bytes(out: &mut Vec<u8>, value: Option<&[u8]>) {
    varlong(out, value.map_or(-1, |value| value.len() as i64));
    out.extend_from_slice(value.unwrap_or_default());
}

/// A request frame: size, header (client id `test`), body.
pub fn frame(api: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    frame_of("test", api, version, correlation, body)
}

/// A request frame of a client of this id, of less than 32 KiB.
pub fn frame_of(client_id: &str, api: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&api.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&correlation.to_be_bytes());
    out.extend_from_slice(&(client_id.len() as i16).to_be_bytes());
    out.extend_from_slice(client_id.as_bytes());
    if api::flexible(api, version) {
        out.push(0);
    }
    out.extend_from_slice(body);
    let size = out.len() as i32 - 4;
    out[..4].copy_from_slice(&size.to_be_bytes());
    out
}
