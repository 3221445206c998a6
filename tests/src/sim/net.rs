//! The network between a producer and the model cluster, in virtual time.
//!
//! Bytes travel in segments, each way in order. A direction may stall; a stream may be cut, with what was under way
//! lost or still arriving; what a producer wrote before it closed a link may reach the broker long after.
//!
//! It wakes the producer exactly as the transport's contract says: only for a call that answered `Pending`, once it
//! could make progress. What the producer does against the contract is noted in `breach`.
use super::dice::Dice;
use super::pipe::Pipe;
use super::timeline::Timeline;
use super::wire::Wire;
use embedded_io::ErrorKind;
use kurier_broker::{Close, Cluster, ConnectionId, Running};
use kurier_core::transport::{Endpoint, LinkId, Transport};
use std::collections::VecDeque;
use std::task::Poll;

/// A time that does not come.
pub(super) const NEVER: u64 = u64::MAX / 2;
/// Unix ms at virtual 0.
const EPOCH: i64 = 1_700_000_000_000;

/// Unix ms at `now` µs.
pub(super) fn unix(now: u64) -> i64 {
    EPOCH + (now / 1000) as i64
}

enum Phase {
    /// Until then; whether it comes to nothing.
    Opening(u64),
    Open,
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
    port: u16,
    conn: Option<ConnectionId>,
    phase: Phase,
    up: Pipe,
    down: Pipe,
    inbox: VecDeque<u8>,
    /// The stream's end, or its breaking, reaches the producer.
    end: u64,
    broken: bool,
    flush_at: u64,
    wants: Wants,
}

/// How the network behaves when nothing is wrong with it.
pub(super) struct Weather {
    pub(super) latency: (u64, u64),
    pub(super) piece: u64,
    pub(super) room: usize,
    pub(super) slow_flush: bool,
    /// Answers may be damaged: one that claims to be longer than it is goes on with the next one's bytes, and may name
    /// any host.
    pub(super) damage: bool,
}

/// The network and the cluster behind it.
pub(super) struct Net {
    pub(super) cluster: Cluster,
    pub(super) now: u64,
    pub(super) weather: Weather,
    /// Not accepted on these ports: refused, or swallowed.
    pub(super) refused: u32,
    pub(super) swallowed: u32,
    /// A call that answered `Pending` could make progress.
    pub(super) woken: bool,
    /// Counts what had an effect.
    pub(super) progress: u64,
    pub(super) breach: Option<String>,
    /// What the producer has written out of order.
    pub(super) disorder: Option<String>,
    /// Where brokers listen.
    pub(super) ports: Vec<(u16, i32)>,
    /// `None` where nothing is answered, or order is not judged.
    pub(super) wire: Option<Wire>,
    /// Calls of the transport within one pass.
    pub(super) calls: u32,
    dice: Dice,
    timeline: Timeline,
    links: Vec<Option<Stream>>,
    /// Closed by the producer; what it wrote is still on its way.
    orphans: Vec<(ConnectionId, Pipe)>,
}

impl Net {
    pub(super) fn new(
        cluster: Cluster,
        weather: Weather,
        wire: Option<Wire>,
        dice: Dice,
        timeline: Timeline,
    ) -> Self {
        Self {
            cluster,
            now: 0,
            weather,
            refused: 0,
            swallowed: 0,
            woken: false,
            progress: 0,
            breach: None,
            disorder: None,
            ports: (1..=9).map(|node| (9090 + node, i32::from(node))).collect(),
            wire,
            calls: 0,
            dice,
            timeline,
            links: Vec::new(),
            orphans: Vec::new(),
        }
    }

    /// When something happens by itself.
    pub(super) fn next_event(&self) -> u64 {
        let mut next = match self.cluster.next_deadline() {
            Some(ms) if ms <= unix(self.now) => self.now,
            Some(ms) => ((ms - EPOCH) as u64) * 1000,
            None => NEVER,
        };
        for stream in self.links.iter().flatten() {
            let wants = stream.wants;
            if let (Phase::Opening(at), true) = (&stream.phase, wants.connect) {
                next = next.min(*at);
            }
            next = next.min(stream.up.next()).min(stream.down.next());
            if wants.flush {
                next = next.min(stream.flush_at);
            }
            if wants.connect || wants.send || wants.recv || wants.flush {
                next = next.min(stream.end);
            }
        }
        self.orphans.iter().fold(next, |next, (_, pipe)| next.min(pipe.next()))
    }

