//! The command as a user runs it, against the model broker in this process.
#![allow(dead_code, unreachable_pub)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kurier_broker::{Cluster, Server, ServerOptions, TopicConfig};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No run takes longer; one that does is killed and fails its test.
const LIMIT: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub struct Done {
    /// Exit status; -1 after a signal.
    pub status: i32,
    /// Everything on stdout.
    pub out: String,
    /// Everything on stderr.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

impl Done {
    /// Fails unless the run ended so.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Fails unless every part is in stderr.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        }
        self
    }

    /// The lines of a report on stdout, in the order of `n`.
    pub fn report(&self) -> Vec<serde_json::Value> {
        report(&self.out)
    }
}

/// The lines of a report, in the order of `n`; fails unless each `n` is there once.
pub fn report(text: &str) -> Vec<serde_json::Value> {
    let mut lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    lines.sort_by_key(|line| line["n"].as_u64());
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(line["n"], n, "{text}");
    }
    lines
}

/// A run of the command that goes on.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    begin: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, unless the test failed.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Starts `kurier` with pipes on all three ends.
pub fn start(args: &[&str]) -> Running {
    spawn(Command::new(env!("CARGO_BIN_EXE_kurier")).args(args))
}

/// Starts this with pipes on all three ends.
pub fn spawn(command: &mut Command) -> Running {
    let begin = Instant::now();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kurier");
    let stdin = child.stdin.take();
    Running { child, stdin, begin }
}

/// What a run says, line after line.
pub type Said = std::io::Lines<BufReader<Box<dyn Read>>>;

/// The next line of it.
#[track_caller]
pub fn next(said: &mut Said) -> String {
    said.next().expect("it has ended").expect("UTF-8")
}

impl Running {
    /// Gives it input.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("open");
        // A command that ended does not read any more.
        let _closed = stdin.write_all(bytes).and_then(|()| stdin.flush());
    }

    /// Its stdout, once.
    pub fn out(&mut self) -> Said {
        let out = self.child.stdout.take().expect("not taken");
        BufReader::new(Box::new(out) as Box<dyn Read>).lines()
    }

    /// Its stderr, once.
    pub fn err(&mut self) -> Said {
        let err = self.child.stderr.take().expect("not taken");
        BufReader::new(Box::new(err) as Box<dyn Read>).lines()
    }

    /// Nobody reads its stdout any more.
    pub fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signal");
    }

    /// Closes its stdin and waits for its end.
    pub fn done(mut self) -> Done {
        drop(self.stdin.take());
        self.wait()
    }

    /// Waits for its end with stdin still open.
    pub fn wait(mut self) -> Done {
        let out = drain(self.child.stdout.take());
        let err = drain(self.child.stderr.take());
        let status = loop {
            match self.child.try_wait().expect("wait") {
                Some(status) => break status.code().unwrap_or(-1),
                None if self.begin.elapsed() > LIMIT => {
                    self.child.kill().expect("kill");
                    break -2;
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let took = self.begin.elapsed();
        Done { status, out: out.join().expect("stdout"), err: err.join().expect("stderr"), took }
    }
}

fn drain(source: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            source.read_to_end(&mut bytes).expect("read");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs `kurier` with this input to its end.
pub fn kurier(args: &[&str], input: impl AsRef<[u8]>) -> Done {
    let mut running = start(args);
    let input = input.as_ref().to_vec();
    let mut stdin = running.stdin.take().expect("piped");
    // Output must be read while input is written, or both sides may wait for ever.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let done = running.wait();
    writer.join().expect("input");
    done
}

/// A broker with the topic `t` of `partitions` partitions, which creates no other.
pub fn broker(partitions: i32) -> Server {
    let mut options = ServerOptions::default();
    options.settings.auto_create_topics = false;
    let server = Server::start(options).expect("broker");
    server.with(|cluster| cluster.create_topic("t", partitions, TopicConfig::default())).expect("topic");
    server
}

/// Key, value and headers of a record in a log.
pub type Logged = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

/// What lies in a partition of `topic`.
pub fn logged(server: &Server, topic: &str, partition: i32) -> Vec<Logged> {
    let owned = |bytes: &[u8]| bytes.to_vec();
    let all = |cluster: &mut Cluster| {
        let records = cluster.records(topic, partition);
        records
            .map(|r| {
                let headers = r.headers().map(|(name, value)| (owned(name), value.map(owned))).collect();
                (r.key.map(owned), r.value.map(owned), headers)
            })
            .collect()
    };
    server.with(all)
}

/// The values in a partition of `topic`, as text.
pub fn values(server: &Server, topic: &str, partition: i32) -> Vec<String> {
    let text = |value: Option<Vec<u8>>| {
        value.map_or("(null)".to_owned(), |v| String::from_utf8_lossy(&v).into_owned())
    };
    logged(server, topic, partition).into_iter().map(|(_, value, _)| text(value)).collect()
}

/// A folder of its own, gone when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kurier-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("folder");
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// A file in it with this content.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// The number, with thousands apart, that stands before the first `word`.
#[track_caller]
pub fn number_before(text: &str, word: &str) -> usize {
    let (before, _) = text.split_once(word).expect(text);
    let digits = before.rsplit([' ', '\n']).next().expect(text);
    digits.replace(',', "").parse().expect(text)
}

/// Waits until `true`, or fails.
#[track_caller]
pub fn until(what: &str, mut come: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !come() {
        assert!(begin.elapsed() < LIMIT, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
