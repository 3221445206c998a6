//! Waiting on a caller's thread, outside the lock and never longer than `max.block.ms`: in line for memory, or for news
//! of the cluster. Who waits looks for himself at each waking, so a waking too many costs a look and one too few
//! cannot be: whatever is waited for is asked for under the lock, and granted under it.
use crate::append::Refusal;
use crate::heap::HeapBuf;
use crate::lock;
use crate::memory::{Chores, Grant};
use crate::record::Cause;
use crate::shared::Shared;
use kurier_core::error::SendError;
use std::time::Duration;

/// When a call gives up waiting; never without one.
pub(crate) type Deadline = Option<std::time::Instant>;

impl Shared {
    /// Waits in line for memory; answers without any where it has become pointless to wait.
    pub(crate) fn wait_for_memory(&self, id: u64, deadline: Deadline) -> Result<Option<HeapBuf>, Refusal> {
        let started = std::time::Instant::now();
        let got = loop {
            let mut append = self.append.lock();
            let granted = append.memory.collect(id);
            let ending = append.is_ending();
            drop(append);
            match granted {
                Grant::Buffer(buffer) => break Ok(Some(buffer)),
                Grant::Make(bytes) => break Ok(Some(HeapBuf::new(bytes))),
                Grant::Nothing if ending => break Ok(None),
                Grant::Nothing if is_past(deadline) => {
                    let waited_ms = millis(started.elapsed());
                    break Err(Refusal::Record(Cause::NoMemory { waited_ms }));
                }
                Grant::Nothing => (),
            }
            if let Err(refusal) = self.park(deadline) {
                break Err(refusal);
            }
        };
        if !matches!(got, Ok(Some(_))) {
            let mut chores = Chores::default();
            self.append.lock().memory.leave(id, &mut chores);
            chores.run();
        }
        self.counters.waited_for_memory(started.elapsed(), got.is_err());
        got
    }

    /// Waits for news of the cluster, whatever they are.
    pub(crate) fn wait_for_metadata(&self, id: u64, deadline: Deadline) -> Result<(), Refusal> {
        let waited = if is_past(deadline) {
            Err(Refusal::Record(Cause::NoMetadata { waited_ms: millis(self.max_block) }))
        } else {
            self.park(deadline)
        };
        self.append.lock().asks.leave(id);
        waited
    }

    /// Tells a partition that is not there from a topic that is not there.
    pub(crate) fn in_full(&self, refusal: Refusal, name: &str, asked: Option<i32>) -> Refusal {
        let mut append = self.append.lock();
        let topic = append.topics.find(name);
        let known = topic.and_then(|topic| append.accumulator.partitions(topic));
        match (refusal, asked, known.and_then(|count| u32::try_from(count).ok())) {
            (Refusal::Record(Cause::NoMetadata { waited_ms }), Some(partition), Some(partitions))
                if partitions > 0 && u32::try_from(partition).is_ok_and(|asked| asked >= partitions) =>
            {
                Refusal::Record(Cause::NoPartition { partition, partitions, waited_ms })
            }
            _ => refusal,
        }
    }

    fn park(&self, deadline: Deadline) -> Result<(), Refusal> {
        lock::outside();
        if self.is_fork() {
            return Err(Refusal::Misuse(SendError::Closed));
        }
        match deadline {
            None => std::thread::park(),
            Some(at) => std::thread::park_timeout(at.saturating_duration_since(std::time::Instant::now())),
        }
        Ok(())
    }

    /// How many partitions a topic has, waiting for it as `append` does.
    pub(crate) fn partitions(&self, name: &str) -> Result<u32, Cause> {
        let deadline = std::time::Instant::now().checked_add(self.max_block);
        let may_wait = !self.is_io_thread();
        loop {
            let id = {
                let mut append = self.append.lock();
                let topic = match append.topic(name) {
                    Ok(topic) => topic,
                    Err(Refusal::Record(cause)) => return Err(cause),
                    Err(Refusal::Misuse(_)) => return Err(Cause::Refused(SendError::Closed)),
                };
                let known = append.accumulator.partitions(topic);
                if let Some(count) = known.and_then(|count| u32::try_from(count).ok()) {
                    return Ok(count);
                }
                if append.is_ending() {
                    return Err(Cause::Refused(SendError::Closed));
                }
                if !may_wait {
                    append.asks.want(topic);
                    return Err(Cause::NoMetadata { waited_ms: 0 });
                }
                append.asks.wait_for(topic)
            };
            self.bell.ring();
            match self.wait_for_metadata(id, deadline) {
                Ok(()) => (),
                Err(Refusal::Record(cause)) => return Err(cause),
                Err(Refusal::Misuse(_)) => return Err(Cause::Refused(SendError::Closed)),
            }
        }
    }
}

fn is_past(deadline: Deadline) -> bool {
    deadline.is_some_and(|at| std::time::Instant::now() >= at)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
