//! Records read back with tools that are not ours: kcat, Kafka's consumer, and `DumpLogSegments`.
//!
//! kcat reads a million records a second; [`Admin::read`](crate::Admin::read) is exact in headers and
//! timestamp types; a dump shows batches as they lie in the log.
use crate::admin::number;
use crate::cluster::class_path;
use crate::{Failure, Release, jars, process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A million records take 2 s on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// kcat's format that [`record`] reads.
const RECORD: &str = "%p %o %T %K %S %h\\n%k%s\\n";

/// A record as kcat shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Partition number.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
    /// Unix time in ms, -1 if it has none.
    pub timestamp: i64,
    /// The key; empty and null are told apart.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// As kcat prints them: `name=value,name=value`, `NULL` for a null value. Not for values with line ends.
    pub headers: String,
}

/// A record as Kafka's own consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Offset in the partition.
    pub offset: u64,
    /// Unix time in ms.
    pub timestamp: i64,
    /// Whether the broker set it (`LogAppendTime`).
    pub append_time: bool,
    /// Leader epoch of its batch.
    pub leader_epoch: i32,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// In order; names may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A line of `DumpLogSegments`: a batch, or a record with `records`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dumped(Vec<(String, String)>);

impl Dumped {
    /// A field by the tool's name for it, such as `baseSequence` or `compresscodec`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.field(name)?.parse().ok()
    }

    /// Whether the line is a record's and not a batch's.
    pub fn is_record(&self) -> bool {
        self.field("baseOffset").is_none()
    }

    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix("| ").unwrap_or(line);
        if !line.starts_with("baseOffset: ") && !line.starts_with("offset: ") {
            return None;
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for word in line.split(' ') {
            match (word.strip_suffix(':'), fields.last_mut()) {
                // A payload may contain anything, also words with a colon; it comes last.
                (_, Some((name, value))) if name == "payload" => {
                    value.push_str(if value.is_empty() { "" } else { " " });
                    value.push_str(word);
                }
                (Some(name), _) => fields.push((name.to_owned(), String::new())),
                (None, Some((_, value))) => value.push_str(word),
                (None, None) => return None,
            }
        }
        Some(Self(fields))
    }
}

impl Consumed {
    /// Reads a line of `Admin.java`.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let mut words = line.split('\t');
        let (offset, timestamp) = (number(words.next())?, number(words.next())?);
        let append_time = words.next() == Some("LogAppendTime");
        let leader_epoch = number(words.next())?;
        let mut bytes = words.map(unhex);
        let mut next = || bytes.next().unwrap_or_else(|| Err(Failure::new(format!("cut off: {line}"))));
        let (key, value) = (next()?, next()?);
        let mut headers = Vec::new();
        while let Some(name) = bytes.next() {
            let name = String::from_utf8_lossy(&name?.unwrap_or_default()).into_owned();
            headers.push((name, bytes.next().unwrap_or(Ok(None))?));
        }
        Ok(Self { offset, timestamp, append_time, leader_epoch, key, value, headers })
    }
}

/// A kcat command for a broker: add what it is to do. It ends with this process.
pub fn kcat(bootstrap: &str) -> Command {
    let mut kcat = process::command("kcat", false);
    kcat.args(["-b", bootstrap]);
    kcat
}

/// Produces `input` with kcat, one record a line, and further arguments (`-K :`, `-H a=1`, `-p 2`).
///
/// # Errors
/// kcat failed: with what it said.
pub fn produce(bootstrap: &str, topic: &str, input: &[u8], arguments: &[&str]) -> Result<(), Failure> {
    let mut kcat = kcat(bootstrap);
    kcat.args(["-P", "-t", topic]).args(arguments);
    process::output(kcat, input, PATIENCE).map(drop)
}

/// Consumes a topic with kcat from its beginning to its present end, in kcat's own format, with checked CRCs
/// and further arguments (`-p 0`, `-X isolation.level=read_uncommitted`).
///
/// # Errors
/// kcat failed: with what it said.
pub fn formatted(bootstrap: &str, topic: &str, format: &str, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut kcat = consuming(bootstrap, topic, format);
    kcat.args(arguments);
    process::output(kcat, b"", PATIENCE)
}

fn consuming(bootstrap: &str, topic: &str, format: &str) -> Command {
    let mut kcat = kcat(bootstrap);
    kcat.args(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true", "-f", format]);
    kcat
}

/// Consumes a topic with kcat: every record, by partition and then offset.
///
/// # Errors
/// kcat failed: with what it said.
pub fn records(bootstrap: &str, topic: &str) -> Result<Vec<Record>, Failure> {
    let bytes = formatted(bootstrap, topic, RECORD, &[])?;
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        records.push(record(&mut rest)?);
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// Consumes a topic with kcat and hands each record to `see` as it comes: in order within a partition, partitions mixed.
/// For topics that do not fit into memory.
///
/// # Errors
/// kcat failed, or its output is not as asked for.
pub fn each(bootstrap: &str, topic: &str, mut see: impl FnMut(Record)) -> Result<(), Failure> {
    let trouble = |error: std::io::Error| Failure::new(format!("kcat of {topic}: {error}"));
    let mut kcat = consuming(bootstrap, topic, RECORD);
    kcat.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = process::spawn(kcat).map_err(trouble)?;
    let out = child.stdout.take().ok_or_else(|| Failure::new("kcat has no output"))?;
    let mut out = BufReader::with_capacity(256 * 1024, out);
    let mut bytes = Vec::new();
    let read = loop {
        bytes.clear();
        match out.read_until(b'\n', &mut bytes) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(trouble(error)),
        }
        match whole(&mut out, &mut bytes).and_then(|()| record(&mut bytes.as_slice())) {
            Ok(record) => see(record),
            Err(failure) => break Err(failure),
        }
    };
    if read.is_err() {
        let _gone = child.kill();
    }
    let status = child.wait().map_err(trouble)?;
    read?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("kcat of {topic}: {status}"))) }
}

