//! How a record's caller learns of its end. Each batch has one shared state; a record's future is that state
//! and the record's place in the batch, so that sending a record allocates nothing.
//!
//! Invariant: the state is set once, by the I/O thread, before anyone is woken; whoever waits looks again
//! under the waiters' lock, so none sleeps past it.
use crate::ended::Ended;
use crate::record::{Facts, RecordError, RecordMetadata};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What the futures of one batch share.
#[derive(Debug, Default)]
pub(crate) struct BatchState {
    ended: OnceLock<Ended>,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Tasks; a future remembers its place. Holes are of futures that were dropped.
    tasks: Vec<Option<Waker>>,
    /// Threads in `wait`.
    threads: u32,
}

impl BatchState {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how the batch ended; the first word counts.
    pub(crate) fn end(&self, ended: Ended) {
        if self.ended.set(ended).is_err() {
            return;
        }
        let (tasks, threads) = {
            let mut waiting = self.waiting();
            (std::mem::take(&mut waiting.tasks), waiting.threads)
        };
        if threads > 0 {
            self.arrived.notify_all();
        }
        for task in tasks.into_iter().flatten() {
            // A runtime's fault must not take the other tasks with it.
            if catch_unwind(AssertUnwindSafe(|| task.wake())).is_err() {
                log::error!("waking a task panicked; the other tasks go on");
            }
        }
    }

    /// Makes it new for the next batch; nobody shares it any more.
    pub(crate) fn reset(&mut self) {
        self.ended.take();
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        waiting.tasks.clear();
        waiting.threads = 0;
    }
}

/// A record that was sent: a future of its [`RecordMetadata`], to be awaited on any runtime, waited on, or
/// dropped. The record is sent whatever happens to this.
#[derive(Debug)]
pub struct RecordFuture(State);

#[derive(Debug)]
enum State {
    Batch { state: Arc<BatchState>, index: u32, place: Option<u32>, facts: Facts },
    Failed(Box<RecordError>),
}

impl RecordFuture {
    #[inline]
    pub(crate) const fn of_batch(state: Arc<BatchState>, index: u32, facts: Facts) -> Self {
        Self(State::Batch { state, index, place: None, facts })
    }

    pub(crate) fn failed(error: RecordError) -> Self {
        Self(State::Failed(Box::new(error)))
    }

    /// Whether the record has ended.
    pub fn is_ended(&self) -> bool {
        match &self.0 {
            State::Batch { state, .. } => state.ended.get().is_some(),
            State::Failed(_) => true,
        }
    }

    /// How the record ended, if it has.
    ///
    /// # Errors
    /// The record is not known to be written: see [`RecordError`].
    pub fn peek(&self) -> Option<Result<RecordMetadata, RecordError>> {
        match &self.0 {
            State::Batch { state, index, facts, .. } => {
                state.ended.get().map(|ended| ended.of(*index, *facts))
            }
            State::Failed(error) => Some(Err((**error).clone())),
        }
    }

    /// Blocks until the record has ended. Not for callbacks: they run on the thread that ends records.
    ///
    /// # Errors
    /// The record is not known to be written: see [`RecordError`].
    pub fn wait(self) -> Result<RecordMetadata, RecordError> {
        loop {
            if let Some(ended) = self.wait_until(None) {
                return ended;
            }
        }
    }

