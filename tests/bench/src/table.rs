//! What came out: medians, one flat object of them, and the table against the budgets.
use crate::workload;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a figure must be to be within the first budget.
#[derive(Clone, Copy)]
enum Limit {
    /// At most so many times the best of the others.
    Share(f64),
    /// At least so many times the best of the others, who is the highest.
    AtLeast(f64),
    /// At most this.
    Most(f64),
    /// No budget.
    None,
}
use Limit::{AtLeast, Most, Share};

const MB: f64 = 1_000_000.0;

/// Workload, figure, unit, by how much it is divided, the limit against the sink, that against Kafka. Times of another machine
/// are no limits; their ratios are.
type Row = (&'static str, &'static str, &'static str, f64, Limit, Limit);
const ROWS: &[Row] = &[
    ("batch16k", "cpu_s_per_m", "CPU s/M", 1.0, Share(0.88), Share(1.0)),
    ("batch16k", "records_per_s", "M records/s", MB, AtLeast(0.98), Limit::None),
    ("batch16k", "broker_cpu_s_per_m", "broker CPU s/M", 1.0, Limit::None, Limit::None),
    ("batch1m", "cpu_s_per_m", "CPU s/M", 1.0, Share(1.0), Share(1.0)),
    ("partitions12", "cpu_s_per_m", "CPU s/M", 1.0, Share(1.0), Share(1.0)),
    ("partitions12", "broker_cpu_s_per_m", "broker CPU s/M", 1.0, Limit::None, Share(1.0)),
    ("value1k", "cpu_s_per_m", "CPU s/M", 1.0, Share(1.0), Share(1.0)),
    ("paced10k", "cpu_s", "CPU s", 1.0, Share(1.0), Share(1.0)),
    ("paced10k", "p50_ms", "p50 ms", 1.0, Limit::None, Limit::None),
    ("paced10k", "p99_ms", "p99 ms", 1.0, Limit::None, Share(1.05)),
    ("paced100", "cpu_s", "CPU s", 1.0, Share(1.0), Share(1.0)),
    ("paced100", "p50_ms", "p50 ms", 1.0, Limit::None, Share(1.18)),
    ("paced100", "p99_ms", "p99 ms", 1.0, Limit::None, Share(1.06)),
    ("start", "first_ack_ms", "ms to the first ack", 1.0, Share(0.55), Share(0.55)),
    ("idle", "rss_bytes", "MB resident", MB, Most(3.0), Most(3.0)),
    ("idle", "threads", "threads", 1.0, Most(2.0), Most(2.0)),
    ("memory8m", "max_rss_bytes", "MB at most", MB, Most(33.0), Most(33.0)),
    ("memory8m", "cpu_s_per_m", "CPU s/M", 1.0, Limit::None, Limit::None),
];

/// Instructions for each record: name, title, first budget.
const COUNTS: &[(&str, &str, Option<f64>)] = &[
    ("encode.ir_per_record", "encode into a 16 KB batch, CRC included", Some(285.0)),
    ("produce.ir_per_record", "the core's whole producer, append to acknowledged, no sockets", Some(1000.0)),
    ("process.kurier_batch.ir_per_record", "process of kurier, a callback for each batch", Some(1000.0)),
    ("process.kurier_future.ir_per_record", "process of kurier, a future for each record", None),
    ("process.kurier.ir_per_record", "process of kurier, a callback for each record", None),
    ("process.librdkafka.ir_per_record", "process of librdkafka", None),
];

const CLIENTS: [&str; 5] = ["kurier", "kurier_batch", "kurier_future", "librdkafka", "franz_go"];

#[derive(Default)]
pub(crate) struct Results {
    /// Every value of every figure, by `PLACE.WORKLOAD.CLIENT.FIGURE`.
    values: BTreeMap<String, Vec<f64>>,
    headlines: BTreeMap<String, f64>,
}

impl Results {
    pub(crate) fn add(&mut self, place: &str, workload: &str, client: &str, figure: &str, value: f64) {
        self.values.entry(format!("{place}.{workload}.{client}.{figure}")).or_default().push(value);
    }

    pub(crate) fn headline(&mut self, figure: &str, value: f64) {
        eprintln!("{figure}: {value:.1}");
        self.headlines.insert(figure.to_owned(), value);
    }

    fn median(&self, place: &str, workload: &str, client: &str, figure: &str) -> Option<f64> {
        median(self.values.get(&format!("{place}.{workload}.{client}.{figure}"))?)
    }

    /// The median over rounds of one client's figure over another's in the same round.
    fn ratio(&self, workload: &str, client: &str, other: &str, figure: &str) -> Option<f64> {
        let values = |client| self.values.get(&format!("sink.{workload}.{client}.{figure}"));
        let ratios: Vec<f64> =
            values(client)?.iter().zip(values(other)?).map(|(one, other)| one / other).collect();
        median(&ratios)
    }

    /// The figures that others rely on, by their short names.
    pub(crate) fn headlines(&mut self) {
        let short = [
            ("produce.cpu_seconds_per_million", self.median("sink", "batch16k", "kurier", "cpu_s_per_m")),
            ("produce.records_per_second", self.median("sink", "batch16k", "kurier", "records_per_s")),
            ("produce.cpu_ratio_librdkafka", self.ratio("batch16k", "kurier", "librdkafka", "cpu_s_per_m")),
            ("produce.cpu_ratio_franz_go", self.ratio("batch16k", "kurier", "franz_go", "cpu_s_per_m")),
            ("start.first_ack_ms", self.median("sink", "start", "kurier", "first_ack_ms")),
            ("idle.rss_bytes", self.median("sink", "idle", "kurier", "rss_bytes")),
            ("idle.threads", self.median("sink", "idle", "kurier", "threads")),
            ("loaded.max_rss_bytes", self.median("sink", "memory8m", "kurier", "max_rss_bytes")),
        ];
        for (figure, value) in short {
            if let Some(value) = value {
                self.headlines.insert(figure.to_owned(), value);
            }
        }
    }

    /// One flat object, medians only.
    pub(crate) fn json(&self) -> String {
        let medians = self.values.iter().filter_map(|(name, values)| Some((name, median(values)?)));
        let all = self.headlines.iter().map(|(name, value)| (name, *value)).chain(medians);
        let number = |value: f64| Number::from_f64((value * 1e6).round() / 1e6).map(Value::Number);
        let object: Map<String, Value> =
            all.map(|(name, value)| (name.clone(), number(value).unwrap_or(Value::Null))).collect();
        Value::Object(object).to_string()
    }

    /// The same for people, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        if COUNTS.iter().any(|(name, ..)| self.headlines.contains_key(*name)) {
            writeln!(text, "| instructions per 100-byte record | | first budget |\n|---|---|---|")?;
            for (name, title, budget) in COUNTS {
                let Some(value) = self.headlines.get(*name) else { continue };
                let verdict = budget.map_or(String::new(), |most| {
                    format!("at most {most}: {}", if *value <= most { "met" } else { "**missed**" })
                });
                writeln!(text, "| {title} | {value:.0} | {verdict} |")?;
            }
        }
        for (place, title) in [("sink", "the sink"), ("kafka", "Kafka 4.3.1")] {
            if !self.values.keys().any(|name| name.starts_with(place)) {
                continue;
            }
            writeln!(text, "\n| against {title} | | {} | first budget |", CLIENTS.join(" | "))?;
            writeln!(text, "|---|---{}|---|", "|---".repeat(CLIENTS.len()))?;
            for row in ROWS {
                self.row(text, place, row)?;
            }
        }
        Ok(())
    }

    fn row(&self, text: &mut String, place: &str, row: &Row) -> std::fmt::Result {
        let &(workload, figure, unit, divisor, sink, kafka) = row;
        let values =
            CLIENTS.map(|client| self.median(place, workload, client, figure).map(|value| value / divisor));
        let [Some(ours), ..] = values else { return Ok(()) };
        let title = workload::ALL.iter().find(|known| known.name == workload).map_or("", |known| known.title);
        let cells = values.map(|value| value.map_or(String::new(), shown)).join(" | ");
        let others = || values.iter().skip(3).copied().flatten();
        let best = others().fold(f64::INFINITY, f64::min);
        let highest = others().fold(0.0, f64::max);
        let verdict = |met: bool| if met { "met" } else { "**missed**" };
        let budget = match if place == "sink" { sink } else { kafka } {
            Share(most) if best.is_finite() => {
                let ratio = ours / best;
                format!("{ratio:.2} of the best peer, at most {most:.2}: {}", verdict(ratio <= most))
            }
            AtLeast(least) if highest > 0.0 => {
                let ratio = ours / highest;
                format!("{ratio:.2} of the best peer, at least {least:.2}: {}", verdict(ratio >= least))
            }
            Most(most) => format!("at most {most}: {}", verdict(ours <= most)),
            _ => String::new(),
        };
        writeln!(text, "| {title} | {unit} | {cells} | {budget} |")
    }
}

/// Three digits that count.
fn shown(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied()?;
    let below = sorted.get(sorted.len().saturating_sub(1) / 2).copied()?;
    Some((middle + below) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_table_compares_with_the_best_peer_and_the_object_is_flat() {
        let mut results = Results::default();
        for (client, cpu) in [("kurier", 0.5), ("librdkafka", 1.0), ("franz_go", 0.8)] {
            results.add("sink", "batch16k", client, "cpu_s_per_m", cpu);
        }
        results.headlines();
        let table = results.table();
        assert!(table.contains("| CPU s/M | 0.500 |  |  | 1 | 0.800 | 0.62 of the best peer"), "{table}");
        assert!(table.contains("at most 0.88: met"), "{table}");
        let object: Value = serde_json::from_str(&results.json()).unwrap();
        assert_eq!(object["produce.cpu_ratio_librdkafka"], 0.5);
        assert_eq!(object["sink.batch16k.franz_go.cpu_s_per_m"], 0.8);
    }
}
