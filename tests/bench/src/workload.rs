//! What is produced, in the words of the budgets.

/// One way to produce.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    records: u64,
    pub(crate) size: usize,
    pub(crate) batch: usize,
    pub(crate) linger: u64,
    pub(crate) partitions: u64,
    pub(crate) rate: u64,
    pub(crate) memory: u64,
    /// Seconds at rest after the last record.
    pub(crate) idle: u64,
    rounds: u32,
}

/// 100-byte values in 16 KB batches to one partition, as fast as they go.
const PLAIN: Workload = Workload {
    name: "batch16k",
    title: "100 B, 16 KB batches, 1 partition",
    records: 4_000_000,
    size: 100,
    batch: 16_384,
    linger: 5,
    partitions: 1,
    rate: 0,
    memory: 33_554_432,
    idle: 0,
    rounds: 5,
};

pub(crate) const ALL: &[Workload] = &[
    PLAIN,
    Workload { name: "batch1m", title: "100 B, 1 MB batches", batch: 1_000_000, rounds: 3, ..PLAIN },
    Workload {
        name: "partitions12",
        title: "100 B, 16 KB batches, 12 partitions in turn",
        partitions: 12,
        rounds: 3,
        ..PLAIN
    },
    Workload {
        name: "value1k",
        title: "1 KB, 64 KB batches, 1 partition",
        records: 1_000_000,
        size: 1024,
        batch: 65_536,
        rounds: 3,
        ..PLAIN
    },
    Workload {
        name: "paced10k",
        title: "10 000/s, linger 5 ms",
        records: 100_000,
        rate: 10_000,
        rounds: 3,
        ..PLAIN
    },
    Workload {
        name: "paced100",
        title: "100/s, linger 0",
        records: 1000,
        rate: 100,
        linger: 0,
        rounds: 3,
        ..PLAIN
    },
    Workload { name: "start", title: "one record", records: 1, linger: 0, rounds: 11, ..PLAIN },
    Workload {
        name: "idle",
        title: "connected, one record sent, at rest for 2 s",
        records: 1,
        linger: 0,
        idle: 2,
        rounds: 3,
        ..PLAIN
    },
    Workload {
        name: "memory8m",
        title: "as the first, `buffer.memory` 8 MB",
        records: 2_000_000,
        memory: 8_388_608,
        rounds: 3,
        ..PLAIN
    },
];

impl Workload {
    /// No pace and no rest.
    pub(crate) fn is_full_speed(&self) -> bool {
        self.rate == 0 && self.records > 1
    }

    /// How many records; real brokers get half, since they take four times as long.
    pub(crate) fn records(&self, quick: bool, real: bool) -> u64 {
        let records = match (quick, self.is_full_speed(), self.rate) {
            (true, true, _) => self.records / 4,
            (true, false, 1..) => self.records / 4,
            _ => self.records,
        };
        if real && self.is_full_speed() { records / 2 } else { records }
    }

    pub(crate) fn rounds(&self, quick: bool) -> u32 {
        if quick { self.rounds.div_ceil(2) } else { self.rounds }
    }
}