    /// Blocks until the record has ended, at most so long; `None` if it has not.
    ///
    /// # Errors
    /// The record is not known to be written: see [`RecordError`].
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<RecordMetadata, RecordError>> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Option<Result<RecordMetadata, RecordError>> {
        if let Some(ended) = self.peek() {
            return Some(ended);
        }
        let State::Batch { state, .. } = &self.0 else { return None };
        let mut waiting = state.waiting();
        waiting.threads += 1;
        while state.ended.get().is_none() {
            waiting = match deadline {
                None => state.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    state.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        waiting.threads -= 1;
        drop(waiting);
        self.peek()
    }
}

impl Future for RecordFuture {
    type Output = Result<RecordMetadata, RecordError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(ended) = self.peek() {
            return Poll::Ready(ended);
        }
        if let State::Batch { state, place, .. } = &mut self.0 {
            let mut waiting = state.waiting();
            if state.ended.get().is_none() {
                match place.and_then(|place| waiting.tasks.get_mut(usize::try_from(place).ok()?)) {
                    Some(Some(waker)) => waker.clone_from(cx.waker()),
                    Some(hole) => *hole = Some(cx.waker().clone()),
                    None => {
                        *place = u32::try_from(waiting.tasks.len()).ok();
                        waiting.tasks.push(Some(cx.waker().clone()));
                    }
                }
                return Poll::Pending;
            }
        }
        // It ended between the two looks.
        self.peek().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for RecordFuture {
    fn drop(&mut self) {
        // A task that no longer asks is not woken, nor kept alive.
        if let State::Batch { state, place: Some(place), .. } = &self.0 {
            let waker = {
                let mut waiting = state.waiting();
                usize::try_from(*place).ok().and_then(|place| waiting.tasks.get_mut(place)?.take())
            };
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ended::tests::{FACTS, written};
    use kurier_core::time::Timestamp;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_record_of_a_batch_learns_its_own_offset() {
        let state = Arc::new(BatchState::default());
        let first = RecordFuture::of_batch(Arc::clone(&state), 0, FACTS);
        let third = RecordFuture::of_batch(Arc::clone(&state), 2, FACTS);
        assert!(first.peek().is_none());
        assert!(first.wait_timeout(Duration::from_millis(5)).is_none());
        state.end(written());
        let metadata = first.wait().unwrap();
        assert_eq!((metadata.offset, metadata.partition, metadata.timestamp), (Some(100), 2, Timestamp(7)));
        assert_eq!((metadata.key_size, metadata.value_size), (None, Some(3)));
        assert_eq!(third.wait().unwrap().offset, Some(102));
    }

    #[test]
    fn a_future_is_small() {
        assert!(size_of::<RecordFuture>() <= 40, "{}", size_of::<RecordFuture>());
    }

    #[test]
    fn a_task_is_woken_once_by_its_latest_waker_and_not_after_it_dropped_the_future() {
        let state = Arc::new(BatchState::default());
        let mut future = RecordFuture::of_batch(Arc::clone(&state), 0, FACTS);
        let mut dropped = RecordFuture::of_batch(Arc::clone(&state), 1, FACTS);
        let (old, new, gone) =
            (Arc::new(Count::default()), Arc::new(Count::default()), Arc::new(Count::default()));
        for count in [&old, &new] {
            let waker = Waker::from(Arc::clone(count));
            assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let waker = Waker::from(Arc::clone(&gone));
        assert!(Pin::new(&mut dropped).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(dropped);
        state.end(written());
        state.end(Ended::lost());
        let counts = [&old, &new, &gone].map(|count| count.0.load(Ordering::SeqCst));
        assert_eq!(counts, [0, 1, 0]);
        let waker = Waker::from(new);
        let ended = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert!(matches!(ended, Poll::Ready(Ok(metadata)) if metadata.offset == Some(100)));
    }

    #[test]
    fn waiting_tasks_see_an_end_that_comes_at_any_moment() {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        for round in 0..2000_u32 {
            let state = Arc::new(BatchState::default());
            let mut future = RecordFuture::of_batch(Arc::clone(&state), 0, FACTS);
            let waiter = std::thread::spawn(move || {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let started = Instant::now();
                while Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending() {
                    std::thread::park_timeout(Duration::from_secs(5));
                    assert!(started.elapsed() < Duration::from_secs(4), "not woken");
                }
            });
            for _ in 0..round % 200 * 50 {
                std::hint::spin_loop();
            }
            state.end(written());
            waiter.join().unwrap();
        }
    }

    #[test]
    fn waiting_threads_see_an_end_that_comes_at_any_moment() {
        for round in 0..300 {
            let state = Arc::new(BatchState::default());
            let waiters: Vec<_> = (0..3)
                .map(|index| {
                    let future = RecordFuture::of_batch(Arc::clone(&state), index, FACTS);
                    std::thread::spawn(move || future.wait().unwrap().offset)
                })
                .collect();
            for _ in 0..round * 20 {
                std::hint::spin_loop();
            }
            state.end(written());
            let offsets: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
            assert_eq!(offsets, [Some(100), Some(101), Some(102)]);
        }
    }
}
