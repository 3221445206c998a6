//! `buffer.memory`: how many bytes of batch buffers there may be, which are free, and who waits for some.
//!
//! Buffers are made when they are first needed and kept when they are free again, but for oversize ones. All
//! of this lies under the append lock; what costs a system call (making a buffer, dropping one, waking a
//! thread) is handed out as a [`Chore`] for after the lock.
//!
//! Invariants: `used` counts every buffer that exists and every byte promised; while somebody is not served yet nothing
//! is free, since all goes to the first in line, so a newcomer cannot overtake: first come, first served.
use crate::heap::HeapBuf;
use crate::lock;
use kurier_core::host::Buf;
use std::collections::VecDeque;
use std::thread::Thread;

/// The memory of one producer.
#[derive(Debug)]
pub(crate) struct Memory {
    total: usize,
    used: usize,
    /// `batch.size`: bytes of a buffer that is worth keeping.
    standard: usize,
    /// The free buffer that the next batch is opened in.
    pub(crate) spare: Option<HeapBuf>,
    free: Vec<HeapBuf>,
    waiting: VecDeque<Waiter>,
    next_id: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    need: usize,
    /// Bytes set aside for it so far.
    reserved: usize,
    buffer: Option<HeapBuf>,
    thread: Thread,
}

impl Waiter {
    const fn is_served(&self) -> bool {
        self.buffer.is_some() || self.reserved >= self.need
    }
}

/// What a request for memory comes to.
#[derive(Debug)]
pub(crate) enum Grant {
    /// This one.
    Buffer(HeapBuf),
    /// Make one of so many bytes, which are counted already.
    Make(usize),
    /// There is none; wait.
    Nothing,
}

/// What is left to do after the lock.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    pub(crate) wake: Vec<Thread>,
    pub(crate) discard: Vec<HeapBuf>,
}

impl Chores {
    /// Does them; not under the lock.
    pub(crate) fn run(self) {
        lock::outside();
        self.wake.iter().for_each(Thread::unpark);
        drop(self.discard);
    }
}

impl Memory {
    pub(crate) const fn new(total: usize, standard: usize) -> Self {
        Self { total, used: 0, standard, spare: None, free: Vec::new(), waiting: VecDeque::new(), next_id: 0 }
    }

    /// `buffer.memory`.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// Bytes of a buffer that is worth keeping: `batch.size`.
    pub(crate) const fn standard(&self) -> usize {
        self.standard
    }

    /// Bytes not in use: those of free buffers included.
    pub(crate) fn available(&self) -> usize {
        // All of one size.
        let free = self.free.len().saturating_mul(self.standard);
        let free = free.saturating_add(self.spare.as_ref().map_or(0, HeapBuf::capacity));
        self.total.saturating_sub(self.used).saturating_add(free)
    }

    /// How many threads wait.
    pub(crate) fn waiters(&self) -> usize {
        self.waiting.len()
    }

    /// A buffer of at least `need` bytes, at once.
    pub(crate) fn request(&mut self, need: usize, chores: &mut Chores) -> Grant {
        if let Some(found) = self.take_free(need) {
            return Grant::Buffer(found);
        }
        // Free buffers that are too small make room for one that is not.
        while self.used.saturating_add(need) > self.total
            && let Some(small) = self.spare.take().or_else(|| self.free.pop())
        {
            self.used = self.used.saturating_sub(small.capacity());
            chores.discard.push(small);
        }
        if self.used.saturating_add(need) > self.total {
            return Grant::Nothing;
        }
        self.used += need;
        Grant::Make(need)
    }

