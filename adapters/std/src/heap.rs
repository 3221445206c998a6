//! The memory of a server: slots that grow, and batch buffers that carry what is needed to complete their
//! records. How many bytes of buffers there may be is counted by who makes them (`memory.rs`).
use crate::callback::Callback;
use crate::completion::BatchState;
use crate::ended::Ended;
use crate::lock;
use crate::record::Facts;
use kurier_core::batch::Meta;
use kurier_core::host::{Buf, Host, Slots, Text};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The host of this crate.
#[derive(Debug)]
pub(crate) struct Heap;

impl Host for Heap {
    type Buf = HeapBuf;
    type Slots<T: 'static> = HeapSlots<T>;
    type Text = HeapText;
}

/// A batch buffer: 8 bytes that point to all the rest, so that moving a batch is cheap.
pub(crate) struct HeapBuf(Box<Parcel>);

struct Parcel {
    meta: Meta,
    bytes: Box<[u8]>,
    /// What the futures of the batch share. Always there, so that none is made under the lock.
    state: Arc<BatchState>,
    callbacks: Vec<(u32, Facts, Callback)>,
    /// How the pieces ended that are over, of a batch that was too large.
    before: Vec<Ended>,
}

impl HeapBuf {
    pub(crate) fn new(capacity: usize) -> Self {
        lock::outside();
        let bytes = vec![0; capacity].into_boxed_slice();
        Self(Box::new(Parcel {
            meta: Meta::new(),
            bytes,
            state: Arc::default(),
            callbacks: Vec::new(),
            before: Vec::new(),
        }))
    }

    /// Bytes it holds, which is what `buffer.memory` counts.
    pub(crate) fn capacity(&self) -> usize {
        self.0.bytes.len()
    }

    /// What the futures of the batch share.
    pub(crate) fn state(&self) -> &Arc<BatchState> {
        &self.0.state
    }

    /// Has `callback` called when the batch has ended, with the end of the record at `index`.
    pub(crate) fn on_end(&mut self, index: u32, facts: Facts, callback: Callback) {
        self.0.callbacks.push((index, facts, callback));
    }

    /// Tells everyone concerned how the batch ended, callbacks first, and is ready for the next batch. `ended` is
    /// made only if someone listens. `is_last` is false for a piece behind which others come: they are told together.
    pub(crate) fn end(&mut self, is_last: bool, ended: impl FnOnce() -> Ended) {
        let parcel = &mut *self.0;
        // The last future of an unwatched batch may go at any moment, but no new one comes.
        let shared = Arc::strong_count(&parcel.state) > 1;
        if !shared && parcel.callbacks.is_empty() {
            parcel.before.clear();
            return;
        }
        if !is_last {
            parcel.before.push(ended());
            return;
        }
        let ended = Ended { before: std::mem::take(&mut parcel.before), ..ended() };
        for (index, facts, callback) in parcel.callbacks.drain(..) {
            let end = ended.of(index, facts);
            // A caller's fault must not take the other records with it.
            if catch_unwind(AssertUnwindSafe(|| callback.call(end))).is_err() {
                log::error!("a record's callback panicked; the other records go on");
            }
        }
        if shared {
            parcel.state.end(ended);
            match Arc::get_mut(&mut parcel.state) {
                Some(state) => state.reset(),
                None => parcel.state = Arc::default(),
            }
        }
    }
}

impl Drop for Parcel {
    /// No record is left without an end, even if its buffer goes the wrong way.
    fn drop(&mut self) {
        if self.meta.builder.count > 0 && Arc::strong_count(&self.state) > 1 {
            self.state.end(Ended::lost());
        }
        for (index, facts, callback) in self.callbacks.drain(..) {
            let end = Ended::lost().of(index, facts);
            if catch_unwind(AssertUnwindSafe(|| callback.call(end))).is_err() {
                log::error!("a record's callback panicked");
            }
        }
    }
}

impl std::fmt::Debug for HeapBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeapBuf").field("meta", &self.0.meta).field("capacity", &self.capacity()).finish()
    }
}

impl Buf for HeapBuf {
    fn meta(&self) -> &Meta {
        &self.0.meta
    }
    fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
    fn parts(&mut self) -> (&mut Meta, &mut [u8]) {
        (&mut self.0.meta, &mut self.0.bytes)
    }
}

/// A list that grows and is never full.
#[derive(Debug)]
pub(crate) struct HeapSlots<T>(Vec<T>);

impl<T> HeapSlots<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for HeapSlots<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slots<T> for HeapSlots<T> {
    const GROWS: bool = true;

