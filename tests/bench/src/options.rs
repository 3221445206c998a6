//! The options that every program of the benchmark takes; see `tests/peers` for the other clients' ones.
use std::time::Duration;

/// What a program is to produce.
#[derive(Debug, Clone)]
pub struct Options {
    /// `HOST:PORT,...`
    pub bootstrap: String,
    /// The topic, which exists.
    pub topic: String,
    /// How many records.
    pub records: u64,
    /// Bytes of each value; there are no keys.
    pub size: usize,
    /// `batch.size`, bytes.
    pub batch: usize,
    /// `linger.ms`
    pub linger: u64,
    /// Record `n` goes to partition `n` modulo this.
    pub partitions: u64,
    /// Records per second; 0 for all that go.
    pub rate: u64,
    /// `buffer.memory`, bytes.
    pub memory: u64,
    /// Seconds to stay, connected, when all records are acknowledged.
    pub idle: u64,
    /// Unix time in µs at which the process was started.
    pub started: u64,
}

impl Options {
    /// Reads `--name VALUE` pairs; all are needed.
    ///
    /// # Errors
    /// Says which is missing or is no number.
    pub fn read(words: &[String]) -> Result<Self, String> {
        let value = |name: &str| {
            let at = words.iter().position(|word| word == name);
            at.and_then(|at| words.get(at + 1)).ok_or(format!("{name} is missing"))
        };
        let number = |name: &str| -> Result<u64, String> {
            value(name)?.parse().map_err(|_| format!("{name} is no number"))
        };
        let size = |name: &str| usize::try_from(number(name)?).map_err(|_| format!("{name} is too large"));
        Ok(Self {
            bootstrap: value("--bootstrap")?.clone(),
            topic: value("--topic")?.clone(),
            records: number("--records")?,
            size: size("--size")?,
            batch: size("--batch")?,
            linger: number("--linger")?,
            partitions: number("--partitions")?,
            rate: number("--rate")?,
            memory: number("--memory")?,
            idle: number("--idle")?,
            started: number("--started")?,
        })
    }

    /// The same as words.
    pub fn words(&self) -> Vec<String> {
        let pairs = [
            ("--bootstrap", self.bootstrap.clone()),
            ("--topic", self.topic.clone()),
            ("--records", self.records.to_string()),
            ("--size", self.size.to_string()),
            ("--batch", self.batch.to_string()),
            ("--linger", self.linger.to_string()),
            ("--partitions", self.partitions.to_string()),
            ("--rate", self.rate.to_string()),
            ("--memory", self.memory.to_string()),
            ("--idle", self.idle.to_string()),
            ("--started", self.started.to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// When record `n` is due after the start: in bursts of a millisecond, as a timer of a server would send.
    pub fn due(&self, n: u64) -> Duration {
        let micros = n.saturating_mul(1_000_000).checked_div(self.rate).unwrap_or(0);
        Duration::from_millis(micros / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_survive_their_words_and_bursts_are_of_a_millisecond() {
        let options = Options {
            bootstrap: "127.0.0.1:9092".into(),
            topic: "t".into(),
            records: 7,
            size: 100,
            batch: 16384,
            linger: 5,
            partitions: 12,
            rate: 10_000,
            memory: 33_554_432,
            idle: 1,
            started: 99,
        };
        let mut words = options.words();
        let again = Options::read(&words).unwrap();
        assert_eq!(format!("{options:?}"), format!("{again:?}"));
        assert_eq!([0, 9, 10, 25].map(|n| options.due(n).as_millis()), [0, 0, 1, 2]);
        words.truncate(words.len() - 1);
        assert_eq!(Options::read(&words).unwrap_err(), "--started is missing");
    }
}
