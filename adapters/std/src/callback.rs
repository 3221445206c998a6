//! A callback for one record's end, in place where it is small: most closures capture a handful of words, and a
//! box for each record, made on one thread and freed on another, costs more than all the rest of its way. The only
//! file of this crate with `unsafe`.
//!
//! Invariant: `room` holds a value of the type that `kind` was made for, until it is called or dropped, which
//! happens once.
#![allow(unsafe_code)]
use crate::record::{RecordError, RecordMetadata};
use std::mem::{ManuallyDrop, MaybeUninit};

type End = Result<RecordMetadata, RecordError>;
/// Three words: two references and a number, say.
type Room = [MaybeUninit<usize>; 3];

/// Called with a record's end, on the I/O thread.
pub(crate) struct Callback {
    room: Room,
    kind: &'static Kind,
}

/// What is known of the type of a closure.
struct Kind {
    /// Moves the closure out of the room and calls it.
    call: unsafe fn(*mut Room, End),
    /// Drops the closure in the room.
    drop: unsafe fn(*mut Room),
}

trait Known: FnOnce(End) + Sized {
    const KIND: Kind = Kind { call: call::<Self>, drop: discard::<Self> };
}

impl<F: FnOnce(End)> Known for F {}

impl Callback {
    /// Keeps `callback` in place if it is small, else in a box.
    pub(crate) fn new<F: FnOnce(End) + Send + 'static>(callback: F) -> Self {
        if const { size_of::<F>() <= size_of::<Room>() && align_of::<F>() <= align_of::<Room>() } {
            // SAFETY: it fits, as was asked.
            unsafe { Self::in_place(callback) }
        } else {
            // SAFETY: a box is one word.
            unsafe { Self::in_place(Box::new(callback)) }
        }
    }

    /// # Safety
    /// The room is large enough and aligned for an `F`.
    unsafe fn in_place<F: FnOnce(End) + Send + 'static>(callback: F) -> Self {
        let mut room: Room = [MaybeUninit::uninit(); 3];
        // SAFETY: it fits, as promised by the caller; nothing lies there that would have to be dropped.
        unsafe { room.as_mut_ptr().cast::<F>().write(callback) };
        Self { room, kind: &F::KIND }
    }

    /// Calls it.
    pub(crate) fn call(self, end: End) {
        // The closure is moved out by the call, so it must not be dropped after it, nor if it panics.
        let mut callback = ManuallyDrop::new(self);
        let call = callback.kind.call;
        // SAFETY: by the invariant the room holds the closure that `kind` is for; nobody else will see it again.
        unsafe { call(&raw mut callback.room, end) }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        // SAFETY: by the invariant the room holds the closure that `kind` is for; it was not called, since `call`
        // keeps this from being run.
        unsafe { (self.kind.drop)(&raw mut self.room) }
    }
}

/// # Safety
/// `room` holds an `F`, which is not used after this.
unsafe fn call<F: FnOnce(End)>(room: *mut Room, end: End) {
    // SAFETY: as promised by the caller.
    let callback = unsafe { room.cast::<F>().read() };
    callback(end);
}

/// # Safety
/// `room` holds an `F`, which is not used after this.
unsafe fn discard<F>(room: *mut Room) {
    // SAFETY: as promised by the caller.
    unsafe { room.cast::<F>().drop_in_place() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ended::Ended;
    use crate::record::Facts;
    use kurier_core::time::Timestamp;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    fn end() -> End {
        Ended::lost().of(0, Facts { timestamp: Timestamp(1), key_size: -1, value_size: 0 })
    }

    #[test]
    fn what_it_captured_is_let_go_once_whether_it_is_called_dropped_or_panics() {
        let captured = Arc::new(());
        let small = || {
            let captured = Arc::clone(&captured);
            Callback::new(move |end| assert!(end.is_err() && Arc::strong_count(&captured) == 2))
        };
        let large = || {
            let (captured, bytes) = (Arc::clone(&captured), [7_u8; 100]);
            Callback::new(move |_| assert!(bytes == [7; 100] && Arc::strong_count(&captured) == 2))
        };
        for callback in [small(), large()] {
            drop(callback);
        }
        assert_eq!(Arc::strong_count(&captured), 1);
        for make in [&small as &dyn Fn() -> Callback, &large] {
            make().call(end());
            assert_eq!(Arc::strong_count(&captured), 1);
        }
        for bytes in [0_usize, 100] {
            let (captured, bytes) = (Arc::clone(&captured), vec![0; bytes].into_boxed_slice());
            let callback =
                Callback::new(move |_| assert!(bytes.len() > 1000, "{}", Arc::strong_count(&captured)));
            assert!(catch_unwind(AssertUnwindSafe(|| callback.call(end()))).is_err());
        }
        assert_eq!(Arc::strong_count(&captured), 1);
    }

    #[test]
    fn an_aligned_closure_and_an_empty_one_find_room() {
        #[repr(align(64))]
        struct Aligned(u8);
        let aligned = Aligned(3);
        Callback::new(move |_| {
            assert_eq!(std::ptr::from_ref(&aligned).addr() % 64 + usize::from(aligned.0), 3)
        })
        .call(end());
        Callback::new(|end| assert!(end.is_err())).call(end());
    }
}
