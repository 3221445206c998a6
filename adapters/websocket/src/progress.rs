//! How slow is too slow: what has begun to move must go on at a least rate, however long all of it takes.
//!
//! A fixed end for a request would shut out slow links for good: their producers would send the same batch again and
//! again. Looked at once in each window of time, so that a stall ends within two of them.
use crate::metrics::Count;
use crate::options::Options;
use crate::refusal::{Kind, Refusal};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes that went through a client's connection, counted where they leave and enter it.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) received: Count,
    pub(crate) sent: Count,
}

/// A stretch of time in which bytes must move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    begin: Instant,
    /// What had moved when it began.
    from: u64,
    length: Duration,
    /// Bytes in a second.
    rate: u32,
}

impl Window {
    /// Begins now, when so many bytes have moved.
    pub(crate) fn new(length: Duration, rate: u32, moved: u64) -> Self {
        Self { begin: Instant::now(), from: moved, length, rate }
    }

    /// When it is to be looked at.
    pub(crate) fn end(&self) -> Instant {
        self.begin + self.length
    }

    /// Whether enough has moved in it, one byte at least; then the next one begins.
    pub(crate) fn goes_on(&mut self, moved: u64) -> bool {
        let least = u128::from(self.rate) * self.length.as_millis() / 1_000;
        let is_enough = u128::from(moved.saturating_sub(self.from)) >= least.max(1);
        *self = Self::new(self.length, self.rate, moved);
        is_enough
    }
}

/// Bytes of a control frame of a client beside its payload, of which there are at most 125 (RFC 6455, 5.2).
const CONTROL_HEAD: u64 = 6;

/// Until when a client is listened to: a silent one, and one that has begun a message or a request.
#[derive(Debug)]
pub(crate) struct Listening {
    idle_timeout: Duration,
    patience: Duration,
    rate: u32,
    /// What may come of one message, the heads of its frames with it.
    most: u64,
    /// Bytes of messages that are whole.
    fed: u64,
    /// All that had been received by then, and what came of pings and pongs since. What is beyond it is of a message that
    /// is not whole, or of a ping that is not.
    settled: u64,
    /// A request is not whole, though its messages are.
    is_amid: bool,
    /// When a silent client is given up.
    until: Instant,
    /// Of what has begun, if anything has.
    window: Option<Window>,
}

impl Listening {
    /// Begins with a silence, when so much has been received.
    pub(crate) fn new(options: &Options, received: u64) -> Self {
        let Options { idle_timeout, patience, min_rate, max_frame, .. } = *options;
        Self {
            idle_timeout,
            patience: patience.min(idle_timeout),
            rate: min_rate,
            // As many bytes again in heads: frames of eight bytes are small enough.
            most: u64::try_from(max_frame).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(64),
            fed: 0,
            settled: received,
            is_amid: false,
            until: Instant::now() + idle_timeout,
            window: None,
        }
    }

    /// When it is to be looked at, if nothing has come before.
    pub(crate) fn end(&self) -> Instant {
        self.window.map_or(self.until, |window| window.end())
    }

    fn amid(&self, received: u64) -> u64 {
        received.saturating_sub(self.settled)
    }

    /// What has been received is no whole message. Whether something begins with it; then its time does.
    pub(crate) fn begins(&mut self, received: u64) -> bool {
        let amid = self.amid(received);
        let begins = self.window.is_none() && amid > 0;
        if begins {
            self.begin(amid);
        }
        begins
    }

    fn begin(&mut self, amid: u64) {
        self.window = Some(Window::new(self.patience, self.rate, self.fed + amid));
    }

    /// Nothing is under way.
    fn rest(&mut self) {
        self.window = None;
        self.until = Instant::now() + self.idle_timeout;
    }

    /// A ping or pong with so many bytes has come. It may have come amid a message, of which it is no progress.
    pub(crate) fn has_control(&mut self, payload: usize, received: u64) {
        let bytes = u64::try_from(payload).unwrap_or(0) + CONTROL_HEAD;
        // Of what came together with the message before it is counted already.
        self.settled = (self.settled + bytes).min(received);
        if self.amid(received) == 0 && !self.is_amid {
            self.rest();
        }
    }

    /// A message of so many bytes is whole. Before any wait: what comes meanwhile is of the next one.
    pub(crate) fn has_message(&mut self, bytes: usize, received: u64) {
        self.fed += u64::try_from(bytes).unwrap_or(0);
        self.settled = received;
    }