/// Adds key, value and the line end to the first line of a record.
fn whole(out: &mut impl BufRead, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    let head = String::from_utf8_lossy(bytes);
    let mut words = head.split(' ').skip(3);
    let mut length = || number::<i64>(words.next()).map(|length| u64::try_from(length).unwrap_or(0));
    let body = length()? + length()? + 1;
    let read = out.take(body).read_to_end(bytes).map_err(Failure::of("kcat's output"))?;
    if read as u64 == body { Ok(()) } else { Err(Failure::new("kcat's output ends within a record")) }
}

/// Dumps segment files with Kafka's own tool: batches, and with `data` also their records.
///
/// # Errors
/// The tool failed.
pub fn dump(release: &Release, files: &[PathBuf], data: bool) -> Result<Vec<Dumped>, Failure> {
    let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    let files = files.join(",");
    let extra = if data { &["--print-data-log"][..] } else { &[] };
    let arguments = [&["--files", &files][..], extra].concat();
    let text = tool(release, release.dump_log_class(), &arguments, PATIENCE)?;
    Ok(text.lines().filter_map(Dumped::parse).collect())
}

/// The segment files of a partition in a broker's log folder, in order: nothing but record batches, as they
/// were sent apart from base offset and leader epoch.
///
/// # Errors
/// There is no such partition.
pub fn segments(log_dir: &Path, topic: &str, partition: u32) -> Result<Vec<PathBuf>, Failure> {
    let folder = log_dir.join(format!("{topic}-{partition}"));
    let entries = fs::read_dir(&folder).map_err(Failure::of(folder.display()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    files.sort();
    Ok(files)
}

/// Runs one of a release's own command line tools.
pub(crate) fn tool(
    release: &Release,
    class: &str,
    arguments: &[&str],
    patience: Duration,
) -> Result<String, Failure> {
    let mut java = process::java(false);
    java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"]);
    java.arg(class_path(&[&jars::jars(release)?.join("*")])).arg(class).args(arguments);
    let output = process::output(java, b"", patience)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Takes one record off the front of kcat's output.
fn record(rest: &mut &[u8]) -> Result<Record, Failure> {
    let wrong = || Failure::new("kcat's output is not as asked for");
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(wrong)?;
    let (head, tail) = rest.split_at(end);
    let head = String::from_utf8_lossy(head);
    let mut words = head.splitn(6, ' ');
    let (partition, offset, timestamp) =
        (number(words.next())?, number(words.next())?, number(words.next())?);
    let (key, value): (i64, i64) = (number(words.next())?, number(words.next())?);
    let headers = words.next().unwrap_or_default().to_owned();
    let mut tail = tail.get(1..).ok_or_else(wrong)?;
    let mut take = |length: i64| -> Result<Option<Vec<u8>>, Failure> {
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let (bytes, after) = tail.split_at_checked(length).ok_or_else(wrong)?;
        tail = after;
        Ok(Some(bytes.to_vec()))
    };
    let (key, value) = (take(key)?, take(value)?);
    *rest = tail.strip_prefix(b"\n").ok_or_else(wrong)?;
    Ok(Record { partition, offset, timestamp, key, value, headers })
}

fn unhex(word: &str) -> Result<Option<Vec<u8>>, Failure> {
    if word == "-" {
        return Ok(None);
    }
    let wrong = || Failure::new(format!("expected hex, got {word}"));
    let pairs = (0..word.len())
        .step_by(2)
        .map(|at| word.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    pairs.collect::<Option<Vec<u8>>>().map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_are_told_apart_and_bytes_may_be_anything() {
        let mut rest: &[u8] = b"3 17 -1 -1 0 \n\n0 5 1700000000000 2 4 a=1,b=NULL\nk\nv\nw\n\n";
        let first = record(&mut rest).unwrap();
        assert_eq!((first.partition, first.offset, first.timestamp), (3, 17, -1));
        assert_eq!((first.key, first.value), (None, Some(vec![])));
        let second = record(&mut rest).unwrap();
        assert_eq!(
            (second.key.as_deref(), second.value.as_deref()),
            (Some(&b"k\n"[..]), Some(&b"v\nw\n"[..]))
        );
        assert_eq!(second.headers, "a=1,b=NULL");
        assert!(rest.is_empty());
    }

    #[test]
    fn a_dump_line_is_read_by_name() {
        let batch = "baseOffset: 0 lastOffset: 9 count: 10 baseSequence: 3 deleteHorizonMs: OptionalLong.empty crc: 25";
        let batch = Dumped::parse(batch).unwrap();
        assert_eq!(
            (batch.number("count"), batch.number("baseSequence"), batch.is_record()),
            (Some(10), Some(3), false)
        );
        let record =
            "| offset: 4 CreateTime: 7 keySize: -1 valueSize: 6 sequence: 0 headerKeys: [] payload: a: b c";
        let record = Dumped::parse(record).unwrap();
        assert_eq!((record.field("payload"), record.is_record()), (Some("a: b c"), true));
        assert_eq!(Dumped::parse("Dumping x.log"), None);
    }

    #[test]
    fn a_consumed_line_keeps_null_headers() {
        let read = Consumed::parse("5\t9\tLogAppendTime\t2\t-\t00ff\t6e\t-\t6e\t\t").unwrap();
        assert!(read.append_time);
        assert_eq!((read.key, read.value), (None, Some(vec![0, 255])));
        assert_eq!(read.headers[0], ("n".to_owned(), None));
        assert_eq!(read.headers[1], ("n".to_owned(), Some(vec![])));
    }
}
