//! What a test asks of its cluster.
use crate::Release;
use std::path::PathBuf;
use std::process::Command;

/// A listener beside the plain one.
#[derive(Clone, Debug)]
pub struct Listener {
    pub(crate) name: String,
    pub(crate) protocol: String,
    /// Host, and the port of each node; one that is not named advertises its own.
    pub(crate) advertised: Option<(String, Vec<u16>)>,
}

impl Listener {
    /// A listener `name` (upper case) that speaks `protocol`: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub fn new(name: &str, protocol: &str) -> Self {
        Self { name: name.to_owned(), protocol: protocol.to_owned(), advertised: None }
    }

    /// What metadata names for it: another host, and another port if one is given, as for a guest's view
    /// of this machine (`10.0.2.2`) or for a proxy. Default is 127.0.0.1 and its own port. With more than
    /// one node, leave the port out.
    #[must_use]
    pub fn advertise(mut self, host: &str, port: Option<u16>) -> Self {
        self.advertised = Some((host.to_owned(), port.into_iter().collect()));
        self
    }

    /// As [`Self::advertise`], with a port for each node, the first for node 1: those of proxies.
    #[must_use]
    pub fn advertise_each(mut self, host: &str, ports: &[u16]) -> Self {
        self.advertised = Some((host.to_owned(), ports.to_vec()));
        self
    }
}

/// How a cluster is to be; the default is one node of Kafka 4.3.1 that notices a dead broker within 2 s.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) version: String,
    pub(crate) nodes: u32,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) format: Vec<String>,
    pub(crate) heap_mb: u32,
    pub(crate) full_compiler: bool,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) outlives: bool,
    pub(crate) in_memory: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Release::DEFAULT.to_owned(),
            nodes: 1,
            properties: Vec::new(),
            listeners: Vec::new(),
            format: Vec::new(),
            heap_mb: 128,
            full_compiler: false,
            folder: None,
            outlives: false,
            in_memory: false,
        }
    }
}

impl Options {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another release, from 0.9.0.1 on. Those before 3.3 run one node with a ZooKeeper.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// How many brokers, each also a controller; ids count from 1.
    #[must_use]
    pub fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// A broker property of every node; it wins over ours.
    #[must_use]
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// One more listener on every node, on a port of its own.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// One more argument of `StorageTool format`, such as `--feature` or `--add-scram` and its value.
    #[must_use]
    pub fn format(mut self, argument: &str) -> Self {
        self.format.push(argument.to_owned());
        self
    }

    /// Heap of each node in MB, 64 at least; default 128.
    #[must_use]
    pub fn heap_mb(mut self, heap_mb: u32) -> Self {
        self.heap_mb = heap_mb;
        self
    }

    /// All of Java's compilers, for figures of throughput; the start takes twice as long.
    #[must_use]
    pub fn full_compiler(mut self) -> Self {
        self.full_compiler = true;
        self
    }

    /// Where data and logs go; default is a temp folder, removed at the end. This one stays.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The processes go on after this one ends, see [`Kafka::leave`](crate::Kafka::leave).
    #[must_use]
    pub fn outlives(mut self) -> Self {
        self.outlives = true;
        self
    }

    /// Data and logs go to a temp folder in memory where there is one with room for it; removed at the
    /// end.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }
}

/// The folder of files in memory, if this machine has one with at least `megabytes` of room.
pub(crate) fn room_in_memory(megabytes: u64) -> Option<PathBuf> {
    let folder = PathBuf::from("/dev/shm");
    let said = Command::new("df").args(["--output=avail", "-m"]).arg(&folder).output().ok()?;
    let room: u64 = String::from_utf8_lossy(&said.stdout).lines().nth(1)?.trim().parse().ok()?;
    (room >= megabytes).then_some(folder)
}