    fn as_slice(&self) -> &[T] {
        &self.0
    }
    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }
    fn push(&mut self, item: T) -> Result<(), T> {
        self.0.push(item);
        Ok(())
    }
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}

/// A text of at most 255 bytes, as long as a DNS name gets.
#[derive(Debug, Default)]
pub(crate) struct HeapText(String);

impl Text for HeapText {
    fn as_str(&self) -> &str {
        &self.0
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn push(&mut self, c: char) -> bool {
        let fits = self.0.len() + c.len_utf8() <= 255;
        if fits {
            self.0.push(c);
        }
        fits
    }
    fn push_str(&mut self, text: &str) -> bool {
        let fits = self.0.len() + text.len() <= 255;
        if fits {
            self.0.push_str(text);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion::RecordFuture;
    use crate::record::{RecordError, RecordMetadata};
    use kurier_core::error::Outcome;
    use kurier_core::time::Timestamp;
    use std::sync::Mutex;

    const FACTS: Facts = Facts { timestamp: Timestamp(7), key_size: -1, value_size: 3 };

    fn written() -> Ended {
        Ended { outcome: Outcome::Written, base_offset: Some(10), ..Ended::lost() }
    }

    #[test]
    fn a_buffer_moves_as_a_pointer() {
        assert_eq!(size_of::<HeapBuf>(), 8);
        assert_eq!(size_of::<Option<HeapBuf>>(), 8);
    }

    #[test]
    fn callbacks_come_in_order_and_before_the_futures_and_a_panic_stays_inside() {
        let mut buf = HeapBuf::new(64);
        let future = RecordFuture::of_batch(Arc::clone(buf.state()), 3, FACTS);
        let seen = Arc::new(Mutex::new(Vec::new()));
        for index in 0..3_u32 {
            let (seen, state) = (Arc::clone(&seen), Arc::clone(buf.state()));
            let callback = move |end: Result<RecordMetadata, RecordError>| {
                let open = RecordFuture::of_batch(state, 0, FACTS).peek().is_none();
                seen.lock().unwrap().push((end.unwrap().offset, open));
                assert_ne!(index, 1, "on purpose");
            };
            buf.on_end(index, FACTS, Callback::new(callback));
        }
        buf.end(true, written);
        assert_eq!(*seen.lock().unwrap(), [(Some(10), true), (Some(11), true), (Some(12), true)]);
        assert_eq!(future.wait().unwrap().offset, Some(13));
    }

    #[test]
    fn a_buffer_serves_the_next_batch_with_a_state_of_its_own() {
        let mut buf = HeapBuf::new(64);
        let first = RecordFuture::of_batch(Arc::clone(buf.state()), 0, FACTS);
        buf.end(true, written);
        let second = RecordFuture::of_batch(Arc::clone(buf.state()), 0, FACTS);
        assert!(first.peek().is_some());
        assert!(second.peek().is_none());
        drop(second);
        buf.end(true, || unreachable!("nobody listens"));
    }

    #[test]
    fn pieces_are_told_together_when_the_last_is_over() {
        let mut buf = HeapBuf::new(64);
        let futures = [0, 5].map(|index| RecordFuture::of_batch(Arc::clone(buf.state()), index, FACTS));
        buf.end(false, written);
        assert!(futures[0].peek().is_none());
        buf.end(true, || Ended { first: 5, base_offset: Some(40), ..written() });
        assert_eq!(futures.map(|future| future.wait().unwrap().offset), [Some(10), Some(40)]);
        let next = RecordFuture::of_batch(Arc::clone(buf.state()), 0, FACTS);
        buf.end(true, written);
        assert_eq!(next.wait().unwrap().offset, Some(10), "nothing of it is left to the next batch");
    }

    #[test]
    fn a_batch_that_vanishes_ends_its_records() {
        let mut buf = HeapBuf::new(64);
        buf.meta_mut().builder.count = 1;
        let future = RecordFuture::of_batch(Arc::clone(buf.state()), 0, FACTS);
        drop(buf);
        let error = future.wait().unwrap_err();
        assert_eq!(error.written(), kurier_core::error::Fate::MaybeWritten);
    }

    #[test]
    fn a_text_is_cut_at_255_bytes() {
        let mut text = HeapText::default();
        assert!(text.assign("broker-1"));
        assert_eq!(text.as_str(), "broker-1");
        assert!(!text.assign(&"x".repeat(256)));
        assert_eq!(text.as_str().len(), 255);
    }
}
