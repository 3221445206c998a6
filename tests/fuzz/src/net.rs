//! The way between a producer and the model cluster, in virtual time.
//!
//! A [`Director`] says what becomes of each request and each answer. The producer is woken exactly as the transport's
//! contract says, and what it does against that contract is a finding, and so is a request that no broker can read.
mod transport;

use crate::options::Options;
use kurier_broker::codec::{self, Direction, RequestHeader, request_header};
use kurier_broker::{Close, Cluster, ConnectionId};
use kurier_core::transport::LinkId;
use std::collections::VecDeque;
use std::sync::OnceLock;

/// A time that does not come, µs.
pub(crate) const NEVER: u64 = u64::MAX / 2;
/// Calls of the transport in one pass of a producer that are too many.
const MOST_CALLS: u32 = 50_000;

/// Unix ms at `now` µs.
pub(crate) fn unix(now: u64) -> i64 {
    1_700_000_000_000 + i64::try_from(now / 1000).unwrap_or(0)
}

/// Tells a finding's story on stderr, if the environment has `KURIER_FUZZ_TELL`.
pub(crate) fn tell(now: u64, what: impl FnOnce() -> String) {
    static TELL: OnceLock<bool> = OnceLock::new();
    if *TELL.get_or_init(|| std::env::var_os("KURIER_FUZZ_TELL").is_some()) {
        eprintln!("{:>12.3} ms  {}", now as f64 / 1000.0, what());
    }
}

/// What becomes of a request.
pub(crate) enum Fate {
    /// The broker carries it out and the director sees the answer.
    Serve,
    /// It is lost.
    Lose,
    /// The stream ends before it was carried out.
    Close,
}

/// What a producer gets instead of an answer.
#[derive(Default)]
pub(crate) struct Sent {
    /// In these pieces.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// µs more than the latency.
    pub(crate) delay: u64,
    /// The stream ends behind it.
    pub(crate) close: bool,
}

impl Sent {
    pub(crate) fn whole(frame: Vec<u8>) -> Self {
        Self { pieces: vec![frame], ..Self::default() }
    }
}

/// Decides what goes wrong.
pub(crate) trait Director {
    /// A dial: open, refused (`Some(false)`) or never answered.
    fn dial(&mut self, port: u16) -> Option<bool>;
    fn request(&mut self, header: &RequestHeader) -> Fate;
    /// `honest` is the broker's answer, a whole frame; empty if it has none.
    fn answer(&mut self, header: &RequestHeader, honest: Vec<u8>) -> Sent;
    /// Answers were made up: the cluster is not what the producer thinks it is.
    fn lies(&self) -> bool;
}

/// Calls that answered `Pending` and are still to be woken for.
#[derive(Default, Clone, Copy)]
struct Wants {
    connect: bool,
    send: bool,
    recv: bool,
    flush: bool,
}

struct Stream {
    host: String,
    port: u16,
    conn: Option<ConnectionId>,
    open: bool,
    opens_at: u64,
    refused: bool,
    up: Vec<u8>,
    down: VecDeque<(u64, Vec<u8>)>,
    /// The stream's end reaches the producer.
    end: u64,
    send_at: u64,
    flush_at: u64,
    wants: Wants,
}

impl Stream {
    fn next(&self) -> u64 {
        let Wants { connect, send, recv, flush } = self.wants;
        let mut next = if connect { self.opens_at } else { NEVER };
        next =
            next.min(if send { self.send_at } else { NEVER }).min(if flush { self.flush_at } else { NEVER });
        if recv {
            next = next.min(self.down.front().map_or(NEVER, |(at, _)| *at));
        }
        if connect || send || recv || flush { next.min(self.end) } else { next }
    }
}

/// What a producer did, for runs that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Dial {
        at: u64,
        link: u16,
        host: String,
        port: u16,
    },
    /// Bytes written; neighbours are one.
    Write {
        at: u64,
        link: u16,
        bytes: Vec<u8>,
    },
    Close {
        at: u64,
        link: u16,
    },
    Told(String),
}

/// The network and the cluster behind it.
pub(crate) struct Net<D> {
    pub(crate) cluster: Cluster,
    pub(crate) director: D,
    pub(crate) now: u64,
    /// A call that answered `Pending` could make progress.
    pub(crate) woken: bool,
    /// Counts what had an effect.
    pub(crate) progress: u64,
    /// What the producer did, if somebody wants to know.
    pub(crate) deeds: Option<Vec<Deed>>,
    calls: u32,
    links: Vec<Option<Stream>>,
    write: usize,
    read: usize,
    slow_flush: bool,
    latency: u64,
}

impl<D: Director> Net<D> {
    pub(crate) fn new(cluster: Cluster, director: D, options: &Options) -> Self {
        Self {
            cluster,
            director,
            now: 0,
            woken: false,
            progress: 0,
            deeds: None,
            calls: 0,
            links: Vec::new(),
            write: options.write,
            read: options.read,
            slow_flush: options.slow_flush,
            latency: options.latency,
        }
    }

    /// The way is wide and short from here on.
    pub(crate) fn heal(&mut self) {
        (self.write, self.read, self.slow_flush, self.latency) = (usize::MAX, usize::MAX, false, 1000);
        let soon = self.now + 1000;
        for stream in self.links.iter_mut().flatten() {
            for at in [&mut stream.opens_at, &mut stream.send_at, &mut stream.flush_at] {
                *at = (*at).min(soon);
            }
            for (at, _) in &mut stream.down {
                *at = (*at).min(soon);
            }
        }
    }

