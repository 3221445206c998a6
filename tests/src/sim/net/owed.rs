//! What a producer may not forget: bytes that lie unread or half written when a pass ends, answers that do not come in time, links
//! that nobody uses. Seen from the bytes and the clock alone, whatever the acknowledgements: the oracle would not notice, for
//! another wake-up often mends it.
use super::{Net, Phase, Stream};
use std::collections::VecDeque;

/// µs by which a timer may be late: they go by the millisecond.
const SLACK: u64 = 2000;

/// What a producer's settings say of its links.
pub(in crate::sim) struct Terms {
    /// Requests with batches are answered.
    pub(in crate::sim) answers: bool,
    /// µs after which a request without an answer, and a link without use, is over.
    pub(in crate::sim) request_timeout: u64,
    pub(in crate::sim) max_idle: Option<u64>,
    /// A broker may have asked for silence.
    pub(in crate::sim) throttles: bool,
}

/// One direction of a stream, cut into frames.
#[derive(Default)]
struct Frames {
    /// Size and api key.
    head: [u8; 6],
    have: usize,
    left: usize,
}

impl Frames {
    /// Goes on with `bytes`; `whole` is told the api key of each frame that ends.
    fn take(&mut self, mut bytes: &[u8], mut whole: impl FnMut(u16)) {
        while let Some((first, rest)) = bytes.split_first() {
            if let Some(place) = self.head.get_mut(self.have) {
                (*place, bytes) = (*first, rest);
                self.have += 1;
                let [a, b, c, d, ..] = self.head;
                self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(2);
            } else {
                let (now, later) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= now.len();
                bytes = later;
            }
            if self.have == self.head.len() && self.left == 0 {
                whole(u16::from_be_bytes([self.head[4], self.head[5]]));
                self.have = 0;
            }
        }
    }

    fn is_within(&self) -> bool {
        self.have > 0
    }
}

/// What one stream's producer owes.
#[derive(Default)]
pub(super) struct Owed {
    up: Frames,
    down: Frames,
    /// Since when the frame in `up` is being written.
    begun: u64,
    /// When each request that is to be answered was begun.
    asked: VecDeque<u64>,
    /// Something was written since the last flush.
    unflushed: bool,
    /// When bytes went by last.
    used: u64,
}

impl Owed {
    /// The stream is open.
    pub(super) fn opened(&mut self, now: u64) {
        self.used = now;
    }

    pub(super) fn wrote(&mut self, bytes: &[u8], now: u64, answers: bool) {
        (self.used, self.unflushed) = (now, true);
        if !self.up.is_within() {
            self.begun = now;
        }
        let Self { up, asked, begun, .. } = self;
        up.take(bytes, |api| {
            if answers || api != 0 {
                asked.push_back(*begun);
            }
            *begun = now;
        });
    }

    pub(super) fn read(&mut self, bytes: &[u8], now: u64) {
        self.used = now;
        let asked = &mut self.asked;
        self.down.take(bytes, |_| {
            asked.pop_front();
        });
    }

    pub(super) fn flushed(&mut self) {
        self.unflushed = false;
    }

    /// Whether nothing is being written, or to be answered.
    pub(super) fn is_quiet(&self) -> bool {
        !self.up.is_within() && self.asked.is_empty()
    }
}

impl Net {
    /// What is left undone by a pass that does not go on at once, and for which nobody will wake the producer.
    pub(in crate::sim) fn forgotten(&self) -> Option<String> {
        self.each_open(|stream| {
            let (wants, owed) = (stream.wants, &stream.owed);
            let within = owed.up.is_within();
            let to_read = !stream.inbox.is_empty() || stream.end <= self.now;
            match () {
                () if to_read && !wants.recv => Some(format!("{} bytes are not read", stream.inbox.len())),
                () if within && !wants.send => Some("a request is half written".to_owned()),
                () if owed.unflushed && !within && !wants.send && !wants.flush => {
                    Some("what was written is not flushed".to_owned())
                }
                () => None,
            }
        })
    }

    /// What should be over at `now` µs, before the producer can do anything then; the clock has jumped at `jumped`.
    pub(in crate::sim) fn overdue(&self, now: u64, jumped: u64) -> Option<String> {
        if self.weather.damage {
            return None;
        }
        let Terms { request_timeout, max_idle, throttles, .. } = self.terms;
        self.each_open(|stream| {
            let owed = &stream.owed;
            if let Some(begun) = owed.asked.front() {
                // A silence gives requests under way as much more time.
                let late = !throttles && now > begun + request_timeout + SLACK;
                return late.then(|| format!("a request of {begun} is still waited for"));
            }
            let idle =
                owed.is_quiet() && !stream.wants.send && !stream.wants.flush && stream.inbox.is_empty();
            // Twice, for a link that is found to be a certain broker's begins anew.
            let due = owed.used.max(jumped) + max_idle? * 2 + SLACK;
            (idle && now > due).then(|| format!("it is open, and was used at {} last", owed.used))
        })
    }

    fn each_open(&self, check: impl Fn(&Stream) -> Option<String>) -> Option<String> {
        let open = |stream: &&Stream| matches!(stream.phase, Phase::Open);
        self.links.iter().enumerate().find_map(|(index, stream)| {
            let what = check(stream.as_ref().filter(open)?)?;
            Some(format!("link {index}: {what}"))
        })
    }
}
