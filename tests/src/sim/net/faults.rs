//! What goes wrong with the network: links that are cut, that stall, that all go down; and how it is mended.
use super::{NEVER, Net, Phase};
use crate::sim::pipe::Pipe;
use kurier_core::transport::{LinkId, Transport};

impl Net {
    /// The links with a stream.
    fn open_links(&self) -> Vec<usize> {
        (0..self.links.len()).filter(|index| self.links[*index].is_some()).collect()
    }

    /// Cuts a stream: both sides lose what was under way, or the broker still gets it.
    pub(in crate::sim) fn cut(&mut self) {
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
    pub(in crate::sim) fn stall(&mut self) {
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
    pub(in crate::sim) fn heal(&mut self) {
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

    /// The producer is gone: its links are closed, and what it wrote may still arrive.
    pub(in crate::sim) fn crash(&mut self, notes: bool) {
        for index in 0..self.links.len() {
            if let Ok(index) = u16::try_from(index) {
                self.close(LinkId(index));
            }
        }
        self.wire = self.wire.take().map(|wire| wire.after(notes));
    }

    /// Everything on its way is lost, and every link.
    pub(in crate::sim) fn forget(&mut self) {
        for index in self.open_links() {
            self.cut_one(index, false);
        }
        for (conn, _) in self.orphans.drain(..) {
            self.cluster.close(conn);
        }
    }
}
