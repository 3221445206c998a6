//! What is in a record, made from its number and the history's seed; so it need not be kept to be compared.
use super::dice::Dice;
#[cfg(feature = "whole")]
use kurier_core::record::Header;
use kurier_core::record::Record;
#[cfg(feature = "whole")]
use kurier_core::time::Timestamp;

/// A record's contents, made from its number.
pub(super) struct Content {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: Option<i64>,
}

/// How many of a thousand records of a history have a time: mostly all.
fn timed(seed: u64) -> u64 {
    Dice::new(seed, 24).pick(&[1000, 1000, 1000, 500, 0])
}

impl Content {
    pub(super) fn new(seed: u64, id: u64, longest: u64) -> Self {
        let d = &mut Dice::new(seed ^ (id << 32), 7);
        let tombstone = d.chance(50);
        let key = if tombstone {
            Some(id.to_be_bytes().to_vec())
        } else if d.chance(400) {
            let n = d.below(6) as usize;
            Some(vec![b'k'; n])
        } else {
            None
        };
        let value = (!tombstone).then(|| {
            let extra = if d.chance(30) { d.below(longest * 2) } else { d.below(longest) };
            let mut value = id.to_be_bytes().to_vec();
            value.extend((0..extra).map(|n| (n * 31 + id) as u8));
            value
        });
        let headers = if d.chance(100) {
            vec![("h".to_owned(), Some(vec![1, 2])), ("h".to_owned(), None)]
        } else {
            Vec::new()
        };
        let timestamp = d.chance(timed(seed)).then(|| super::net::unix(0) + d.below(1_000_000) as i64);
        if !cfg!(feature = "whole") {
            // Records have values and nothing else.
            let value = Some(value.unwrap_or_else(|| id.to_be_bytes().to_vec()));
            return Self { key: None, value, headers: Vec::new(), timestamp: None };
        }
        Self { key, value, headers, timestamp }
    }

    /// The same at this time (Unix ms).
    pub(super) fn at(self, timestamp: Option<i64>) -> Self {
        Self { timestamp: timestamp.or(self.timestamp).filter(|_| cfg!(feature = "whole")), ..self }
    }

    #[cfg(not(feature = "whole"))]
    pub(super) fn with<R>(&self, _: Option<i32>, send: impl FnOnce(Record<'_>) -> R) -> R {
        send(Record { value: self.value.as_deref() })
    }

    #[cfg(feature = "whole")]
    pub(super) fn with<R>(&self, partition: Option<i32>, send: impl FnOnce(Record<'_>) -> R) -> R {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        send(Record {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp: self.timestamp.map(Timestamp),
            partition,
        })
    }

    /// A topic that wants keys does not take it.
    pub(super) fn has_no_key(&self) -> bool {
        self.key.is_none()
    }

    /// Whether it lies there as it was sent; the timestamp may be the broker's own.
    pub(super) fn equals(&self, logged: &kurier_broker::Record<'_>, append_time: bool) -> bool {
        let headers = logged.headers().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        self.key.as_deref() == logged.key
            && self.value.as_deref() == logged.value
            && (append_time || self.timestamp.unwrap_or(-1) == logged.timestamp)
            && self.headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.clone())).eq(headers)
    }
}

/// The number in a record.
pub(super) fn number(record: &kurier_broker::Record<'_>) -> Option<usize> {
    let bytes = record.value.or(record.key)?.first_chunk::<8>()?;
    usize::try_from(u64::from_be_bytes(*bytes)).ok()
}
