//! Where records go: the sink in a process of its own, or one node of real Kafka.
//!
//! Invariant: what is started here ends with its [`Place`].
use crate::Failure;
use crate::client::Client;
use crate::workload::Workload;
use kurier_bench::options::Options;
use kurier_bench::report;
use kurier_kafka::Kafka;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Kernel ticks per second in `/proc/PID/stat`, the same on every Linux that is of interest here.
const TICKS: f64 = 100.0;

pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    broker: Broker,
}

enum Broker {
    Sink(Child),
    Kafka(Box<Kafka>, #[expect(dead_code, reason = "it is held, not looked at")] Option<Folder>),
}

/// A folder in memory, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is lost at the next start of the machine.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Place {
    pub(crate) fn sink(program: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(program).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        let address = address.trim().to_owned();
        Ok(Self { name: "sink", address, broker: Broker::Sink(child) })
    }

    /// One node with all its compilers, its log in memory where the system offers that.
    pub(crate) fn kafka() -> Result<Self, Failure> {
        let memory = Path::new("/dev/shm").join(format!("kurier-bench-{}", std::process::id()));
        let folder = std::fs::create_dir(&memory).is_ok().then_some(Folder(memory));
        let mut options = kurier_kafka::Options::new().full_compiler().heap_mb(1024);
        if let Some(Folder(path)) = &folder {
            options = options.folder(path);
        }
        // Nobody reads the records, and there are gigabytes of them.
        for (key, value) in [
            ("log.retention.bytes", "67108864"),
            ("log.segment.bytes", "67108864"),
            ("log.retention.check.interval.ms", "1000"),
            ("log.segment.delete.delay.ms", "500"),
        ] {
            options = options.property(key, value);
        }
        let kafka = Kafka::start(options)?;
        kafka.create_topic("p1", 1, 1)?;
        kafka.create_topic("p12", 12, 1)?;
        let address = kafka.bootstrap();
        Ok(Self { name: "kafka", address, broker: Broker::Kafka(Box::new(kafka), folder) })
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self.broker, Broker::Kafka(..))
    }

    /// One run of one client. The figures by their names.
    pub(crate) fn run(
        &self,
        client: &Client,
        workload: &Workload,
        records: u64,
    ) -> Result<BTreeMap<&'static str, f64>, Failure> {
        let before = self.processor_seconds();
        let mut command = Command::new(&client.program);
        command.args(self.options(workload, records).words()).args(client.arguments);
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let told: serde_json::Value =
            serde_json::from_str(text.trim()).map_err(|error| format!("{}: {error}: {text}", client.name))?;
        let number = |name: &str| told.get(name).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
        if !output.status.success() || number("records") != records as f64 {
            return Err(format!("{} did not deliver {records} records: {text}", client.name).into());
        }
        let (cpu, millions) = (number("cpu_user") + number("cpu_system"), records as f64 / 1e6);
        let figures = [
            ("cpu_s", cpu),
            ("cpu_s_per_m", cpu / millions),
            ("cpu_user_s_per_m", number("cpu_user") / millions),
            ("broker_cpu_s_per_m", (self.processor_seconds() - before) / millions),
            ("records_per_s", number("records") / number("seconds")),
            ("p50_ms", number("p50_ms")),
            ("p99_ms", number("p99_ms")),
            ("first_ack_ms", number("first_ack_ms")),
            ("rss_bytes", number("rss_bytes")),
            ("max_rss_bytes", number("max_rss_bytes")),
            ("threads", number("threads")),
        ];
        Ok(figures.into_iter().collect())
    }

    pub(crate) fn options(&self, workload: &Workload, records: u64) -> Options {
        Options {
            bootstrap: self.address.clone(),
            topic: format!("p{}", workload.partitions),
            records,
            size: workload.size,
            batch: workload.batch,
            linger: workload.linger,
            partitions: workload.partitions,
            rate: workload.rate,
            memory: workload.memory,
            idle: workload.idle,
            started: report::unix_micros(),
        }
    }

    /// User and system time the broker has used, seconds.
    fn processor_seconds(&self) -> f64 {
        let pid = match &self.broker {
            Broker::Sink(child) => Some(child.id()),
            Broker::Kafka(kafka, _) => kafka.pid(1),
        };
        let stat = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let stat = stat.unwrap_or_default();
        // Counted from behind the program's name, which may hold spaces.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        ticks / TICKS
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Broker::Sink(child) = &mut self.broker {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
