//! The real `kurier` command at full rate on three real brokers that are killed, paused and reassigned, over links that
//! are cut, delayed and held; then its report is compared with what kcat reads from the logs, and Kafka's own consumer has to
//! read the same.
//!
//! The run is one process of the command. Its records go to one topic after the other: when a topic has had its time
//! the faults pause, the topic is judged and deleted, and sending goes on to the next meanwhile.
//!
//! Not a simulation: what happens when is up to the machine. The seed fixes the records and the choice of faults.
mod book;
mod command;
mod faults;
mod records;
mod table;

pub use faults::Happened;
pub use table::Verdict;

use crate::kafka::{Admin, Failure, Kafka, Listener, Options, Proxy, read};
use book::{Counts, Wrong};
use command::Command;
use faults::{Brokers, Links};
use records::PARTITIONS;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one topic is written to: what three brokers keep of it in memory is bounded by this.
const SEGMENT: Duration = Duration::from_secs(45);
/// Shorter than many of the faults, so that requests time out and records expire.
const REQUEST_TIMEOUT_MS: u64 = 2500;
const DELIVERY_TIMEOUT_MS: u64 = 8000;
/// How long after the last fault everything may take to be whole again.
const PATIENCE: Duration = Duration::from_secs(90);

/// A run.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// The `kurier` command.
    pub program: PathBuf,
    /// Brokers, 3 to 9.
    pub nodes: u32,
    /// How long faults go on; until each kind had its turn at least, and a leader was killed for each half minute.
    pub time: Duration,
    /// Of the records and of the choice of faults.
    pub seed: u64,
    /// Further arguments of `kurier produce`, such as `-X acks=1`: they win over the run's own.
    pub arguments: Vec<String>,
}

impl Chaos {
    /// Runs it.
    ///
    /// # Errors
    /// Kafka or the command cannot be run here, or the cluster does not become whole again. What is wrong with the
    /// records is in the verdict.
    pub fn run(&self) -> Result<Verdict, Failure> {
        let proxies = (0..self.nodes).map(|_| Proxy::start()).collect::<Result<Vec<_>, _>>()?;
        let ports: Vec<_> = proxies.iter().map(Proxy::port).collect();
        let listener = Listener::new("PROXIED", "PLAINTEXT").advertise_each("127.0.0.1", &ports);
        let kafka = Kafka::start(Options::new().nodes(self.nodes).listener(listener).in_memory())?;
        for (id, proxy) in (1..).zip(&proxies) {
            proxy.lead_to(kafka.port(id, "PROXIED").unwrap_or(0));
        }
        let bootstrap: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let topic = self.topic(0);
        create(kafka.admin()?, &topic)?;
        let arguments = self.arguments(&bootstrap.join(","), &topic);
        let command = Command::start(&self.program, &arguments, kafka.folder(), self.seed, &topic)?;
        let links = Links::new(&proxies, self.seed);
        std::thread::scope(|scope| {
            scope.spawn(|| links.run());
            let ended = Run::new(self, &kafka, &links, command).and_then(|run| run.play(topic));
            links.end();
            ended
        })
    }

    /// Leaders that are killed at least: one in half a minute.
    fn kills(&self) -> u64 {
        self.time.as_secs() / 30
    }

    fn topic(&self, number: u32) -> String {
        format!("chaos-{}-{number}", self.seed)
    }

    fn arguments(&self, bootstrap: &str, topic: &str) -> Vec<String> {
        let (request, delivery) = (
            format!("request.timeout.ms={REQUEST_TIMEOUT_MS}"),
            format!("delivery.timeout.ms={DELIVERY_TIMEOUT_MS}"),
        );
        let own = ["-b", bootstrap, "-t", topic, "-X", "acks=all", "-X", "enable.idempotence=true"];
        let times = ["-X", &request, "-X", &delivery];
        own.into_iter().chain(times).map(str::to_owned).chain(self.arguments.iter().cloned()).collect()
    }
}

