//! A cluster of brokers, sans I/O: bytes of connections in, bytes out, the time handed in.
//!
//! It reads no clock and no randomness, and starts no thread: the same calls give the same bytes.
//!
//! ```
//! use kurier_broker::{Cluster, Settings, TopicConfig};
//! let mut cluster = Cluster::new(Settings::default());
//! cluster.add_broker(1, "127.0.0.1", 9092);
//! cluster.create_topic("lines", 3, TopicConfig::default()).unwrap();
//! let connection = cluster.open(1).unwrap();
//! // ApiVersions 0, correlation id 7, null client id
//! let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
//! cluster.handle(connection, &request, 1_700_000_000_000).unwrap();
//! let answer = cluster.take_output(connection);
//! assert_eq!(answer[4..10], [0, 0, 0, 7, 0, 0]);
//! ```
mod topics;

use std::collections::BTreeMap;

use crate::access::Denial;
use crate::connection::Connection;
use crate::error::Close;
use crate::quota::Quota;
use crate::request::{Fault, Injector, RequestInfo};
use crate::settings::Settings;
use crate::state::{Partition, Running, State};

/// Names a connection; never used again by its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// The brokers of a cluster, with their connections.
pub struct Cluster {
    pub(crate) state: State,
    connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
    requests: u64,
    injector: Option<Injector>,
    /// Connections that have something new for their owner.
    changed: Vec<ConnectionId>,
    /// Connections that a broker's restart set going.
    resumed: Vec<ConnectionId>,
    /// What `state.appends` was when waiting fetches were last looked at.
    seen_appends: u64,
}

