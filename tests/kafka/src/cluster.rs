//! A cluster of real brokers on loopback: start to end.
//!
//! Brokers have ids from 1. All methods take `&self`, so that one thread may stop brokers while another
//! produces. Dropped, everything is killed and the temp folder removed.
use crate::node::{Node, sweep};
use crate::options::{Options, room_in_memory};
use crate::port::{Port, free_port};
use crate::properties::{CONTROLLER, PLAIN, Place, server_properties};
use crate::read::{self, Dumped};
use crate::{Admin, Failure, Release, jars, process};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Long enough for three brokers that start on a busy machine of two cores.
const START: Duration = Duration::from_secs(120);
/// A controlled shutdown takes 1.5 to 8 s, the last broker of a cluster being the slowest.
const STOP: Duration = Duration::from_secs(30);
const TOOL: Duration = Duration::from_secs(120);
/// MB that a cluster in memory should find there.
const ROOM: u64 = 6000;
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const FOLDER_PREFIX: &str = "kurier-kafka-";

/// Logging of the releases that bring log4j 1.
const LOG4J: &str = "\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c - %m%n
";

/// A running cluster.
#[derive(Debug)]
pub struct Kafka {
    release: Release,
    options: Options,
    folder: PathBuf,
    jars: PathBuf,
    /// Of each node: its listeners, the plain one first.
    ports: Vec<Vec<(String, Port)>>,
    nodes: Vec<Mutex<Node>>,
    zookeeper: Option<(Mutex<Node>, Port)>,
    admin: OnceLock<Admin>,
}

impl Kafka {
    /// Fetches the jars if need be, formats, starts, and waits until every broker takes requests.
    ///
    /// # Errors
    /// Java, Maven or the network is missing, or a broker did not start: then with the end of its log.
    pub fn start(options: Options) -> Result<Self, Failure> {
        let release = Release::parse(&options.version)?;
        let jars = jars::jars(&release)?;
        let folder = match &options.folder {
            Some(folder) => folder.clone(),
            None => temp_folder(options.in_memory),
        };
        let mut kafka = Self {
            folder,
            jars,
            ports: Vec::new(),
            nodes: Vec::new(),
            zookeeper: None,
            admin: OnceLock::new(),
            release,
            options,
        };
        kafka.prepare()?;
        if !kafka.release.kraft() {
            kafka.start_zookeeper()?;
        }
        kafka.configure()?;
        kafka.format()?;
        for id in 1..=kafka.options.nodes {
            kafka.launch(id)?;
        }
        for id in 1..=kafka.options.nodes {
            kafka.await_ready(id)?;
        }
        Ok(kafka)
    }

    /// `127.0.0.1:PORT` of every broker's plain listener, separated by commas.
    pub fn bootstrap(&self) -> String {
        let all: Vec<_> = (1..=self.options.nodes).map(|id| self.address(id)).collect();
        all.join(",")
    }

    /// `127.0.0.1:PORT` of the plain listener of one broker; empty if there is no such broker.
    pub fn address(&self, id: u32) -> String {
        self.port(id, PLAIN).map_or_else(String::new, |port| format!("127.0.0.1:{port}"))
    }

    /// The port a listener of a broker is bound to.
    pub fn port(&self, id: u32, listener: &str) -> Option<u16> {
        let ports = self.ports.get(index(id)?)?;
        ports.iter().find(|(name, _)| name == listener).map(|(_, port)| port.number())
    }

    /// Which release runs.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// How many brokers there are, running or not.
    pub fn nodes(&self) -> u32 {
        self.options.nodes
    }

    /// The admin client of this cluster, started at its first use (2 s).
    ///
    /// # Errors
    /// The release is before 2.1 and cannot talk to it, or it does not start.
    pub fn admin(&self) -> Result<&Admin, Failure> {
        if !self.release.speaks_to_current_tools() {
            return Err(Failure::new(format!("Kafka {} is too old for the admin client", self.release)));
        }
        if self.admin.get().is_none() {
            let fresh = Admin::start(&self.bootstrap())?;
            // If another thread was faster, its client is used and this one ends.
            let _other = self.admin.set(fresh);
        }
        self.admin.get().ok_or_else(|| Failure::new("the admin client is gone"))
    }

    /// Creates a topic on any release, by the admin client or by the release's own tool.
    ///
    /// # Errors
    /// What the broker says.
    pub fn create_topic(&self, name: &str, partitions: u32, replicas: u32) -> Result<(), Failure> {
        let Some((_, port)) = self.zookeeper.as_ref().filter(|_| !self.release.speaks_to_current_tools())
        else {
            return self.admin()?.create(name, partitions, replicas, &[]).map(drop);
        };
        let zookeeper = format!("127.0.0.1:{}", port.number());
        let (partitions, replicas) = (partitions.to_string(), replicas.to_string());
        let what =
            ["--create", "--topic", name, "--partitions", &partitions, "--replication-factor", &replicas];
        self.tool("kafka.admin.TopicCommand", &[&["--zookeeper", &zookeeper][..], &what].concat()).map(drop)
    }

