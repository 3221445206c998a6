//! The free batch buffers.
use crate::host::{Buf, Slots};

/// A stack of free buffers: the one used last is warm.
#[derive(Debug)]
pub struct Pool<S> {
    free: S,
}

impl<S> Pool<S> {
    /// A pool of what `free` holds.
    pub const fn new(free: S) -> Self {
        Self { free }
    }

    /// Takes a buffer of at least `at_least` bytes, or answers that there is none.
    pub fn acquire<B: Buf>(&mut self, at_least: usize) -> Option<B>
    where
        S: Slots<B>,
    {
        let buffers = self.free.as_mut_slice();
        let last = buffers.len().checked_sub(1)?;
        if buffers.get(last)?.bytes().len() < at_least {
            let found = buffers.iter().rposition(|buffer| buffer.bytes().len() >= at_least)?;
            buffers.swap(found, last);
        }
        self.free.pop()
    }

    /// Puts a buffer back.
    ///
    /// # Errors
    /// There is no place for it: the buffer comes back. Cannot happen where every buffer has its slot.
    pub fn give<B: Buf>(&mut self, mut buffer: B) -> Result<(), B>
    where
        S: Slots<B>,
    {
        *buffer.meta_mut() = crate::batch::Meta::new();
        self.free.push(buffer)
    }

    /// How many are free.
    pub fn free<B>(&self) -> usize
    where
        S: Slots<B>,
    {
        self.free.as_slice().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Buffer;
    use std::boxed::Box;

    fn pool_of(sizes: [usize; 2]) -> Pool<&'static mut heapless::VecView<&'static mut Buffer>> {
        let free = Box::leak(Box::new(heapless::Vec::<&'static mut Buffer, 2>::new()));
        for size in sizes {
            let buffer = Buffer::new(std::vec![0; size].leak());
            assert!(free.push(Box::leak(Box::new(buffer))).is_ok());
        }
        Pool::new(free.as_mut_view())
    }

    #[test]
    fn an_empty_pool_says_so_and_a_given_buffer_comes_back() {
        let mut pool = pool_of([16, 64]);
        let large = pool.acquire(17).unwrap();
        assert_eq!(large.bytes().len(), 64);
        assert!(pool.acquire(17).is_none());
        assert!(pool.acquire(16).is_some());
        assert!(pool.acquire(0).is_none());
        assert!(pool.give(large).is_ok());
        assert_eq!(pool.free(), 1);
    }
}