    /// Lets everything happen that is due by `now`.
    pub(super) fn advance(&mut self, now: u64) {
        self.now = now;
        for index in 0..self.links.len() {
            self.carry(index);
        }
        let unix = unix(now);
        let Self { orphans, cluster, .. } = self;
        orphans.retain_mut(|(conn, pipe)| {
            while let Some(bytes) = pipe.arrive(now) {
                let _ = cluster.handle(*conn, &bytes, unix);
            }
            let over = pipe.is_empty() || cluster.closed(*conn).is_some();
            if over {
                cluster.close(*conn);
            }
            !over
        });
        self.cluster.poll(unix);
        for index in 0..self.links.len() {
            self.collect(index);
        }
    }

    /// Up to the broker what has arrived there.
    fn carry(&mut self, index: usize) {
        let now = self.now;
        let Some(Some(stream)) = self.links.get_mut(index) else { return };
        let mut moved = false;
        while let Some(bytes) = stream.up.arrive(now) {
            moved = true;
            if let Some(conn) = stream.conn {
                let _ = self.cluster.handle(conn, &bytes, unix(now));
            }
        }
        let opened = matches!(stream.phase, Phase::Opening(at) if at <= now);
        if std::mem::take(&mut stream.wants.connect) {
            self.woken |= opened;
            stream.wants.connect = !opened;
        }
        if stream.wants.send && moved {
            stream.wants.send = false;
            self.woken = true;
        }
        if stream.wants.flush && stream.flush_at <= now {
            stream.wants.flush = false;
            self.woken = true;
        }
        self.collect(index);
    }

    /// Down to the producer what the broker has to say.
    fn collect(&mut self, index: usize) {
        let now = self.now;
        let Some(Some(stream)) = self.links.get_mut(index) else { return };
        if let Some(conn) = stream.conn {
            if let Some(output) = self.cluster.output(conn)
                && !output.is_empty()
            {
                let bytes = std::mem::take(output);
                let (low, high) = self.weather.latency;
                for piece in pieces(&bytes, &mut self.dice) {
                    stream.down.push(piece.to_vec(), now + self.dice.within(low, high));
                }
            }
            if let Some(why @ (Close::Malformed | Close::InvalidSize(_))) = self.cluster.closed(conn) {
                self.breach = Some(format!("broker cannot read what link {index} sent: {why:?}"));
            }
            if self.cluster.closed(conn).is_some() && stream.end == NEVER && stream.down.stalled() < NEVER {
                let (low, high) = self.weather.latency;
                stream.end = stream.down.last().max(now + self.dice.within(low, high));
                stream.broken |= self.dice.chance(300);
            }
        }
        while let Some(bytes) = stream.down.arrive(now) {
            stream.inbox.extend(bytes);
        }
        let ended = stream.end <= now;
        if stream.wants.recv && (ended || !stream.inbox.is_empty()) {
            stream.wants.recv = false;
            self.woken = true;
        }
        if ended && (stream.wants.send || stream.wants.flush || stream.wants.connect) {
            stream.wants = Wants::default();
            self.woken = true;
        }
    }

    /// The links with a stream.
    fn open_links(&self) -> Vec<usize> {
        (0..self.links.len()).filter(|index| self.links[*index].is_some()).collect()
    }

    /// Cuts a stream: both sides lose what was under way, or the broker still gets it.
    pub(super) fn cut(&mut self) {
        let open = self.open_links();
        if open.is_empty() {
            return;
        }
        let index = self.dice.pick(&open);
        let still_arrives = self.dice.chance(500);
        self.cut_one(index, still_arrives);
    }

    fn cut_one(&mut self, index: usize, still_arrives: bool) {
        let now = self.now;
        self.timeline.note(|| {
            format!(
                "net     link {index} is cut, what was written {}",
                if still_arrives { "still arrives" } else { "is lost" }
            )
        });
        let Some(Some(stream)) = self.links.get_mut(index) else { return };
        let up = std::mem::take(&mut stream.up);
        stream.down = Pipe::default();
        stream.broken = true;
        stream.end = now;
        if let Some(conn) = stream.conn.take() {
            if still_arrives {
                self.orphans.push((conn, up));
            } else {
                self.cluster.close(conn);
            }
        }
        if let Phase::Opening(at) = &mut stream.phase {
            *at = now;
        }
        self.collect(index);
    }

