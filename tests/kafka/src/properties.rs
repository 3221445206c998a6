//! The `server.properties` of one node, as text.
//!
//! Invariant: later lines win, and the test's own come last.
use crate::options::Options;
use crate::release::Release;
use std::fmt::Write;
use std::path::Path;

/// The name of the listener that is always there.
pub(crate) const PLAIN: &str = "PLAINTEXT";
/// The name of the listener between controllers.
pub(crate) const CONTROLLER: &str = "CONTROLLER";

/// What a node is given beside the options.
pub(crate) struct Place<'a> {
    pub(crate) release: &'a Release,
    pub(crate) id: u32,
    /// Port of each listener by name, of this node; the plain one first.
    pub(crate) ports: &'a [(String, u16)],
    /// `id@host:port` of every controller.
    pub(crate) voters: &'a str,
    /// Port of ZooKeeper, for releases that need it.
    pub(crate) zookeeper: Option<u16>,
    pub(crate) data: &'a Path,
}

/// A broker counts as dead after 2 s instead of 9, and its controller after 1 s: the longest wait of every
/// test that stops one.
const QUICK_FAILOVER: &str = "\
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=300
";

/// Small threads and tables for a small heap (the cleaner alone would take 128 MB), and the disk of deleted
/// topics freed at once. Records are kept however old their timestamps say they are: a test's would else be gone half a
/// minute after the start.
const SMALL: &str = "\
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=2
background.threads=2
log.segment.delete.delay.ms=1000
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=3
transaction.state.log.num.partitions=3
share.coordinator.state.topic.num.partitions=3
";

/// The text of the file.
pub(crate) fn server_properties(options: &Options, place: &Place<'_>) -> String {
    let mut text = String::from(SMALL);
    line(&mut text, "log.dirs", place.data.display());
    listeners(&mut text, options, place);
    replication(&mut text, options.nodes);
    if let Some(port) = place.zookeeper {
        line(&mut text, "broker.id", place.id);
        line(&mut text, "zookeeper.connect", format_args!("127.0.0.1:{port}"));
        line(&mut text, "zookeeper.session.timeout.ms", 3000);
    } else {
        text.push_str(QUICK_FAILOVER);
        line(&mut text, "process.roles", "broker,controller");
        line(&mut text, "node.id", place.id);
        line(&mut text, "controller.quorum.voters", place.voters);
        line(&mut text, "controller.listener.names", CONTROLLER);
    }
    for (key, value) in &options.properties {
        line(&mut text, key, value);
    }
    text
}

fn listeners(text: &mut String, options: &Options, place: &Place<'_>) {
    let (mut bound, mut advertised, mut protocols) = (Vec::new(), Vec::new(), Vec::new());
    for (name, port) in place.ports {
        bound.push(format!("{name}://127.0.0.1:{port}"));
        let own = options.listeners.iter().find(|listener| listener.name == *name);
        protocols.push(format!("{name}:{}", own.map_or(PLAIN, |listener| &listener.protocol)));
        if name == CONTROLLER {
            continue;
        }
        let (host, ports) = own.and_then(|listener| listener.advertised.clone()).unwrap_or_default();
        let node = usize::try_from(place.id).ok().and_then(|id| id.checked_sub(1));
        // One port alone is every node's.
        let other = node.and_then(|node| ports.get(node)).or(ports.first()).copied();
        let host = if host.is_empty() { "127.0.0.1" } else { &host };
        advertised.push(format!("{name}://{host}:{}", other.unwrap_or(*port)));
    }
    line(text, "listeners", bound.join(","));
    line(text, "advertised.listeners", advertised.join(","));
    if place.release.named_listeners() {
        line(text, "listener.security.protocol.map", protocols.join(","));
        line(text, "inter.broker.listener.name", PLAIN);
    }
}

/// Three replicas where there are three nodes, and two of them must have a record.
fn replication(text: &mut String, nodes: u32) {
    let factor = nodes.min(3);
    let in_sync = if factor == 3 { 2 } else { 1 };
    for (factor_key, in_sync_key) in [
        ("default.replication.factor", "min.insync.replicas"),
        ("transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
        ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"),
    ] {
        line(text, factor_key, factor);
        line(text, in_sync_key, in_sync);
    }
    line(text, "offsets.topic.replication.factor", factor);
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing into a String cannot fail.
    let _written = writeln!(text, "{key}={value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Listener;

    fn of(options: &Options, release: &str, zookeeper: Option<u16>) -> String {
        let ports = [(PLAIN.to_owned(), 20001), ("GUEST".to_owned(), 20002)];
        let release = Release::parse(release).unwrap();
        let data = Path::new("d");
        let place =
            Place { release: &release, id: 2, ports: &ports, voters: "2@127.0.0.1:20003", zookeeper, data };
        server_properties(options, &place)
    }

    #[test]
    fn a_guest_is_told_its_own_address_and_the_test_has_the_last_word() {
        let guest = Listener::new("GUEST", "PLAINTEXT").advertise("10.0.2.2", None);
        let text =
            of(&Options::new().nodes(3).listener(guest).property("num.io.threads", "9"), "4.3.1", None);
        assert!(text.contains("advertised.listeners=PLAINTEXT://127.0.0.1:20001,GUEST://10.0.2.2:20002\n"));
        assert!(text.contains("min.insync.replicas=2\n"));
        assert!(text.ends_with("num.io.threads=9\n"));
    }

    #[test]
    fn an_old_release_is_spared_what_it_does_not_know() {
        let text = of(&Options::new(), "0.10.2.2", Some(2181));
        assert!(text.contains("zookeeper.connect=127.0.0.1:2181\n") && text.contains("broker.id=2\n"));
        assert!(!text.contains("protocol.map") && !text.contains("process.roles"));
    }
}