    /// Ends a broker by SIGTERM, with its controlled shutdown; answers whether that was enough within 30 s.
    ///
    /// # Errors
    /// There is no such broker, or it does not run.
    pub fn stop_node(&self, id: u32) -> Result<bool, Failure> {
        self.node(id)?.stop(STOP)
    }

    /// Ends a broker by SIGKILL.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn kill_node(&self, id: u32) -> Result<(), Failure> {
        self.node(id)?.kill();
        Ok(())
    }

    /// Starts a stopped or killed broker on its old ports and data, and waits until it takes requests.
    ///
    /// # Errors
    /// It runs already, or does not start.
    pub fn start_node(&self, id: u32) -> Result<(), Failure> {
        self.launch(id)?;
        self.await_ready(id)
    }

    /// SIGSTOP: sockets stay open and nothing answers.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self, id: u32) -> Result<(), Failure> {
        self.node(id)?.signal("STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self, id: u32) -> Result<(), Failure> {
        self.node(id)?.signal("CONT")
    }

    /// The process id of a broker, while it runs.
    pub fn pid(&self, id: u32) -> Option<u32> {
        self.node(id).ok().and_then(|node| node.pid())
    }

    /// The folder of everything here; gone when this is dropped, unless it was named in [`Options::folder`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a broker's partitions, one `TOPIC-PARTITION` folder each.
    pub fn log_dir(&self, id: u32) -> PathBuf {
        self.node_folder(id).join("data")
    }

    /// Dumps a partition of a broker's log with the release's own tool, see [`read::dump`].
    ///
    /// # Errors
    /// The tool failed, or the broker has no such partition.
    pub fn dump(&self, id: u32, topic: &str, partition: u32, data: bool) -> Result<Vec<Dumped>, Failure> {
        read::dump(&self.release, &read::segments(&self.log_dir(id), topic, partition)?, data)
    }

    /// What a broker wrote since its latest start.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn log_of(&self, id: u32) -> Result<String, Failure> {
        let path = self.node(id)?.log();
        fs::read_to_string(&path).map_err(Failure::of(path.display()))
    }

    /// Runs one of the release's own command line tools and gives its output.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String, Failure> {
        read::tool(&self.release, class, arguments, TOOL)
    }

    /// Lets the cluster go on without an owner; only for one that was started with [`Options::outlives`].
    /// Gives the process ids, ZooKeeper's last.
    pub fn leave(self) -> Vec<u32> {
        let nodes = self.nodes.iter().chain(self.zookeeper.as_ref().map(|(node, _)| node));
        let left = nodes.filter_map(|node| {
            let mut node = lock(node);
            let pid = node.pid();
            node.leave();
            pid
        });
        left.collect()
    }

    fn node(&self, id: u32) -> Result<MutexGuard<'_, Node>, Failure> {
        let none = || Failure::new(format!("there is no broker {id}, only 1 to {}", self.options.nodes));
        let node = index(id).and_then(|index| self.nodes.get(index)).ok_or_else(none)?;
        Ok(lock(node))
    }

    fn node_folder(&self, id: u32) -> PathBuf {
        self.folder.join(format!("node-{id}"))
    }

    /// Folders, ports and nodes that do not run yet.
    fn prepare(&mut self) -> Result<(), Failure> {
        let write = |path: PathBuf, text: &str| fs::write(&path, text).map_err(Failure::of(path.display()));
        let conf = self.folder.join("conf");
        fs::create_dir_all(&conf).map_err(Failure::of(conf.display()))?;
        write(conf.join("log4j.properties"), LOG4J)?;
        let controller = self.release.kraft().then_some(CONTROLLER);
        let extra = self.options.listeners.iter().map(|listener| listener.name.as_str());
        let names: Vec<&str> = std::iter::once(PLAIN).chain(extra).chain(controller).collect();
        for id in 1..=self.options.nodes {
            let folder = self.node_folder(id);
            fs::create_dir_all(&folder).map_err(Failure::of(folder.display()))?;
            let ports = names.iter().map(|name| free_port().map(|port| ((*name).to_owned(), port)));
            self.ports.push(ports.collect::<Result<_, _>>()?);
            self.nodes.push(Mutex::new(Node::new(format!("broker {id}"), folder)));
        }
        Ok(())
    }

    fn configure(&self) -> Result<(), Failure> {
        let voter = |id| self.port(id, CONTROLLER).map(|port| format!("{id}@127.0.0.1:{port}"));
        let voters: Vec<String> = (1..=self.options.nodes).filter_map(voter).collect();
        for (id, ports) in (1..).zip(&self.ports) {
            let ports: Vec<_> = ports.iter().map(|(name, port)| (name.clone(), port.number())).collect();
            let data = self.log_dir(id);
            let zookeeper = self.zookeeper.as_ref().map(|(_, port)| port.number());
            let voters = &voters.join(",");
            let place = Place { release: &self.release, id, ports: &ports, voters, zookeeper, data: &data };
            let path = self.node_folder(id).join("server.properties");
            fs::write(&path, server_properties(&self.options, &place))
                .map_err(Failure::of(path.display()))?;
        }
        Ok(())
    }

    /// Formats all nodes side by side: each takes a second of start-up.
    fn format(&self) -> Result<(), Failure> {
        if !self.release.kraft() {
            return Ok(());
        }
        std::thread::scope(|scope| {
            let formatting: Vec<_> =
                (1..=self.options.nodes).map(|id| scope.spawn(move || self.format_node(id))).collect();
            formatting.into_iter().try_for_each(|one| {
                one.join().unwrap_or_else(|_| Err(Failure::new("a thread that formats panicked")))
            })
        })
    }

    fn format_node(&self, id: u32) -> Result<(), Failure> {
        let properties = self.node_folder(id).join("server.properties");
        let mut java = self.java("kafka.tools.StorageTool");
        java.args(["format", "--ignore-formatted", "-t", CLUSTER_ID, "-c"]).arg(&properties);
        java.args(&self.options.format).current_dir(self.node_folder(id));
        process::output(java, b"", TOOL).map(drop)
    }

    fn launch(&self, id: u32) -> Result<(), Failure> {
        let mut java = self.java("kafka.Kafka");
        java.arg(self.node_folder(id).join("server.properties"));
        self.node(id)?.start(java)
    }

    fn await_ready(&self, id: u32) -> Result<(), Failure> {
        self.node(id)?.await_line(is_ready, START)
    }

    fn start_zookeeper(&mut self) -> Result<(), Failure> {
        let port = free_port()?;
        let folder = self.folder.join("zookeeper");
        fs::create_dir_all(&folder).map_err(Failure::of(folder.display()))?;
        let properties = folder.join("zookeeper.properties");
        let text = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\ntickTime=1000\n",
            folder.join("data").display(),
            port.number()
        );
        fs::write(&properties, text).map_err(Failure::of(properties.display()))?;
        let mut node = Node::new("ZooKeeper", &folder);
        let mut java = self.java("org.apache.zookeeper.server.quorum.QuorumPeerMain");
        java.arg(&properties);
        node.start(java)?;
        let end = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port.number())).is_err() {
            if Instant::now() >= end {
                return Err(Failure::new("ZooKeeper did not start"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.zookeeper = Some((Mutex::new(node), port));
        Ok(())
    }

    fn java(&self, class: &str) -> Command {
        let mut java = process::java(self.options.outlives);
        let heap = self.options.heap_mb;
        java.args([format!("-Xms{heap}m"), format!("-Xmx{heap}m")]).arg("-XX:+UseSerialGC");
        if !self.options.full_compiler {
            java.arg("-XX:TieredStopAtLevel=1");
        }
        java.args(["-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-cp"]);
        java.arg(class_path(&[&self.folder.join("conf"), &self.jars.join("*")])).arg(class);
        java
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        drop(self.admin.take());
        self.nodes.clear();
        self.zookeeper = None;
        if self.options.folder.is_none() {
            // A temp folder that cannot be removed now is swept by a later run.
            let _removed = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Java's list of folders and jars.
pub(crate) fn class_path(parts: &[&Path]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
    parts.join(":")
}

/// The last line of a start: without ZooKeeper, with it, and with it before 2.0.
fn is_ready(line: &str) -> bool {
    let with_zookeeper = line.contains("[KafkaServer id=") || line.contains("[Kafka Server ");
    line.ends_with("Kafka Server started") || (with_zookeeper && line.trim_end().ends_with("started"))
}

fn temp_folder(in_memory: bool) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let memory = if in_memory { room_in_memory(ROOM) } else { None };
    let parent = memory.unwrap_or_else(std::env::temp_dir);
    sweep(&parent, FOLDER_PREFIX);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!("{FOLDER_PREFIX}{}-{number}", std::process::id()))
}

fn index(id: u32) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

/// A test that panicked while it held a node has not broken the node.
fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}
