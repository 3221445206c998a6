//! The bridge as a server: who is let in, how many, and how it ends.
use crate::cluster::Address;
use crate::gate::{Gate, Rules};
use crate::greeting::Greeting;
use crate::lookup::Lookup;
use crate::metrics::Metrics;
use crate::options::{Options, OptionsError};
use crate::places::{Place, Places};
use crate::refusal::{Kind, Refusal};
use crate::relay::{self, End, Socket, Stopped, Tally};
use crate::tls::{Stream, Tls, TlsError};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How long a bridge that is stopped waits for its clients to hear of it, when the answers that were due are out.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a bridge does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The options make no bridge.
    Options(OptionsError),
    /// The certificate or its key are of no use.
    Tls(TlsError),
    /// It cannot listen there, or the system gives it no threads.
    Io(io::Error),
    /// The metrics cannot be served there.
    Metrics(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) | Self::Metrics(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A running bridge on threads of its own. When dropped it takes no further requests, lets the answers that are due go out,
/// and tells its clients.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) rules: Arc<Rules>,
    pub(crate) metrics: Metrics,
    lookup: Lookup,
    places: Arc<Places>,
    tls: Option<Tls>,
}

impl Server {
    /// Starts a bridge; it accepts connections when this returns.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(options: Options) -> Result<Self, StartError> {
        options.check().map_err(StartError::Options)?;
        let tls = options.tls.clone().map(Tls::open).transpose().map_err(StartError::Tls)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("kurier-bridge")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(options.listen))?;
        let metrics = options.metrics.map(|address| runtime.block_on(TcpListener::bind(address)));
        let metrics = metrics.transpose().map_err(StartError::Metrics)?;
        let rules = Rules::new(
            options.topics.clone(),
            options.allow_auto_create,
            options.bootstrap.clone(),
            &options.allow_broker,
        );
        let places = Places::new(options.max_connections, options.max_connections_per_client);
        let shared = Arc::new(Shared {
            options,
            rules: Arc::new(rules),
            metrics: Metrics::default(),
            lookup: Lookup::default(),
            places: Arc::new(places),
            tls,
        });
        let address = listener.local_addr()?;
        let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("kurier-bridge".to_owned()).spawn(move || {
            if let Some(metrics) = metrics {
                runtime.spawn(serve_metrics(metrics, Arc::clone(&of_thread)));
            }
            runtime.block_on(accept(listener, &of_thread, Stopped(stopped)));
            runtime.shutdown_timeout(Duration::from_millis(100));
        })?;
        Ok(Self { address, metrics_address, shared, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its metrics are.
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// How many connections were ended for this reason.
    pub fn refusals(&self, kind: Kind) -> u64 {
        self.shared.metrics.refusals(kind)
    }

    /// Connections that clients have left without a word.
    pub fn vanished(&self) -> u64 {
        self.shared.metrics.vanished.value()
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.shared.places.taken()
    }

    /// Reads the certificate and its key again, for connections to come. Without TLS there is nothing to do.
    ///
    /// # Errors
    /// They are of no use, and the old ones stay.
    pub fn reload_certificate(&self) -> Result<(), TlsError> {
        self.shared.tls.as_ref().map_or(Ok(()), Tls::reload)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without a receiver it has ended already.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and then it has said so.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>, mut stopped: Stopped) {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            () = stopped.come() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match shared.places.take(peer.ip()) {
                    Some((place, served)) => {
                        tasks.spawn(serve(stream, place, served, Arc::clone(shared), stopped.clone()));
                    }
                    None => shared.metrics.refused(Kind::TooMany),
                },
                Err(error) => {
                    // Out of descriptors, most often: the others go on, and some will end.
                    log::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = tasks.join_next() => (),
        }
    }
    drop(listener);
    // Who has not ended by then is cut off.
    let _ = timeout(shared.options.drain_timeout + FAREWELL, async {
        while tasks.join_next().await.is_some() {}
    })
    .await;
}

/// One connection, from handshake to farewell.
async fn serve(stream: TcpStream, place: Place, served: bool, shared: Arc<Shared>, mut stopped: Stopped) {
    let Shared { options, metrics, .. } = &*shared;
    // Small answers matter to who waits for them; without it they only come later.
    let _ = stream.set_nodelay(true);
    notice_progress(&stream);
    let config = WebSocketConfig::default()
        .max_message_size(Some(options.max_frame.saturating_add(4)))
        .max_frame_size(Some(options.max_frame.saturating_add(4)))
        // Of each connection, from its first moment: the defaults are 128 KiB each.
        .read_buffer_size(16 * 1024)
        .write_buffer_size(4 * 1024);
    let mut greeting = None;
    #[allow(clippy::result_large_err)] // the library's type
    let judge = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let judged = Greeting::of(request, options);
        if let Some(protocol) = &judged.protocol {
            response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
        }
        greeting = Some(judged);
        Ok(response)
    };
    let handshake = async {
        let stream = Stream::accept(stream, shared.tls.as_ref()).await?;
        tokio_tungstenite::accept_hdr_async_with_config(stream, judge, Some(config)).await
    };
    let socket = match timeout(options.patience, handshake).await {
        Ok(Ok(socket)) => socket,
        // A look whether somebody listens, as of a service that watches others.
        Ok(Err(error)) if is_gone(&error) => return metrics.vanished.add(1),
        Ok(Err(_)) => return metrics.refused(Kind::Malformed),
        Err(_) => return metrics.refused(Kind::Timeout),
    };
    metrics.connections.add(1);
    let wants = match greeting.map(|greeting| greeting.wants) {
        Some(_) if shared.tls.is_some() && socket.get_ref().is_plain() => {
            Err(Refusal::new(Kind::Forbidden, "the bridge speaks TLS: the URL must begin with wss://"))
        }
        Some(Ok(wants)) if served => Ok(wants),
        Some(Ok(_)) => Err(Refusal::new(Kind::TooMany, "too many connections; try again later")),
        Some(Err(refusal)) => Err(refusal),
        None => return,
    };
    let mut socket = Some(socket);
    let (begin, tally) = (Instant::now(), Tally::default());
    let end = connected(&mut socket, wants, &shared, &tally, &mut stopped).await;
    // Nothing that a client has chosen is in it, so that no client can write lines of the log.
    log::info!(
        "connection client={} end={} requests={} request_bytes={} answer_bytes={} ms={}",
        place.address,
        end.name(),
        tally.requests.value(),
        tally.bytes_up.value(),
        tally.bytes_down.value(),
        begin.elapsed().as_millis()
    );
    match end {
        End::Closed => (),
        End::Vanished => metrics.vanished.add(1),
        End::Refused(refusal) => {
            metrics.refused(refusal.kind);
            if let Some(socket) = socket {
                relay::refuse(socket, &refusal).await;
            }
        }
    }
}

