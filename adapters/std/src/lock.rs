//! The lock around the append half, and the rule that guards it: whoever holds it makes no system call and
//! computes no checksum, so that a sender never waits for another's I/O. Debug builds check the rule: the
//! sockets, the checksum and every wake-up call [`outside`].
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(debug_assertions)]
std::thread_local! {
    static HELD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// A mutex whose holder is marked in debug builds. One thread holds at most one of them.
#[derive(Debug)]
pub(crate) struct AppendLock<T>(Mutex<T>);

/// The right to touch what the lock guards.
pub(crate) struct Held<'a, T> {
    // Before the mark in the order of fields, so that the lock is free when the mark is gone.
    guard: MutexGuard<'a, T>,
    _mark: Mark,
}

struct Mark;

impl Mark {
    fn set() -> Self {
        #[cfg(debug_assertions)]
        HELD.with(|held| {
            debug_assert!(!held.get(), "the append lock is not taken twice");
            held.set(true);
        });
        Self
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        HELD.with(|held| held.set(false));
    }
}

impl<T> AppendLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the lock. A panic of an earlier holder does not bar it: what it guards is kept consistent
    /// by the core, which does not panic.
    pub(crate) fn lock(&self) -> Held<'_, T> {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Held { guard, _mark: Mark::set() }
    }
}

impl<T> std::ops::Deref for Held<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> std::ops::DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Says that this may take long, or enters the kernel: not while this thread holds an append lock.
#[inline]
pub(crate) fn outside() {
    #[cfg(debug_assertions)]
    HELD.with(|held| debug_assert!(!held.get(), "no system call and no checksum under the append lock"));
}

/// CRC-32C by the processor's own instruction where it has one, and never under the lock.
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    outside();
    crc32c::crc32c_append(crc, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis_and_can_be_continued() {
        assert_eq!(crc32c(0, b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xE306_9283);
    }

    #[test]
    #[cfg(debug_assertions)]
    fn a_checksum_under_the_lock_is_caught_in_debug_builds() {
        let lock = AppendLock::new(0);
        let held = lock.lock();
        let caught = std::panic::catch_unwind(|| crc32c(0, b"x"));
        assert!(caught.is_err());
        drop(held);
        assert!(std::panic::catch_unwind(|| crc32c(0, b"x")).is_ok());
        *lock.lock() += 1;
        assert_eq!(*lock.lock(), 1);
    }
}
