//! What a producer sees of the network. It is woken exactly as the transport's contract says: only for a call that answered
//! `Pending`, once it could make progress. What it does against the contract is noted in `breach`.
use super::owed::Owed;
use super::{NEVER, Net, Phase, Stream, Wants};
use crate::sim::pipe::Pipe;
use embedded_io::ErrorKind;
use kurier_broker::Running;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use std::collections::VecDeque;
use std::task::Poll;

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
                owed: Owed::default(),
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
                stream.owed.opened(now);
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
        let port = stream.port;
        let piece = if piece > 4096 { usize::MAX } else { piece as usize };
        let taken: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).take(free.min(piece)).collect();
        let count = taken.len();
        let node = self.ports.iter().find(|(known, _)| *known == port).map_or(-1, |(_, node)| *node);
        let seen = self.wire.as_mut().map_or(Ok(()), |wire| wire.wrote((link.index(), node), &taken, now));
        let Some(Some(stream)) = self.links.get_mut(link.index()) else { return Poll::Pending };
        stream.owed.wrote(&taken, now, self.terms.answers);
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
        stream.owed.flushed();
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
        stream.owed.read(buf.get(..count).unwrap_or_default(), now);
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
