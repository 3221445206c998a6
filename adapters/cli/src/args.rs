//! The command line: kcat's short options where it has them, Kafka's configuration names, long options for
//! everything. Values are judged here as far as one value alone can be judged.
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use kurier::config::{Server, ServerError};
use std::path::PathBuf;

/// Produces records to Apache Kafka from a shell.
#[derive(Debug, Parser)]
#[command(name = "kurier", version, about, arg_required_else_help = true, propagate_version = true)]
#[command(after_help = "Exit status: 0 every record was written; 1 some record has another outcome, or the \
cluster could not be reached; 2 wrong usage or configuration, nothing was sent; 130 after an interrupt \
(a bridge that SIGTERM has ended in good order: 0).")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send records from files or stdin
    Produce(Produce),
    /// Measure throughput and latency against a cluster
    Perf(Perf),
    /// Show brokers, topics, partitions, leaders and API versions
    Metadata(Metadata),
    /// Run the embedded development broker, in memory
    Broker(Broker),
    /// Let pages produce over WebSockets, and do nothing else
    Bridge(Bridge),
    /// Produce this machine's telemetry to an embedded broker, read it back and show both
    Demo(Demo),
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How to reach the cluster, and how much to say.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Cluster {
    /// Brokers to start from [property: bootstrap.servers]
    #[arg(short = 'b', long, value_name = "HOST:PORT,...", visible_alias = "bootstrap-server")]
    pub bootstrap: Option<String>,
    /// Any Kafka producer property; may be repeated
    #[arg(short = 'X', long = "property", value_name = "KEY=VALUE", value_parser = key_value)]
    pub properties: Vec<(String, String)>,
    /// A Kafka .properties file, read before -X
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub talk: Talk,
}

/// How much to say on stderr.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Talk {
    /// Say errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for debugging
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// How the input is cut into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Every line is a record
    #[default]
    Lines,
    /// Every line is a JSON object that describes a record
    Json,
}

