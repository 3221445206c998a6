//! Waking the I/O thread: at most once, and only if it sleeps and something changed for it.
//!
//! Each side first says what it did, then looks at what the other said (all in one total order, `SeqCst`): the
//! sender sets `rung` and then looks whether the thread sleeps; the thread sets `sleeping` and then looks whether
//! it was rung. So one of them always sees the other, and no call is lost; the stress test below is the
//! proof by trial.
use crate::lock;
use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The bell of one I/O thread.
#[derive(Debug)]
pub(crate) struct Bell {
    waker: Arc<Waker>,
    sleeping: AtomicBool,
    rung: AtomicBool,
}

impl Bell {
    pub(crate) const fn new(waker: Arc<Waker>) -> Self {
        Self { waker, sleeping: AtomicBool::new(false), rung: AtomicBool::new(false) }
    }

    /// Has the I/O thread look at what changed. A system call only if it sleeps and nobody else woke it.
    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst) && self.sleeping.swap(false, Ordering::SeqCst) {
            lock::outside();
            // It fails only where the kernel has no memory left; the thread then wakes at its next deadline.
            if let Err(error) = self.waker.wake() {
                log::error!("cannot wake the I/O thread: {error}");
            }
        }
    }

    /// The I/O thread begins a pass: it will see everything that was said before.
    pub(crate) fn hear(&self) {
        self.rung.swap(false, Ordering::SeqCst);
    }

    /// Runs `sleep`, telling it whether it may wait: not if somebody rang since the pass began.
    ///
    /// # Errors
    /// Those of `sleep`.
    pub(crate) fn sleep(&self, sleep: impl FnOnce(bool) -> io::Result<()>) -> io::Result<()> {
        self.sleeping.store(true, Ordering::SeqCst);
        let may_wait = !self.rung.load(Ordering::SeqCst);
        let slept = sleep(may_wait);
        self.sleeping.store(false, Ordering::SeqCst);
        slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, Token};
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    /// Two threads count up and ring; the sleeper waits for each number with a timeout that a lost call runs into.
    #[test]
    fn no_call_is_lost_between_looking_and_sleeping() {
        const ROUNDS: u64 = 20_000;
        let mut poll = Poll::new().unwrap();
        let bell = Arc::new(Bell::new(Arc::new(Waker::new(poll.registry(), Token(0)).unwrap())));
        let (asked, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let caller = {
            let (bell, asked, seen) = (Arc::clone(&bell), Arc::clone(&asked), Arc::clone(&seen));
            std::thread::spawn(move || {
                for round in 1..=ROUNDS {
                    asked.store(round, Ordering::Relaxed);
                    bell.ring();
                    let mut spins = 0_u32;
                    while seen.load(Ordering::Acquire) < round {
                        spins += 1;
                        if spins.is_multiple_of(64) {
                            std::thread::yield_now();
                        }
                    }
                    // Now and then long enough for the other side to fall asleep.
                    for _ in 0..round % 97 {
                        std::hint::spin_loop();
                    }
                }
            })
        };
        let mut events = Events::with_capacity(4);
        loop {
            bell.hear();
            let now = asked.load(Ordering::Relaxed);
            seen.store(now, Ordering::Release);
            if now == ROUNDS {
                break;
            }
            // So that a call often falls between looking and sleeping.
            if now % 3 == 0 {
                std::thread::yield_now();
            }
            let started = Instant::now();
            bell.sleep(|may_wait| {
                let timeout = if may_wait { Duration::from_secs(5) } else { Duration::ZERO };
                poll.poll(&mut events, Some(timeout))
            })
            .unwrap();
            assert!(started.elapsed() < Duration::from_secs(4), "a call was lost");
        }
        caller.join().unwrap();
    }

    #[test]
    fn only_a_sleeper_costs_a_system_call() {
        let mut poll = Poll::new().unwrap();
        let bell = Bell::new(Arc::new(Waker::new(poll.registry(), Token(7)).unwrap()));
        let mut events = Events::with_capacity(4);
        bell.ring();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        bell.sleep(|may_wait| {
            assert!(!may_wait);
            Ok(())
        })
        .unwrap();
        bell.hear();
        bell.sleep(|may_wait| {
            assert!(may_wait);
            bell.ring();
            bell.ring();
            poll.poll(&mut events, Some(Duration::from_secs(5)))
        })
        .unwrap();
        assert_eq!(events.iter().count(), 1);
    }
}