    /// A pass of the producer begins.
    pub(crate) fn begin_pass(&mut self) {
        self.calls = 0;
        self.woken = false;
    }

    /// When something happens by itself.
    pub(crate) fn next_event(&self) -> u64 {
        self.links.iter().flatten().map(Stream::next).min().unwrap_or(NEVER).max(self.now)
    }

    /// Time goes on.
    pub(crate) fn advance(&mut self, now: u64) {
        self.now = now;
        for stream in self.links.iter_mut().flatten() {
            let ended = stream.end <= now;
            let wants = &mut stream.wants;
            let mut wake = |want: &mut bool, ready: bool| {
                if *want && (ready || ended) {
                    *want = false;
                    self.woken = true;
                }
            };
            wake(&mut wants.connect, stream.opens_at <= now);
            wake(&mut wants.send, stream.send_at <= now);
            wake(&mut wants.flush, stream.flush_at <= now);
            wake(&mut wants.recv, stream.down.front().is_some_and(|(at, _)| *at <= now));
        }
    }

    /// Ends the stream of a link, or of every link.
    pub(crate) fn cut(&mut self, which: Option<usize>) {
        let now = self.now;
        for (index, stream) in self.links.iter_mut().enumerate() {
            let Some(stream) = stream.as_mut().filter(|_| which.is_none_or(|which| which == index)) else {
                continue;
            };
            stream.end = now;
            stream.down.clear();
            if let Some(conn) = stream.conn.take() {
                self.cluster.close(conn);
            }
        }
        self.advance(now);
    }

    fn log(&mut self, deed: Deed) {
        tell(self.now, || format!("{deed:?}"));
        if let Some(deeds) = &mut self.deeds {
            if let (Deed::Write { at, link, bytes }, Some(Deed::Write { at: before, link: same, bytes: all })) =
                (&deed, deeds.last_mut())
                && (at, link) == (before, same)
            {
                all.extend_from_slice(bytes);
                return;
            }
            deeds.push(deed);
        }
    }

    fn called(&mut self) {
        self.calls += 1;
        assert!(self.calls < MOST_CALLS, "a pass of the producer does not end");
    }

    fn stream(&mut self, link: LinkId, call: &str) -> &mut Stream {
        self.called();
        let found = self.links.get_mut(link.index()).and_then(Option::as_mut).filter(|stream| stream.open);
        found.unwrap_or_else(|| panic!("{call} on link {}, which is not open", link.0))
    }

    /// Serves the whole requests that were written to a link.
    fn serve(&mut self, link: LinkId) {
        while let Some(stream) = self.links.get_mut(link.index()).and_then(Option::as_mut) {
            let Some((size, rest)) = stream.up.split_first_chunk::<4>() else { return };
            let size = usize::try_from(i32::from_be_bytes(*size)).expect("no request has a negative size");
            assert!(size < 2 << 20, "a request of {size} bytes");
            if rest.len() < size {
                return;
            }
            let frame: Vec<u8> = stream.up.drain(..size + 4).collect();
            let Some(conn) = stream.conn else { continue };
            self.one(link, conn, &frame);
        }
    }

    fn one(&mut self, link: LinkId, conn: ConnectionId, frame: &[u8]) {
        let now = self.now;
        let (header, _) = request_header(&frame[4..])
            .unwrap_or_else(|error| panic!("a request whose header cannot be read: {error}: {frame:02x?}"));
        let header = header.clone();
        let sent = match self.director.request(&header) {
            Fate::Lose => return,
            Fate::Close => Sent { close: true, ..Sent::default() },
            Fate::Serve => {
                let served = self.cluster.handle(conn, frame, unix(now));
                match served {
                    Err(Close::Malformed | Close::InvalidSize(_)) => {
                        panic!("a request that no broker can read: {header:?} {frame:02x?}")
                    }
                    Err(Close::UnsupportedRequest { api, version }) => {
                        assert!(
                            self.director.lies(),
                            "API {api} in version {version}, which no broker named"
                        );
                    }
                    _ => {}
                }
                let honest = self.cluster.take_output(conn);
                let said = honest.clone();
                let mut sent = self.director.answer(&header, honest);
                tell(now, || {
                    let (key, version) = (header.key, header.version);
                    let shown = |bytes: &[u8]| match bytes.get(8..) {
                        Some(body) => format!("{:?}", codec::decode(key, version, Direction::Response, body)),
                        None => String::new(),
                    };
                    let pieces: Vec<_> = sent.pieces.iter().map(|piece| shown(piece)).collect();
                    let kind = if sent.pieces.concat() == said { "honest" } else { "not so" };
                    let (delay, close) = (sent.delay, sent.close);
                    format!(
                        "link {} API {key} v{version} {kind}: {pieces:?} {delay} µs later, close {close}",
                        link.0
                    )
                });
                sent.close |= served.is_err();
                sent
            }
        };
        let (cluster, latency) = (&mut self.cluster, self.latency);
        let Some(stream) = self.links.get_mut(link.index()).and_then(Option::as_mut) else { return };
        let mut at = (now + 2 * latency + sent.delay).max(stream.down.back().map_or(0, |(at, _)| *at));
        stream
            .down
            .extend(sent.pieces.into_iter().filter(|piece| !piece.is_empty()).map(|piece| (at, piece)));
        if sent.close && stream.end == NEVER {
            at = at.max(now + latency);
            stream.end = at;
            stream.conn = None;
            cluster.close(conn);
        }
    }
}