    /// Gets in line for `need` bytes; answers the number to ask with.
    pub(crate) fn queue(&mut self, need: usize, chores: &mut Chores) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let thread = std::thread::current();
        self.waiting.push_back(Waiter { id, need, reserved: 0, buffer: None, thread });
        self.serve(chores);
        id
    }

    /// What number `id` was served, if it was; it is out of the line then.
    pub(crate) fn collect(&mut self, id: u64) -> Grant {
        let Some(place) = self.waiting.iter().position(|w| w.id == id && w.is_served()) else {
            return Grant::Nothing;
        };
        match self.waiting.remove(place) {
            Some(Waiter { buffer: Some(buffer), reserved, .. }) => {
                self.used = self.used.saturating_sub(reserved);
                Grant::Buffer(buffer)
            }
            Some(Waiter { reserved, .. }) => Grant::Make(reserved),
            None => Grant::Nothing,
        }
    }

    /// Number `id` waits no longer, and gives back what it held.
    pub(crate) fn leave(&mut self, id: u64, chores: &mut Chores) {
        let Some(place) = self.waiting.iter().position(|w| w.id == id) else { return };
        if let Some(waiter) = self.waiting.remove(place) {
            self.used = self.used.saturating_sub(waiter.reserved);
            match waiter.buffer {
                Some(buffer) => self.give(buffer, chores),
                None => self.serve(chores),
            }
        }
    }

    /// A buffer is free again.
    pub(crate) fn give(&mut self, mut buffer: HeapBuf, chores: &mut Chores) {
        if buffer.capacity() == self.standard {
            *buffer.meta_mut() = kurier_core::batch::Meta::new();
            self.free.push(buffer);
        } else {
            self.used = self.used.saturating_sub(buffer.capacity());
            chores.discard.push(buffer);
        }
        self.serve(chores);
    }

    /// Has the next batch's buffer at hand, if there is one.
    #[inline]
    pub(crate) fn refill(&mut self) {
        if self.spare.is_none() {
            self.spare = self.free.pop();
        }
    }

    /// Everyone who waits is to look again.
    pub(crate) fn wake_all(&self, chores: &mut Chores) {
        chores.wake.extend(self.waiting.iter().map(|waiter| waiter.thread.clone()));
    }

    fn take_free(&mut self, need: usize) -> Option<HeapBuf> {
        // All free ones are of one size.
        self.spare.take_if(|spare| spare.capacity() >= need).or_else(|| {
            let fits = self.free.last().is_some_and(|buffer| buffer.capacity() >= need);
            if fits { self.free.pop() } else { None }
        })
    }

    /// Hands out what is free, first come first served.
    fn serve(&mut self, chores: &mut Chores) {
        for place in 0..self.waiting.len() {
            let Some(need) = self.waiting.get(place).filter(|w| !w.is_served()).map(|w| w.need) else {
                continue;
            };
            let buffer = self.take_free(need);
            if buffer.is_none() {
                while let Some(small) = self.spare.take().or_else(|| self.free.pop()) {
                    self.used = self.used.saturating_sub(small.capacity());
                    chores.discard.push(small);
                }
            }
            let left = self.total.saturating_sub(self.used);
            let Some(waiter) = self.waiting.get_mut(place) else { return };
            match buffer {
                Some(buffer) => {
                    self.used = self.used.saturating_sub(waiter.reserved);
                    waiter.reserved = 0;
                    waiter.buffer = Some(buffer);
                }
                None => {
                    let more = left.min(waiter.need - waiter.reserved);
                    waiter.reserved += more;
                    self.used += more;
                }
            }
            if !waiter.is_served() {
                return;
            }
            chores.wake.push(waiter.thread.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: usize = 100;

    /// Makes what was granted.
    fn made(grant: Grant) -> HeapBuf {
        match grant {
            Grant::Buffer(buffer) => buffer,
            Grant::Make(bytes) => HeapBuf::new(bytes),
            Grant::Nothing => panic!("nothing granted"),
        }
    }

    fn request(memory: &mut Memory, need: usize) -> Grant {
        memory.request(need, &mut Chores::default())
    }

    fn give(memory: &mut Memory, buffer: HeapBuf) -> Chores {
        let mut chores = Chores::default();
        memory.give(buffer, &mut chores);
        chores
    }

    #[test]
    fn buffers_are_made_up_to_the_limit_and_kept_when_free() {
        let mut memory = Memory::new(250, STANDARD);
        let one = made(request(&mut memory, STANDARD));
        let _two = made(request(&mut memory, STANDARD));
        assert!(matches!(request(&mut memory, STANDARD), Grant::Nothing));
        assert_eq!(memory.available(), 50);
        assert!(give(&mut memory, one).discard.is_empty());
        assert_eq!(memory.available(), 150);
        assert!(matches!(request(&mut memory, STANDARD), Grant::Buffer(_)));
        assert!(matches!(request(&mut memory, 51), Grant::Nothing));
        assert!(matches!(request(&mut memory, 50), Grant::Make(50)));
    }

    #[test]
    fn an_oversize_buffer_takes_the_place_of_free_ones_and_is_not_kept() {
        let mut memory = Memory::new(300, STANDARD);
        let buffers = [0; 3].map(|_| made(request(&mut memory, STANDARD)));
        for buffer in buffers {
            give(&mut memory, buffer);
        }
        let mut chores = Chores::default();
        let large = made(memory.request(150, &mut chores));
        assert_eq!(chores.discard.len(), 2);
        assert_eq!(memory.available(), 150);
        assert_eq!(give(&mut memory, large).discard.len(), 1);
        assert_eq!(memory.available(), 300);
    }

    #[test]
    fn those_who_wait_are_served_in_turn_and_nobody_overtakes() {
        let mut memory = Memory::new(200, STANDARD);
        let [one, two] = [0; 2].map(|_| made(request(&mut memory, STANDARD)));
        let mut chores = Chores::default();
        let large = memory.queue(150, &mut chores);
        let small = memory.queue(STANDARD, &mut chores);
        assert!(chores.wake.is_empty());
        // One buffer is not enough for the first, and must not go to the second or a newcomer.
        assert!(give(&mut memory, one).wake.is_empty());
        assert!(matches!(memory.collect(small), Grant::Nothing));
        for need in [1, STANDARD] {
            assert!(matches!(request(&mut memory, need), Grant::Nothing));
        }
        assert_eq!(give(&mut memory, two).wake.len(), 1);
        let large = made(memory.collect(large));
        assert_eq!((large.capacity(), memory.waiters()), (150, 1));
        assert_eq!(give(&mut memory, large).wake.len(), 1);
        assert_eq!(made(memory.collect(small)).capacity(), STANDARD);
        assert_eq!((memory.waiters(), memory.available()), (0, 100));
    }

    #[test]
    fn one_that_gives_up_gives_back_what_it_held() {
        let mut memory = Memory::new(200, STANDARD);
        let [one, _two] = [0; 2].map(|_| made(request(&mut memory, STANDARD)));
        let mut chores = Chores::default();
        let first = memory.queue(150, &mut chores);
        let second = memory.queue(STANDARD, &mut chores);
        give(&mut memory, one);
        memory.leave(first, &mut chores);
        assert_eq!(chores.wake.len(), 1);
        // Served, but gives up before it collects.
        memory.leave(second, &mut chores);
        assert_eq!(memory.available(), 100);
        assert!(matches!(memory.collect(second), Grant::Nothing));
        chores.run();
    }
}
