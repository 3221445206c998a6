//! The network between a producer and the model cluster, in virtual time.
//!
//! Bytes travel in segments, each way in order. A direction may stall; a stream may be cut, with what was under way
//! lost or still arriving; what a producer wrote before it closed a link may reach the broker long after.
//!
//! Here: what travels when. What goes wrong is in `faults`, what the producer sees of it in `transport`, what it may not
//! forget in `owed`.
mod faults;
mod owed;
mod transport;

pub(super) use owed::Terms;

use super::dice::Dice;
use super::oracle::Finding;
use super::pipe::Pipe;
use super::timeline::Timeline;
use super::wire::Wire;
use kurier_broker::{Close, Cluster, ConnectionId};
use kurier_core::transport::LinkId;
use std::collections::VecDeque;

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
    owed: owed::Owed,
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
    pub(super) disorder: Option<Finding>,
    /// Where brokers listen.
    pub(super) ports: Vec<(u16, i32)>,
    /// `None` where nothing is answered, or order is not judged.
    pub(super) wire: Option<Wire>,
    /// Calls of the transport within one pass.
    pub(super) calls: u32,
    terms: Terms,
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
        (wire, terms): (Option<Wire>, Terms),
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
            terms,
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

    /// Whether bytes are still on their way to a broker.
    pub(super) fn carries(&self) -> bool {
        !self.orphans.is_empty() || self.links.iter().flatten().any(|stream| !stream.up.is_empty())
    }

    /// From when on (µs) the producer waits for nobody but itself; `None` if it does, or if that cannot be told.
    pub(super) fn quiet_from(&self) -> Option<u64> {
        let idle = |s: &Stream| {
            matches!(s.phase, Phase::Open) && !(s.wants.send || s.wants.flush) && s.inbox.is_empty()
        };
        let from = match &self.wire {
            Some(wire) => wire.quiet_from()?,
            None => {
                let known = !self.weather.damage && !self.terms.throttles;
                (known && self.links.iter().flatten().all(|stream| stream.owed.is_quiet())).then_some(0)?
            }
        };
        self.links.iter().flatten().all(idle).then_some(from)
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