    /// Stalls a stream, one way or both, for a while or for good.
    pub(super) fn stall(&mut self) {
        let open = self.open_links();
        if open.is_empty() {
            return;
        }
        let index = self.dice.pick(&open);
        let until = if self.dice.chance(250) { NEVER } else { self.now + self.dice.around(300_000) };
        let which = self.dice.below(3);
        self.timeline.note(|| {
            format!(
                "net     link {index} stalls {} until {until}",
                ["up", "down", "both ways"][which as usize]
            )
        });
        let Some(Some(stream)) = self.links.get_mut(index) else { return };
        if which != 1 {
            stream.up.stall(until);
        }
        if which != 0 {
            stream.down.stall(until);
        }
    }

    /// No fault any more; what was held up moves on.
    pub(super) fn heal(&mut self) {
        let now = self.now;
        (self.refused, self.swallowed) = (0, 0);
        self.weather.latency = (0, 1000);
        self.weather.piece = 1 << 20;
        self.weather.room = 1 << 20;
        for stream in self.links.iter_mut().flatten() {
            stream.up.resume(now);
            stream.down.resume(now);
            if let Phase::Opening(at) = &mut stream.phase {
                *at = (*at).min(now);
            }
        }
        for (_, pipe) in &mut self.orphans {
            pipe.resume(now);
        }
    }

    /// Whether bytes are still on their way to a broker.
    pub(super) fn carries(&self) -> bool {
        !self.orphans.is_empty() || self.links.iter().flatten().any(|stream| !stream.up.is_empty())
    }

    /// Whether the producer waits for nobody but itself; `None` where that cannot be told.
    pub(super) fn is_quiet(&self) -> Option<bool> {
        let idle = |s: &Stream| {
            matches!(s.phase, Phase::Open) && !(s.wants.send || s.wants.flush) && s.inbox.is_empty()
        };
        let quiet = self.wire.as_ref()?.is_quiet(self.now);
        Some(quiet && self.links.iter().flatten().all(idle))
    }

    /// The producer is gone: its links are closed, and what it wrote may still arrive.
    pub(super) fn crash(&mut self) {
        for index in 0..self.links.len() {
            if let Ok(index) = u16::try_from(index) {
                self.close(LinkId(index));
            }
        }
        self.wire = self.wire.take().map(Wire::after);
    }

    /// Everything on its way is lost, and every link.
    pub(super) fn forget(&mut self) {
        for index in self.open_links() {
            self.cut_one(index, false);
        }
        for (conn, _) in self.orphans.drain(..) {
            self.cluster.close(conn);
        }
    }

    fn count(&mut self) {
        self.calls += 1;
        assert!(self.calls < 100_000, "a pass without end");
    }

    fn stream(&mut self, link: LinkId, call: &str) -> Option<&mut Stream> {
        self.count();
        let found = self.links.get_mut(link.index()).and_then(Option::as_mut);
        match found {
            Some(stream) if matches!(stream.phase, Phase::Open) => Some(stream),
            _ => {
                self.breach = Some(format!("{call} on link {}, which is not open", link.0));
                None
            }
        }
    }
}

fn pieces<'b>(bytes: &'b [u8], dice: &mut Dice) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = if dice.chance(700) { rest.len() } else { dice.within(1, rest.len() as u64) as usize };
        let (piece, behind) = rest.split_at(at);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

impl embedded_io::ErrorType for Net {
    type Error = ErrorKind;
}