    /// After a message: whether a request is not whole, and whether another one has become so. Each has its own time.
    pub(crate) fn listens_on(&mut self, is_amid: bool, is_complete: bool) {
        self.is_amid = is_amid;
        if !is_amid {
            self.rest();
        } else if is_complete || self.window.is_none() {
            self.begin(0);
        }
    }

    /// At its end: goes on if enough has come.
    ///
    /// # Errors
    /// The client was silent, or too slow, or sends frames without content.
    pub(crate) fn goes_on(&mut self, received: u64) -> Result<(), Refusal> {
        let amid = self.amid(received);
        let Some(window) = &mut self.window else {
            return Err(Refusal::new(Kind::Timeout, "nothing came for too long"));
        };
        if amid > self.most {
            return Err(Refusal::new(Kind::Malformed, "a message in frames of almost no content"));
        }
        if !window.goes_on(self.fed + amid) {
            return Err(Refusal::new(Kind::Timeout, "a request came too slowly (--min-rate)"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Silence for a minute, and 100 bytes in each second.
    fn listening() -> Listening {
        let options = Options {
            idle_timeout: 60 * SECOND,
            patience: SECOND,
            min_rate: 100,
            max_frame: 1000,
            ..Options::default()
        };
        Listening::new(&options, 5000)
    }

    fn left(listening: &Listening) -> u64 {
        (listening.end() + SECOND / 2 - Instant::now()).as_secs()
    }

    #[test]
    fn silence_has_its_time_and_what_begins_another_of_its_own() {
        let mut listening = listening();
        assert!(!listening.begins(5000));
        assert_eq!(left(&listening), 60);
        assert!(listening.begins(5001), "the first byte of a message");
        assert!(!listening.begins(5050), "it has begun");
        assert_eq!(left(&listening), 1);
        assert!(listening.goes_on(5101).is_ok());
        assert!(listening.goes_on(5200).is_err_and(|refusal| refusal.reason.contains("--min-rate")));
        listening.has_message(190, 5300);
        listening.listens_on(false, true);
        assert_eq!(left(&listening), 60);
        assert!(listening.goes_on(5300).is_err_and(|refusal| refusal.reason.contains("nothing came")));
    }

    #[test]
    fn pongs_end_a_silence_and_are_no_progress_of_a_message() {
        let mut listening = listening();
        assert!(listening.begins(5003), "half a pong");
        listening.has_control(10, 5016);
        assert_eq!(left(&listening), 60);
        assert!(listening.begins(5017));
        listening.has_control(125, 5017 + 131);
        assert_eq!(left(&listening), 1, "the byte before it is not forgotten");
        assert!(listening.goes_on(5148).is_err());
        assert!(listening.goes_on(5248).is_ok());
        // A request that spans messages.
        listening.has_message(200, 5400);
        listening.listens_on(true, false);
        listening.has_control(0, 5406);
        assert_eq!(left(&listening), 1);
        listening.has_control(0, 5406);
        // With this byte it is just enough.
        assert!(listening.goes_on(5407).is_ok(), "what came together is counted once");
    }

    #[test]
    fn a_request_has_one_time_however_many_messages_it_comes_in() {
        let mut listening = listening();
        assert!(listening.begins(5001));
        let end = listening.end();
        for received in [5100, 5200] {
            listening.has_message(90, received);
            listening.listens_on(true, false);
            assert_eq!(listening.end(), end);
        }
        listening.has_message(90, 5300);
        listening.listens_on(true, true);
        assert!(listening.end() > end, "another request has begun");
    }

    #[test]
    fn a_message_ends_that_is_all_heads() {
        let mut listening = listening();
        assert!(listening.begins(5001));
        assert!(listening.goes_on(5000 + 2064).is_ok());
        assert_eq!(listening.goes_on(5000 + 2065).unwrap_err().kind, Kind::Malformed);
    }

    #[test]
    fn each_window_asks_for_its_own_bytes() {
        let mut window = Window::new(Duration::from_secs(10), 100, 5_000);
        assert!(window.goes_on(6_000), "1000 in 10 s");
        assert!(!window.goes_on(6_999), "one less");
        assert!(window.goes_on(9_000));
        assert!(!window.goes_on(9_000), "what came before does not count");
    }

    #[test]
    fn who_moves_nothing_never_goes_on() {
        let mut window = Window::new(Duration::from_millis(1), 1, 7);
        assert!(!window.goes_on(7));
        assert!(!window.goes_on(3), "nor by counting backwards");
        assert!(window.goes_on(8));
    }
}