/// Bytes that the system takes beyond what can go out at once.
const UNSENT: u32 = 16 * 1024;

/// Has the system take no more than it can send for now. It would take megabytes, and then nothing until a third of them is
/// gone: a client that takes them slowly would seem to take none.
fn notice_progress(client: &TcpStream) {
    let socket = socket2::SockRef::from(client);
    // Without it a slow client is ended too early, and a fast one notices nothing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket.set_send_buffer_size(UNSENT as usize);
}

/// Whether who shook hands has gone, instead of saying something wrong.
fn is_gone(error: &Error) -> bool {
    match error {
        // What is no TLS comes as an error of I/O, too.
        Error::Io(error) => error.kind() != io::ErrorKind::InvalidData,
        error => matches!(error, Error::Protocol(ProtocolError::HandshakeIncomplete)),
    }
}

/// From the greeting on.
async fn connected(
    socket: &mut Option<Socket>,
    wants: Result<Address, Refusal>,
    shared: &Shared,
    tally: &Tally,
    stopped: &mut Stopped,
) -> End {
    let Shared { options, rules, metrics, .. } = shared;
    let address = match wants {
        Ok(address) => address,
        Err(refusal) => return refusal.into(),
    };
    let known = rules.cluster.is_broker(&address)
        || shared.lookup.is_broker(&rules.cluster, &address, options.patience).await;
    if !known {
        let reason = "the address is no broker of the cluster (--allow-broker)";
        return Refusal::new(Kind::UnknownBroker, reason).into();
    }
    let (host, port) = &address;
    let broker = match timeout(options.patience, TcpStream::connect((host.as_str(), *port))).await {
        Ok(Ok(broker)) => broker,
        _ => return Refusal::new(Kind::Unreachable, "the broker cannot be reached").into(),
    };
    // As above.
    let _ = broker.set_nodelay(true);
    relay::relay(socket, broker, Gate::new(Arc::clone(rules)), options, metrics, tally, stopped).await
}

/// Answers every request with the metrics, one at a time.
async fn serve_metrics(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            // Out of descriptors, most often.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let text = shared.metrics.text(shared.places.taken());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        let exchange = async {
            // What is asked for does not matter, but must be read, or closing would reset the connection.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        };
        // A client that hangs holds up other readers of metrics only, and not for long.
        let _ = timeout(Duration::from_secs(1), exchange).await;
    }
}