impl Transport for Net {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        let now = self.now;
        let index = link.index();
        if self.links.len() <= index {
            self.links.resize_with(index + 1, || None);
        }
        let (low, high) = self.weather.latency;
        let Some(stream) = &mut self.links[index] else {
            self.progress += 1;
            let swallowed = self.swallowed & (1 << (to.port % 32)) != 0;
            let at = if swallowed { NEVER } else { now + self.dice.within(low, high) };
            self.timeline.note(|| {
                format!(
                    "net     link {index} dials {}:{}{}",
                    to.host,
                    to.port,
                    if swallowed { ", in vain" } else { "" }
                )
            });
            if to.host != "broker" && !self.weather.damage {
                self.breach = Some(format!("a host that nobody named: {}", to.host));
            }
            self.links[index] = Some(Stream {
                port: to.port,
                conn: None,
                phase: Phase::Opening(at),
                up: Pipe::default(),
                down: Pipe::default(),
                inbox: VecDeque::new(),
                end: NEVER,
                broken: false,
                flush_at: 0,
                wants: Wants { connect: true, ..Wants::default() },
            });
            return if at <= now && self.dice.chance(500) { self.connect(link, to) } else { Poll::Pending };
        };
        let Phase::Opening(at) = stream.phase else {
            self.breach = Some(format!("link {index} is opened while it is open"));
            return Poll::Ready(Err(ErrorKind::Other));
        };
        if stream.port != to.port {
            self.breach = Some(format!("link {index} is dialled to {} and then to {}", stream.port, to.port));
        }
        if at > now {
            stream.wants.connect = true;
            return Poll::Pending;
        }
        self.progress += 1;
        let refused = self.refused & (1 << (to.port % 32)) != 0 || stream.end <= now;
        let known = self.ports.iter().find(|(port, _)| *port == to.port && to.host == "broker");
        let node = known.map_or(0, |(_, node)| *node);
        let opened = if refused { None } else { self.cluster.open(node) };
        match opened {
            Some(conn) => {
                stream.conn = Some(conn);
                stream.phase = Phase::Open;
                stream.wants.connect = false;
                self.timeline.note(|| format!("net     link {index} is open to broker {node}"));
                Poll::Ready(Ok(()))
            }
            None => {
                self.links[index] = None;
                self.timeline.note(|| format!("net     link {index} is refused"));
                Poll::Ready(Err(ErrorKind::ConnectionRefused))
            }
        }
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        let (now, room) = (self.now, self.weather.room);
        let (low, high) = self.weather.latency;
        let (delay, piece, slow) =
            (self.dice.within(low, high), self.dice.within(1, self.weather.piece), self.weather.slow_flush);
        let hold = if slow { self.dice.around(3000) } else { 0 };
        if bufs.iter().all(|buf| buf.is_empty()) {
            self.breach = Some("nothing is sent".to_owned());
        }
        if let Some(wire) = &mut self.wire {
            wire.tries(link.index(), now);
        }
        let Some(stream) = self.stream(link, "send") else { return Poll::Ready(Err(ErrorKind::Other)) };
        if stream.end <= now {
            return Poll::Ready(Err(ErrorKind::BrokenPipe));
        }
        let free = room.saturating_sub(stream.up.len());
        if free == 0 {
            stream.wants.send = true;
            return Poll::Pending;
        }
        let piece = if piece > 4096 { usize::MAX } else { piece as usize };
        let taken: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).take(free.min(piece)).collect();
        let count = taken.len();
        let seen = self.wire.as_mut().map_or(Ok(()), |wire| wire.wrote(link.index(), &taken, now));
        let Some(Some(stream)) = self.links.get_mut(link.index()) else { return Poll::Pending };
        stream.up.push(taken, now + delay);
        stream.flush_at = now + hold;
        self.disorder = self.disorder.take().or(seen.err());
        self.progress += 1;
        Poll::Ready(Ok(count))
    }

    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        let now = self.now;
        let Some(stream) = self.stream(link, "flush") else { return Poll::Ready(Err(ErrorKind::Other)) };
        if stream.end <= now {
            return Poll::Ready(Err(ErrorKind::BrokenPipe));
        }
        if stream.flush_at > now {
            stream.wants.flush = true;
            return Poll::Pending;
        }
        self.progress += 1;
        Poll::Ready(Ok(()))
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        let now = self.now;
        let limit = self.dice.within(1, self.weather.piece) as usize;
        if buf.is_empty() {
            self.breach = Some("a read into nothing".to_owned());
        }
        let Some(stream) = self.stream(link, "recv") else { return Poll::Ready(Err(ErrorKind::Other)) };
        let count = stream.inbox.len().min(buf.len()).min(limit);
        if count == 0 {
            if stream.end <= now {
                let broken = stream.broken;
                return Poll::Ready(if broken { Err(ErrorKind::ConnectionReset) } else { Ok(0) });
            }
            stream.wants.recv = true;
            return Poll::Pending;
        }
        for (slot, byte) in buf.iter_mut().zip(stream.inbox.drain(..count)) {
            *slot = byte;
        }
        if let Some(wire) = &mut self.wire {
            wire.read(link.index(), buf.get(..count).unwrap_or_default(), now);
        }
        self.progress += 1;
        Poll::Ready(Ok(count))
    }

    fn close(&mut self, link: LinkId) {
        let Some(stream) = self.links.get_mut(link.index()).and_then(Option::take) else { return };
        if let Some(wire) = &mut self.wire {
            wire.closed(link.index());
        }
        self.progress += 1;
        let index = link.0;
        self.timeline.note(|| format!("net     link {index} is closed by the producer"));
        let Some(conn) = stream.conn else { return };
        // What was written goes on its way, or is thrown away by a reset.
        if stream.up.is_empty() || self.dice.chance(200) || self.cluster.running(1) == Some(Running::Down) {
            self.cluster.close(conn);
        } else {
            self.orphans.push((conn, stream.up));
        }
    }
}