impl Cluster {
    /// A cluster without brokers.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: State::new(settings),
            connections: BTreeMap::new(),
            opened: 0,
            requests: 0,
            injector: None,
            changed: Vec::new(),
            resumed: Vec::new(),
            seen_appends: 0,
        }
    }

    /// Adds a broker that runs, under the address that Metadata tells.
    pub fn add_broker(&mut self, id: i32, host: &str, port: u16) {
        self.state.add_broker(id, host, port);
    }

    /// Every request is shown to `injector` before it is carried out; what it returns is done to it.
    pub fn inject(&mut self, injector: impl FnMut(&RequestInfo<'_>) -> Option<Fault> + Send + 'static) {
        self.injector = Some(Box::new(injector));
    }

    /// Every request is shown to `observer`; replaces what was injected.
    pub fn observe(&mut self, mut observer: impl FnMut(&RequestInfo<'_>) + Send + 'static) {
        self.inject(move |request| {
            observer(request);
            None
        });
    }

    /// No faults any more.
    pub fn inject_nothing(&mut self) {
        self.injector = None;
    }

    /// Opens a connection to a broker; `None` if it is down or unknown. A paused broker accepts, as its kernel does.
    pub fn open(&mut self, broker: i32) -> Option<ConnectionId> {
        self.state.broker(broker).filter(|broker| broker.running != Running::Down)?;
        self.opened += 1;
        let id = ConnectionId(self.opened);
        self.connections.insert(id, Connection::new(broker));
        Some(id)
    }

    /// Takes bytes from a connection's peer. `now` is Unix time in ms and never goes back.
    ///
    /// # Errors
    /// The connection ends; its output so far is still to be sent.
    pub fn handle(&mut self, id: ConnectionId, bytes: &[u8], now: i64) -> Result<(), Close> {
        self.state.advance(now);
        self.drive(id, bytes, now);
        self.wake_waiting(now);
        match self.connections.get(&id) {
            Some(connection) => connection.closed.map_or(Ok(()), Err),
            None => Err(Close::Gone),
        }
    }

    /// Lets time pass: delayed answers, throttled connections, waiting fetches.
    pub fn poll(&mut self, now: i64) {
        self.state.advance(now);
        let is_due = |connection: &Connection| connection.deadline().is_some_and(|at| at <= now);
        let due: Vec<_> = self.connections.iter().filter(|(_, c)| is_due(c)).map(|(&id, _)| id).collect();
        due.into_iter().for_each(|id| self.drive(id, &[], now));
        std::mem::take(&mut self.resumed).into_iter().for_each(|id| self.drive(id, &[], now));
        self.wake_waiting(now);
    }

    /// When [`Self::poll`] has something to do, in ms; `None` if only bytes can change anything.
    pub fn next_deadline(&self) -> Option<i64> {
        if !self.resumed.is_empty() {
            return Some(i64::MIN);
        }
        // A broker that is paused lets its deadlines pass; what is due is done once it runs again.
        let up = |connection: &&Connection| self.running(connection.broker) == Some(Running::Up);
        self.connections.values().filter(up).filter_map(Connection::deadline).min()
    }

    /// What is to be sent to the connection's peer, taken away.
    pub fn take_output(&mut self, id: ConnectionId) -> Vec<u8> {
        self.output(id).map(std::mem::take).unwrap_or_default()
    }

    /// What is to be sent to the connection's peer; whoever sends it drains it.
    pub fn output(&mut self, id: ConnectionId) -> Option<&mut Vec<u8>> {
        self.connections.get_mut(&id).map(|connection| &mut connection.output)
    }

    /// Why the broker closed the connection, if it did.
    pub fn closed(&self, id: ConnectionId) -> Option<Close> {
        self.connections.get(&id).map_or(Some(Close::Gone), |connection| connection.closed)
    }

    /// Whether the broker would read more of the connection now: not while it is paused, throttled, hangs, or holds an
    /// answer back.
    pub fn is_reading(&self, id: ConnectionId) -> bool {
        let up = |connection: &&Connection| self.running(connection.broker) == Some(Running::Up);
        self.connections.get(&id).filter(up).is_some_and(Connection::is_reading)
    }

    /// Forgets a connection.
    pub fn close(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// Connections that got output or were closed since the last call, each perhaps more than once.
    pub fn take_changed(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.changed)
    }

    /// Requests served so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    fn drive(&mut self, id: ConnectionId, bytes: &[u8], now: i64) {
        let Self { state, connections, requests, injector, changed, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        let paused = state.broker(connection.broker).is_none_or(|broker| broker.running != Running::Up);
        let before = connection.output.len();
        connection.take(bytes, paused, &mut crate::connection::Around { state, injector, requests, id, now });
        if connection.output.len() != before || connection.closed.is_some() {
            changed.push(id);
        }
    }

    /// Fetches wait for appends, on any connection.
    fn wake_waiting(&mut self, now: i64) {
        if self.seen_appends == self.state.appends {
            return;
        }
        self.seen_appends = self.state.appends;
        let waiting: Vec<_> =
            self.connections.iter().filter(|(_, c)| c.is_waiting()).map(|(&id, _)| id).collect();
        waiting.into_iter().for_each(|id| self.drive(id, &[], now));
    }

    /// Sets the quota of a client id; what it has used is forgotten.
    pub fn set_quota(&mut self, client_id: &str, quota: Quota) {
        self.state.quotas.set(client_id, quota);
    }

    /// Denies something to all clients, at once.
    pub fn deny(&mut self, denial: Denial) {
        self.state.access.deny(denial);
    }

    /// Takes a denial back.
    pub fn allow(&mut self, denial: &Denial) {
        self.state.access.allow(denial);
    }

    /// From now on a broker answers Metadata as things are now, while they change: its log of the cluster's metadata stalls.
    /// It creates topics all the same, and hears of them no more than of anything else. Brokers' addresses do not lag.
    pub fn hold_metadata(&mut self, broker: i32) {
        self.state.hold_view(broker);
    }

    /// A broker has caught up with the others; see [`hold_metadata`](Self::hold_metadata).
    pub fn release_metadata(&mut self, broker: i32) {
        self.state.views.remove(&broker);
    }

    /// Whether a broker's metadata lags.
    pub fn holds_metadata(&self, broker: i32) -> bool {
        self.state.views.contains_key(&broker)
    }

    /// From now on an append takes so long to reach the followers; 0: they have it at once, also what they lack now.
    pub fn set_replication_lag(&mut self, ms: i64) {
        self.state.settings.replication_lag_ms = ms;
        if ms == 0 {
            self.state
                .topics
                .iter_mut()
                .flat_map(|topic| &mut topic.partitions)
                .for_each(Partition::followed_all);
            self.recheck();
        }
    }

    /// Whether a broker runs.
    pub fn running(&self, broker: i32) -> Option<Running> {
        self.state.broker(broker).map(|broker| broker.running)
    }

    /// Stops a broker's process as SIGSTOP does: connections stay, nothing is read or answered.
    pub fn pause(&mut self, broker: i32) {
        if let Some(broker) = self.state.broker_mut(broker) {
            broker.running = Running::Paused;
        }
    }

    /// Ends a broker as kill -9 does: its connections are closed. Metadata still names it until [`Self::fence`].
    pub fn kill(&mut self, broker: i32) {
        if let Some(broker) = self.state.broker_mut(broker) {
            broker.running = Running::Down;
        }
        for (&id, connection) in &mut self.connections {
            if connection.broker == broker && connection.closed.is_none() {
                connection.closed = Some(Close::BrokerDown);
                self.changed.push(id);
            }
        }
    }

    /// The controller takes a broker out: it leaves every in-sync set, and what it led gets the next replica in sync, or
    /// no leader.
    pub fn fence(&mut self, id: i32) {
        if let Some(broker) = self.state.broker_mut(id) {
            broker.fenced = true;
        }
        let alive: Vec<i32> = self.state.alive().map(|broker| broker.id).collect();
        for topic in &mut self.state.topics {
            let min_insync = topic.config.min_insync_replicas;
            topic.partitions.iter_mut().for_each(|partition| partition.lose(id, min_insync, &alive));
        }
        self.recheck();
    }

    /// A broker runs again (after [`Self::pause`], [`Self::kill`]), is in sync where it is a replica, and leads what
    /// nobody leads. What came in while it was paused is served at the next [`Self::poll`]. If it was killed, it knows of
    /// each producer only the newest batch where it leads again: its snapshots hold no more.
    pub fn restart(&mut self, id: i32) {
        let Some(broker) = self.state.broker_mut(id) else { return };
        let reads_snapshots = broker.running == Running::Down;
        broker.running = Running::Up;
        broker.fenced = false;
        for partition in self.state.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.regain(id);
            if reads_snapshots && partition.leader == id {
                partition.log.producers.keep_newest();
            }
        }
        let own = self.connections.iter().filter(|(_, connection)| connection.broker == id);
        self.resumed.extend(own.map(|(&id, _)| id));
        self.recheck();
    }

    /// What waits for followers is looked at again.
    fn recheck(&mut self) {
        let waiting = self.connections.iter().filter(|(_, connection)| connection.is_replicating());
        self.resumed.extend(waiting.map(|(&id, _)| id));
    }
}
