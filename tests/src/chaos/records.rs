//! What is sent: records that can be made again from the seed and their number alone.
//!
//! A third names its partition and carries its running number there, a third has one of 499 keys, a third is placed by
//! the partitioner. Most are short, one in a hundred is larger than a batch; some have headers, some are tombstones.
use kurier_core::random::Random;
use std::fmt::Write as _;

/// Partitions of the topic.
pub(super) const PARTITIONS: u32 = 12;
const KEYS: u32 = 499;

/// One record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) partition: Option<u32>,
    pub(super) key: Option<String>,
    /// `None` is a tombstone; its number is in the key.
    pub(super) value: Option<String>,
    /// One header `n` with the record's number.
    pub(super) header: bool,
}

impl Sent {
    /// The record `n` of `seed`.
    pub(super) fn new(seed: u64, n: u64) -> Self {
        let mut random = Random::new(seed.rotate_left(17) ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let header = random.below(8) == 0;
        let mut value = format!("n={n} ");
        let (mut partition, mut key) = (None, None);
        match n % 3 {
            0 => {
                let lane = u32::try_from(n / 3 % u64::from(PARTITIONS)).unwrap_or(0);
                // Cannot fail.
                let _written = write!(value, "p{lane}#{} ", n / 3 / u64::from(PARTITIONS));
                partition = Some(lane);
            }
            1 if random.below(64) == 0 => {
                return Self { key: Some(format!("tombstone n={n} ")), header, ..Self::default() };
            }
            1 => key = Some(format!("key-{}", random.below(KEYS))),
            _ => {}
        }
        let size = match random.below(1000) {
            0..900 => random.within(20, 150),
            900..990 => random.within(150, 1000),
            _ => random.within(1000, 20_000),
        };
        let width = usize::try_from(size).unwrap_or(0).max(value.len());
        let filler = char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
        value.extend(std::iter::repeat_n(filler, width - value.len()));
        Self { partition, key, value: Some(value), header }
    }

    /// Adds it to `out` as a line for `kurier produce --format json`.
    pub(super) fn write(&self, n: u64, topic: &str, out: &mut String) {
        let text =
            |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("\"{text}\""));
        // Nothing here needs to be escaped, and a string takes everything.
        let _written = write!(
            out,
            "{{\"topic\":\"{topic}\",\"key\":{},\"value\":{}",
            text(&self.key),
            text(&self.value)
        );
        if let Some(partition) = self.partition {
            let _written = write!(out, ",\"partition\":{partition}");
        }
        if self.header {
            let _written = write!(out, ",\"headers\":[[\"n\",\"{n}\"]]");
        }
        out.push_str("}\n");
    }
}

/// The number of a record that was read back.
pub(super) fn number(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<u64> {
    let text = match value {
        Some(value) => value.strip_prefix(b"n=")?,
        None => key?.strip_prefix(b"tombstone n=")?,
    };
    let digits = text.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_made_again_and_its_number_is_found() {
        let (mut sizes, mut tombstones) = (Vec::new(), 0);
        for n in 0..20_000 {
            let sent = Sent::new(7, n);
            assert_eq!(sent, Sent::new(7, n));
            assert_eq!(
                number(sent.key.as_deref().map(str::as_bytes), sent.value.as_deref().map(str::as_bytes)),
                Some(n)
            );
            let mut line = String::new();
            sent.write(n, "t", &mut line);
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(json["value"].as_str(), sent.value.as_deref());
            assert_eq!(json["headers"].is_array(), sent.header);
            sizes.extend(sent.value.as_ref().map(String::len));
            tombstones += u32::from(sent.value.is_none());
        }
        assert!(sizes.iter().any(|size| *size > 16_384) && tombstones > 50);
        assert!(sizes.iter().sum::<usize>() / sizes.len() < 300);
        assert_eq!(Sent::new(7, 3 * 17).partition, Some(5));
    }
}
