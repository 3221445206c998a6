//! A cluster of real brokers on loopback: start to end.
//!
//! Brokers have ids from 1. All methods take `&self`, so that one thread may stop brokers while another
//! produces. Dropped, everything is killed and the temp folder removed.
mod setup;

use crate::node::{Node, sweep};
use crate::options::{Options, room_in_memory};
use crate::port::Port;
use crate::properties::PLAIN;
use crate::read::{self, Dumped};
use crate::{Admin, Failure, Release, jars};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// A controlled shutdown takes 1.5 to 8 s, the last broker of a cluster being the slowest.
const STOP: Duration = Duration::from_secs(30);
const TOOL: Duration = Duration::from_secs(120);
/// MB that a cluster in memory should find there.
const ROOM: u64 = 6000;
const FOLDER_PREFIX: &str = "kurier-kafka-";

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
