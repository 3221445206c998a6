//! The memory of a page: slots that grow, and batch buffers from the heap. How many bytes of them there may be is
//! counted by [`Buffers`].
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use kurier_core::batch::Meta;
use kurier_core::host::{Buf, Host, Slots, Text};

/// The host of this crate.
#[derive(Debug)]
pub(crate) struct Heap;

impl Host for Heap {
    type Buf = HeapBuf;
    type Slots<T: 'static> = HeapSlots<T>;
    type Text = HeapText;
}

/// A batch buffer; moving it moves a pointer.
#[derive(Debug)]
pub(crate) struct HeapBuf(Box<Parcel>);

#[derive(Debug)]
struct Parcel {
    meta: Meta,
    bytes: Box<[u8]>,
}

impl HeapBuf {
    fn new(capacity: usize) -> Self {
        Self(Box::new(Parcel { meta: Meta::new(), bytes: vec![0; capacity].into_boxed_slice() }))
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

/// `buffer.memory`: buffers are made when they are first needed, and kept when they are free again but for oversize
/// ones. Invariant: `used` counts every buffer that exists.
#[derive(Debug)]
pub(crate) struct Buffers {
    total: usize,
    used: usize,
    /// `batch.size`: bytes of a buffer that is worth keeping.
    standard: usize,
    free: Vec<HeapBuf>,
}

impl Buffers {
    pub(crate) const fn new(total: usize, standard: usize) -> Self {
        Self { total, used: 0, standard, free: Vec::new() }
    }

    /// `buffer.memory`.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// A buffer of at least `need` bytes, if there is one or room for one.
    pub(crate) fn take(&mut self, need: usize) -> Option<HeapBuf> {
        let size = need.max(self.standard);
        if size == self.standard
            && let Some(buffer) = self.free.pop()
        {
            return Some(buffer);
        }
        // Free buffers that are too small make room for one that is not.
        while self.used.saturating_add(size) > self.total && self.free.pop().is_some() {
            self.used = self.used.saturating_sub(self.standard);
        }
        // Where `batch.size` is more than there is, a record by itself may still fit.
        let size = if self.used.saturating_add(size) > self.total { need } else { size };
        if self.used.saturating_add(size) > self.total {
            return None;
        }
        self.used += size;
        Some(HeapBuf::new(size))
    }

    /// Takes a buffer back.
    pub(crate) fn give(&mut self, buffer: HeapBuf) {
        let size = buffer.bytes().len();
        if size == self.standard {
            self.free.push(buffer);
        } else {
            self.used = self.used.saturating_sub(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_take_no_more_than_there_is_and_are_used_again() {
        let mut buffers = Buffers::new(100, 40);
        let first = buffers.take(10).unwrap();
        let second = buffers.take(40).unwrap();
        assert_eq!((first.bytes().len(), second.bytes().len()), (40, 40));
        let third = buffers.take(15).unwrap();
        assert_eq!(third.bytes().len(), 15, "what is needed, where there is no room for a standard one");
        assert!(buffers.take(6).is_none(), "5 are left");
        buffers.give(first);
        let again = buffers.take(1).unwrap();
        assert_eq!(again.bytes().len(), 40);
        buffers.give(second);
        assert!(buffers.take(46).is_none(), "40 and 15 are in use");
        assert_eq!(buffers.take(45).unwrap().bytes().len(), 45);
    }

    #[test]
    fn a_large_record_gets_the_room_of_free_buffers_and_gives_it_back() {
        let mut buffers = Buffers::new(100, 40);
        let two = [buffers.take(1).unwrap(), buffers.take(1).unwrap()];
        two.into_iter().for_each(|buffer| buffers.give(buffer));
        let large = buffers.take(100).unwrap();
        assert!(buffers.take(1).is_none());
        buffers.give(large);
        assert!(buffers.take(1).is_some());
    }
}