/// A run under way.
struct Run<'a> {
    chaos: &'a Chaos,
    kafka: &'a Kafka,
    admin: &'a Admin,
    links: &'a Links<'a>,
    brokers: Brokers<'a>,
    command: Command,
    begin: Instant,
    counts: Counts,
    wrong: Wrong,
    stuck: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(
        chaos: &'a Chaos,
        kafka: &'a Kafka,
        links: &'a Links<'a>,
        command: Command,
    ) -> Result<Self, Failure> {
        let admin = kafka.admin()?;
        let outage = Duration::from_millis(DELIVERY_TIMEOUT_MS + 3000);
        let brokers = Brokers::new(kafka, admin, chaos.seed, outage);
        let (counts, wrong) = (Counts::default(), Wrong::default());
        let begin = Instant::now();
        Ok(Self { chaos, kafka, admin, links, brokers, command, begin, counts, wrong, stuck: Vec::new() })
    }

    fn play(mut self, mut topic: String) -> Result<Verdict, Failure> {
        let mut number = 0;
        loop {
            let begun = Instant::now();
            while !self.over() && begun.elapsed() < SEGMENT {
                self.brokers.next(&topic)?;
            }
            let last = self.over();
            let (links, judged) = (self.links, topic.clone());
            if last {
                self.command.end_input();
            } else {
                number += 1;
                topic = self.chaos.topic(number);
            }
            links.spared(|| {
                if !last {
                    create(self.admin, &topic)?;
                    self.command.go_on(&topic);
                }
                self.judge(&judged)
            })?;
            if last || !self.stuck.is_empty() {
                return self.conclude();
            }
        }
    }

    fn over(&self) -> bool {
        let killed = self.brokers.happened.kills >= self.chaos.kills();
        self.begin.elapsed() >= self.chaos.time && self.brokers.had_all() && killed
    }

    /// The cluster is whole and links are spared: waits for the ends of the topic's records, and compares.
    fn judge(&mut self, topic: &str) -> Result<(), Failure> {
        // Every record may take its delivery timeout, and those that wait for memory come after.
        let complete = self.command.complete(PATIENCE);
        let Some(mut segment) = complete.or_else(|| {
            let segment = self.command.incomplete();
            let open = segment.as_ref().map_or(0, book::Segment::open);
            let silence = self.command.silence();
            self.stuck
                .push(format!("{open} records of {topic} have no end; nothing was written for {silence:?}"));
            segment
        }) else {
            return Err(Failure::new(format!("{topic} was never begun")));
        };
        self.admin
            .await_topic(topic, PATIENCE, |p| p.leader.is_some() && p.in_sync.len() == p.replicas.len())?;
        let ends = self.admin.offsets(topic)?;
        let mut digests = vec![Digest::default(); ends.len()];
        let (counts, found) = segment.audit(|see| {
            read::each(&self.kafka.bootstrap(), topic, |record| {
                if let Some(digest) = digests.get_mut(record.partition as usize) {
                    digest.add(&record);
                }
                see(record);
            })
        })?;
        for (partition, Digest { count, sum }) in (0..).zip(digests) {
            let own = self.admin.digest(topic, partition)?;
            if own != (count, sum) && self.stuck.is_empty() {
                return Err(Failure::new(format!(
                    "Kafka's consumer reads {} records of partition {partition} of {topic}, kcat {count} or others",
                    own.0
                )));
            }
        }
        let there: Vec<_> = ends.iter().map(|(first, next)| next - first).collect();
        if found != there && self.stuck.is_empty() {
            return Err(Failure::new(format!(
                "kcat reads {found:?} records of {topic}, the brokers have {there:?}"
            )));
        }
        let elapsed = self.begin.elapsed().as_secs_f64();
        eprintln!(
            "{elapsed:7.1} s  {topic}: {} sent, {} written, {} maybe ({} of them are there), {} not; wrong: {:?}",
            counts.sent,
            counts.written,
            counts.maybe_written,
            counts.maybe_found,
            counts.not_written,
            segment.wrong.counts
        );
        self.counts.add(counts);
        self.wrong.merge(segment.wrong);
        self.admin.delete(topic)
    }

    fn conclude(mut self) -> Result<Verdict, Failure> {
        let stall = self.command.stall();
        let (fed, told) = self.command.progress();
        let said = self.command.said();
        let expected = i32::from(self.counts.written < self.counts.sent);
        if self.stuck.is_empty() {
            match self.command.finish(PATIENCE)?.map(|status| status.code()) {
                None => self.stuck.push("the command does not end".to_owned()),
                Some(code) if code != Some(expected) => {
                    self.stuck.push(format!("the command ended with {code:?} instead of {expected}"));
                }
                Some(_) => {}
            }
        }
        if fed != told || fed != self.counts.sent {
            self.stuck
                .push(format!("{fed} records were sent, {told} lines told, {} judged", self.counts.sent));
        }
        let mut happened = self.brokers.happened;
        self.links.count(&mut happened);
        let time = self.begin.elapsed();
        let kills = self.chaos.kills();
        Ok(Verdict {
            counts: self.counts,
            wrong: self.wrong,
            stuck: self.stuck,
            happened,
            kills,
            stall,
            time,
            said,
        })
    }
}

/// Records of a partition in their order, as [`Admin::digest`] has them.
#[derive(Debug, Default, Clone, Copy)]
struct Digest {
    count: u64,
    sum: u32,
}

impl Digest {
    fn add(&mut self, record: &read::Record) {
        self.count += 1;
        self.update(&record.offset.to_be_bytes());
        self.update(&record.timestamp.to_be_bytes());
        for bytes in [&record.key, &record.value] {
            let len = bytes.as_ref().map_or(-1, |bytes| bytes.len() as i32);
            self.update(&len.to_be_bytes());
            self.update(bytes.as_deref().unwrap_or_default());
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.sum = crc32c::crc32c_append(self.sum, bytes);
    }
}

fn create(admin: &Admin, topic: &str) -> Result<(), Failure> {
    admin.create(topic, PARTITIONS, 3, &[("min.insync.replicas", "2")]).map(drop)
}

/// The command that was built beside this program, or is built now with the same profile.
///
/// # Errors
/// It does not build.
pub fn program() -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("kurier-cli does not build: {error}"));
    let own = std::env::current_exe().map_err(failed)?;
    // Tests lie one folder deeper.
    let folder =
        own.parent().filter(|folder| !folder.ends_with("deps")).or(own.parent().and_then(Path::parent));
    let (profile, target) =
        folder.and_then(|folder| Some((folder, folder.parent()?))).unwrap_or((&own, &own));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = std::process::Command::new(cargo);
    build.args(["build", "--quiet", "-p", "kurier-cli", "--target-dir"]).arg(target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    match build.status().map_err(failed)?.success() {
        true => Ok(profile.join("kurier")),
        false => Err(Failure::new("kurier-cli does not build")),
    }
}
