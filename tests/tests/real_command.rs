//! The `kurier` command on real Kafka: what is in a file comes back from kcat as it was, and the report says where
//! each line went, also when the broker does not stay.
#![cfg(feature = "real-kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test
use kurier_tests::kafka::{Kafka, Options, read, shared};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(150);

/// The command, built once for all tests here.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let own = std::env::current_exe().unwrap();
        let profile = own.parent().and_then(Path::parent).unwrap();
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "kurier-cli", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "kurier-cli does not build");
        profile.join("kurier")
    })
}

/// A run of the command; killed if it is dropped before its end.
struct Run(Child);

impl Run {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Waits for its end and gives what it said; its exit status must be `status`.
    fn expect(mut self, status: i32) -> (String, String) {
        let until = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = self.0.try_wait().unwrap() {
                break ended;
            }
            assert!(Instant::now() < until, "the command does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(ended.code(), Some(status), "{out}\n{err}");
        (out, err)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Gone already, mostly.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A folder for input and report, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Lines of different lengths, empty ones among them.
fn lines(count: u64) -> String {
    let mut text = String::new();
    for n in 0..count {
        if n % 1000 != 999 {
            let width = usize::try_from(n * n % 127).unwrap();
            let _written = write!(text, "{n} {:.<width$}", "");
        }
        text.push('\n');
    }
    text
}

/// The report's lines by `n`: each once, from 0 on.
fn report(path: &str, count: u64) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let mut told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    told.sort_by_key(|line| line["n"].as_u64().unwrap());
    assert_eq!(told.len() as u64, count, "lines in the report");
    for (n, line) in (0..).zip(&told) {
        assert_eq!(line["n"].as_u64(), Some(n), "each record has one line");
    }
    told
}

fn written_at(line: &Value) -> (u32, u64) {
    assert_eq!(line["outcome"], "written", "{line}");
    (u32::try_from(line["partition"].as_u64().unwrap()).unwrap(), line["offset"].as_u64().unwrap())
}

#[test]
fn a_million_lines_come_back_as_they_were() {
    let kafka = shared().unwrap();
    let topic = kafka.topic("million", 1).unwrap();
    let folder = Folder::new("million");
    let text = lines(1_000_000);
    let (input, told) = (folder.file("input", &text), folder.path("report"));
    let begin = Instant::now();
    Run::start(&["produce", "-b", kafka.bootstrap(), "-t", &topic, "--report", &told, &input]).expect(0);
    println!("a million lines: {:?}", begin.elapsed());
    let back = read::formatted(kafka.bootstrap(), &topic, "%s\\n", &[]).unwrap();
    assert!(back == text.as_bytes(), "kcat gives {} bytes, the file has {}", back.len(), text.len());
    // One partition: the offset of a line is its number.
    for (n, line) in (0..).zip(report(&told, 1_000_000)) {
        assert_eq!(written_at(&line), (0, n), "{line}");
    }
}

#[test]
fn keyed_lines_lie_where_the_report_says_in_twelve_partitions() {
    let kafka = shared().unwrap();
    let topic = kafka.topic("keyed", 12).unwrap();
    let folder = Folder::new("keyed");
    let text: String = (0..100_000).map(|n| format!("key-{}\tvalue {n}\n", n % 613)).collect();
    let (input, told) = (folder.file("input", &text), folder.path("report"));
    let arguments =
        ["produce", "-b", kafka.bootstrap(), "-t", &topic, "-K", "\\t", "-H", "h=1", "--report", &told];
    Run::start(&[&arguments[..], &[&input]].concat()).expect(0);
    let report = report(&told, 100_000);
    let log = read::records(kafka.bootstrap(), &topic).unwrap();
    assert_eq!(log.len(), report.len());
    let places: HashMap<_, _> =
        log.iter().map(|record| ((record.partition, record.offset), record)).collect();
    let mut next = [0_u64; 12];
    let mut homes: HashMap<&str, u32> = HashMap::new();
    for (line, told) in text.lines().zip(&report) {
        let (partition, offset) = written_at(told);
        // In input order within each partition, so without gap or repetition.
        let next = &mut next[partition as usize];
        assert_eq!(offset, *next, "{told}");
        *next += 1;
        let (key, value) = line.split_once('\t').unwrap();
        let record = places[&(partition, offset)];
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()));
        assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
        assert_eq!((record.headers.as_str(), Some(record.timestamp)), ("h=1", told["timestamp"].as_i64()));
        assert_eq!(*homes.entry(key).or_insert(partition), partition, "{key} has one home");
    }
    assert!(next.iter().all(|count| *count > 0));
}

