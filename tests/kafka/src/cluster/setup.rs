//! How a cluster comes to run: folders and ports, configuration, ZooKeeper where a release needs it, formatting, start.
use super::{Kafka, TOOL, class_path};
use crate::node::Node;
use crate::port::free_port;
use crate::properties::{CONTROLLER, PLAIN, Place, server_properties};
use crate::{Failure, process};
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Long enough for three brokers that start on a busy machine of two cores.
const START: Duration = Duration::from_secs(120);
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Logging of the releases that bring log4j 1.
const LOG4J: &str = "\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c - %m%n
";

impl Kafka {
    /// Folders, ports and nodes that do not run yet.
    pub(super) fn prepare(&mut self) -> Result<(), Failure> {
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

    pub(super) fn configure(&self) -> Result<(), Failure> {
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
    pub(super) fn format(&self) -> Result<(), Failure> {
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

    pub(super) fn launch(&self, id: u32) -> Result<(), Failure> {
        let mut java = self.java("kafka.Kafka");
        java.arg(self.node_folder(id).join("server.properties"));
        self.node(id)?.start(java)
    }

    pub(super) fn await_ready(&self, id: u32) -> Result<(), Failure> {
        self.node(id)?.await_line(is_ready, START)
    }

    pub(super) fn start_zookeeper(&mut self) -> Result<(), Failure> {
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

/// The last line of a start: without ZooKeeper, with it, and with it before 2.0.
fn is_ready(line: &str) -> bool {
    let with_zookeeper = line.contains("[KafkaServer id=") || line.contains("[Kafka Server ");
    line.ends_with("Kafka Server started") || (with_zookeeper && line.trim_end().ends_with("started"))
}