/// `kurier produce`.
#[derive(Debug, Args)]
pub(crate) struct Produce {
    #[command(flatten)]
    pub cluster: Cluster,
    /// Topic; with --format json, for records that name none
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// "key SEP value" in every line; \n, \t, \r, \0, \\ and \xHH stand for bytes
    #[arg(short = 'K', long, value_name = "SEP", value_parser = separator, allow_hyphen_values = true)]
    pub key_delimiter: Option<Separator>,
    /// Partition for every record that names none
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// A header on every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = key_value)]
    pub headers: Vec<(String, String)>,
    /// An empty value is a tombstone (null)
    #[arg(short = 'Z', long = "null")]
    pub null: bool,
    /// What separates records; escapes as in --key-delimiter
    #[arg(short = 'D', long, value_name = "SEP", default_value = "\\n", value_parser = separator, allow_hyphen_values = true)]
    pub delimiter: Separator,
    /// Codec [property: compression.type]
    #[arg(short = 'z', long, value_name = "CODEC")]
    pub compression: Option<String>,
    /// Form of the input; with json, blank lines are skipped
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Send at most so many records in a second
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Write one JSON line per record with its outcome; `-` is stdout. Lines of the input that are skipped are no
    /// records and have no number
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Go on after a line that cannot be read, and count it
    #[arg(long)]
    pub skip_bad_lines: bool,
    /// Input; stdin if there is none, or for `-`
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `kurier perf`.
#[derive(Debug, Args)]
pub(crate) struct Perf {
    #[command(flatten)]
    pub cluster: Cluster,
    /// Topic
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// Records to send in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub num_records: u64,
    /// Bytes of every record's value
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(0..=1 << 30))]
    pub record_size: u32,
    /// Send at most so many records in a second, over all producers
    #[arg(long, value_name = "N", value_parser = rate)]
    pub throughput: Option<f64>,
    /// Producers that share the work, each with its own connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub producers: u32,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Draw rate and latency over time
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// `kurier metadata`.
#[derive(Debug, Args)]
pub(crate) struct Metadata {
    #[command(flatten)]
    pub cluster: Cluster,
    /// Only these topics; may be repeated
    #[arg(short, long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `kurier broker`.
#[derive(Debug, Args)]
pub(crate) struct Broker {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub listen: String,
    /// A topic to create; may be repeated. Others are created when they are asked for
    #[arg(long = "topic", value_name = "NAME[:PARTITIONS]", value_parser = topic_spec)]
    pub topics: Vec<(String, u32)>,
    /// The host that clients are told to connect to, if not that of --listen
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Bytes kept of each partition; older records are dropped
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    pub retention_bytes: u64,
}

/// `kurier bridge`.
#[derive(Debug, Args)]
pub(crate) struct Bridge {
    /// Brokers to start from; those that their metadata names are allowed, too
    #[arg(short = 'b', long, value_name = "HOST:PORT,...", value_delimiter = ',', required = true, value_parser = broker_address)]
    pub bootstrap: Vec<(String, u16)>,
    /// A topic that pages may write to, or with `*` at its end all whose names begin so; may be repeated
    #[arg(long, value_name = "NAME|PREFIX*", required = true)]
    pub allow_topic: Vec<String>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9091")]
    pub listen: std::net::SocketAddr,
    /// Another address that is a broker; may be repeated
    #[arg(long, value_name = "HOST:PORT", value_parser = broker_address)]
    pub allow_broker: Vec<(String, u16)>,
    /// Origin of pages that are served, as in `https://shop.example`; may be repeated. Without it, pages of this machine
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// Let pages have allowed topics created
    #[arg(long)]
    pub allow_auto_create: bool,
    /// A file with the token that pages must show
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Speak TLS (wss://) with the certificates in this PEM file, the server's first; read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The PEM file with the certificate's key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listen on other addresses than loopback without origins and a token
    #[arg(long)]
    pub insecure: bool,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_connections: usize,
    /// Connections of one address at a time
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_connections_per_client: usize,
    /// Bytes of one request
    #[arg(long, value_name = "BYTES", default_value_t = (1 << 20) + (1 << 16))]
    pub max_frame: usize,
    /// Requests of one connection in a second; more are read later
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_requests_per_second: u32,
    /// Bytes in a second that must come of a request that has begun, on average over 10 s, and be taken of an answer
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    pub min_rate: u32,
    /// Seconds after which a connection ends on which nothing comes
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub idle_timeout: u32,
    /// Seconds for the answers that are due when the bridge is told to stop
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub drain_timeout: u32,
    /// Where to serve metrics for Prometheus
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics: Option<std::net::SocketAddr>,
    #[command(flatten)]
    pub talk: Talk,
}

fn broker_address(text: &str) -> Result<(String, u16), ServerError> {
    text.trim().parse().map(|Server { host, port }| (host, port))
}

/// `kurier demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How long it runs
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,
    /// Produce to this cluster instead of an embedded broker
    #[arg(short = 'b', long, value_name = "HOST:PORT,...")]
    pub bootstrap: Option<String>,
    /// Topic
    #[arg(short, long, value_name = "TOPIC", default_value = "telemetry")]
    pub topic: String,
}

/// Bytes between two things; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Separator(pub Vec<u8>);

fn separator(text: &str) -> Result<Separator, String> {
    let bytes = unescape(text)?;
    if bytes.is_empty() { Err("it must not be empty".to_owned()) } else { Ok(Separator(bytes)) }
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('r') => out.push(b'\r'),
            Some('0') => out.push(0),
            Some('\\') => out.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                let hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| hex);
                out.push(byte.ok_or("\\x needs two hex digits")?);
            }
            _ => return Err("a backslash is followed by n, t, r, 0, xHH or a backslash".to_owned()),
        }
    }
    Ok(out)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("it must look like NAME=VALUE".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("it must be a number above 0, at most 1000000000".to_owned()),
    }
}

fn topic_spec(text: &str) -> Result<(String, u32), String> {
    let (name, partitions) = match text.rsplit_once(':') {
        None => (text, 1),
        Some((name, count)) => match count.parse() {
            Ok(count @ 1..=10_000) => (name, count),
            _ => return Err("the number of partitions must be from 1 to 10000".to_owned()),
        },
    };
    topic_name(name)?;
    Ok((name.to_owned(), partitions))
}

/// Whether Kafka would accept the name.
pub(crate) fn topic_name(name: &str) -> Result<(), String> {
    kurier_core::error::check_topic_name(name).map_err(|error| format!("topic `{name}`: {error}"))
}