#[test]
fn json_lines_name_bytes_nulls_headers_and_times() {
    let kafka = shared().unwrap();
    let topic = kafka.topic("json", 2).unwrap();
    let folder = Folder::new("json");
    let text = r#"{"key": "k", "value": "täxt", "headers": [["a", "1"], ["b", null]], "partition": 1, "timestamp": 1600000000000}
{"key": {"base64": "AP8="}, "value": null, "partition": 1}
{"value": "", "partition": 0}
"#;
    let input = folder.file("input", text);
    Run::start(&["produce", "-b", kafka.bootstrap(), "-t", &topic, "--format", "json", &input]).expect(0);
    let log = read::records(kafka.bootstrap(), &topic).unwrap();
    let seen: Vec<_> =
        log.iter().map(|r| (r.partition, r.offset, r.key.as_deref(), r.value.as_deref())).collect();
    let expected = [
        (0, 0, None, Some(&b""[..])),
        (1, 0, Some(&b"k"[..]), Some("täxt".as_bytes())),
        (1, 1, Some(&b"\0\xff"[..]), None),
    ];
    assert_eq!(seen, expected);
    assert_eq!((log[1].timestamp, log[1].headers.as_str()), (1_600_000_000_000, "a=1,b=NULL"));
}

#[test]
fn perf_and_metadata_say_what_kafka_says() {
    let kafka = shared().unwrap();
    let topic = kafka.topic("perf", 3).unwrap();
    let perf =
        ["perf", "-b", kafka.bootstrap(), "-t", &topic, "--num-records", "50000", "--record-size", "100"];
    let (out, _) = Run::start(&[&perf[..], &["--json"]].concat()).expect(0);
    let figures: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&figures["records"], &figures["errors"]), (&50_000.into(), &0.into()));
    let offsets = kafka.admin().offsets(&topic).unwrap();
    assert_eq!(offsets.iter().map(|(_, end)| end).sum::<u64>(), 50_000);

    let (out, _) = Run::start(&["metadata", "-b", kafka.bootstrap(), "-t", &topic, "--json"]).expect(0);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["topics"][0]["name"], topic.as_str(), "{said}");
    assert_eq!(said["topics"][0]["partitions"].as_array().map(Vec::len), Some(3), "{said}");
    let port = kafka.bootstrap().rsplit_once(':').unwrap().1;
    assert_eq!(said["brokers"][0]["port"].as_u64(), port.parse().ok(), "{said}");
}

#[test]
fn a_broker_that_goes_for_a_while_costs_nothing_and_one_that_stays_away_is_told() {
    let kafka = Kafka::start(Options::new().property("auto.create.topics.enable", "false")).unwrap();
    let (to, folder) = (kafka.bootstrap(), Folder::new("gone"));
    kafka.create_topic("back", 1, 1).unwrap();
    kafka.create_topic("gone", 1, 1).unwrap();
    let text = lines(100_000);
    let (input, told) = (folder.file("input", &text), folder.path("report"));

    let paced = ["produce", "-b", &to, "--rate", "20000", "--report", &told, "-X", "request.timeout.ms=2500"];
    let run = Run::start(&[&paced[..], &["-t", "back", &input]].concat());
    std::thread::sleep(Duration::from_millis(1500));
    assert!(kafka.stop_node(1).unwrap());
    kafka.start_node(1).unwrap();
    run.expect(0);
    assert!(read::formatted(&to, "back", "%s\\n", &[]).unwrap() == text.as_bytes());
    for (n, line) in (0..).zip(report(&told, 100_000)) {
        assert_eq!(written_at(&line), (0, n), "{line}");
    }

    // Killed for good, as far as this run can tell.
    let given_up = [&paced[..], &["-X", "delivery.timeout.ms=3000", "-X", "max.block.ms=3000"]].concat();
    let run = Run::start(&[&given_up[..], &["-t", "gone", &input]].concat());
    std::thread::sleep(Duration::from_millis(1500));
    kafka.kill_node(1).unwrap();
    let (_, said) = run.expect(1);
    assert!(said.contains("written") && said.contains("gone"), "{said}");
    let said_of = fs::read_to_string(&told).unwrap().lines().count() as u64;
    let report = report(&told, said_of);
    kafka.start_node(1).unwrap();
    let log = read::formatted(&to, "gone", "%s\\n", &[]).unwrap();
    let log: Vec<_> = log.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut found = log.iter().peekable();
    for (line, told) in text.lines().zip(&report) {
        let outcome = told["outcome"].as_str().unwrap();
        *counts.entry(outcome).or_default() += 1;
        match outcome {
            "written" => assert_eq!(log[usize::try_from(written_at(told).1).unwrap()], line.as_bytes()),
            "not-written" => assert!(told["offset"].is_null() && told["error"].is_string(), "{told}"),
            _ => assert_eq!(outcome, "maybe-written"),
        }
        // The log is what was sent, in order, less what is missing; nothing is missing that was written.
        if outcome != "not-written" && found.next_if(|logged| **logged == line.as_bytes()).is_none() {
            assert_eq!(outcome, "maybe-written", "{told} is lost");
        }
    }
    assert_eq!(found.next(), None, "the log has what was not sent, or said not to be written");
    println!("{counts:?}");
    assert!(counts["written"] > 0 && counts.len() > 1, "{counts:?}");

    // A topic that nobody creates.
    let none = ["produce", "-b", &to, "-t", "nowhere", "-X", "max.block.ms=1000", &input];
    let (_, said) = Run::start(&none).expect(1);
    assert!(said.contains("nowhere"), "{said}");
}
