//! A cluster on TCP: one thread for all its brokers, each on a port of its own.
//!
//! No disk and no security: it is for tests, demos and benchmarks on this machine.
mod reactor;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use mio::Waker;

use crate::cluster::Cluster;
use crate::settings::Settings;
use reactor::Reactor;

/// How a server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where broker 1 listens, `HOST:PORT`; the next ones on the ports after it, or each on a free one if the port is 0.
    /// Default `127.0.0.1:0`.
    pub listen: String,
    /// The host that Metadata tells clients. Default: that of `listen`, or 127.0.0.1 if that stands for all addresses.
    pub advertised_host: Option<String>,
    /// How many brokers, numbered from 1. Default 1.
    pub brokers: u16,
    /// The cluster's settings.
    pub settings: Settings,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            advertised_host: None,
            brokers: 1,
            settings: Settings::default(),
        }
    }
}

/// A running cluster; stops when dropped.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) struct Shared {
    cluster: Mutex<Cluster>,
    waker: Waker,
    stop: AtomicBool,
}

impl Shared {
    /// A panic in somebody's closure leaves the cluster usable: every call leaves it whole.
    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl Server {
    /// One broker with default settings on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port could be listened on.
    pub fn start_default() -> io::Result<Self> {
        Self::start(ServerOptions::default())
    }

    /// Starts the brokers; they accept connections when this returns.
    ///
    /// # Errors
    /// The address cannot be resolved or listened on.
    pub fn start(options: ServerOptions) -> io::Result<Self> {
        let first = options.listen.to_socket_addrs()?.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{} has no address", options.listen))
        })?;
        let poll = mio::Poll::new()?;
        let waker = Waker::new(poll.registry(), reactor::WAKER)?;
        let mut cluster = Cluster::new(options.settings.clone());
        let mut reactor = Reactor::new(poll);
        let mut addresses = Vec::new();
        for index in 0..options.brokers {
            let port = if first.port() == 0 { 0 } else { first.port().saturating_add(index) };
            let address = reactor.listen(i32::from(index) + 1, SocketAddr::new(first.ip(), port))?;
            let host =
                options.advertised_host.clone().unwrap_or_else(|| advertised(&options.listen, address));
            cluster.add_broker(i32::from(index) + 1, &host, address.port());
            addresses.push(address);
        }
        let shared = Arc::new(Shared { cluster: Mutex::new(cluster), waker, stop: AtomicBool::new(false) });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("kurier-broker".to_owned());
        let thread = thread.spawn(move || reactor.run(&of_thread))?;
        Ok(Self { shared, addresses, thread: Some(thread) })
    }

    /// The brokers' addresses as a `bootstrap.servers` value.
    pub fn bootstrap(&self) -> String {
        self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    /// The addresses listened on, broker 1 first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Looks at the cluster or changes it; sockets follow what was changed.
    pub fn with<R>(&self, look: impl FnOnce(&mut Cluster) -> R) -> R {
        let result = look(&mut self.shared.cluster());
        // Without a wake the change is seen with the next event; there is nothing else to do about it.
        let _ = self.shared.waker.wake();
        result
    }

    /// Unix time in ms, as the cluster is given it.
    pub fn now_ms() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let woken = self.shared.waker.wake().is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // It can only have panicked, and then it has said so.
            let _ = thread.join();
        }
    }
}

/// The host of `listen` as it was written, unless it stands for all addresses.
fn advertised(listen: &str, address: SocketAddr) -> String {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    if address.ip().is_unspecified() || host.is_empty() { "127.0.0.1".to_owned() } else { host.to_owned() }
}
