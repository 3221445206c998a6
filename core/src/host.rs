//! What a host lends the core: buffers, slots that hold its state, and short texts.
//!
//! [`Host`] is the only type parameter of the logic. On bare metal everything lies in one static
//! (fixed slots, `&'static mut` buffers); on a server slots may grow and a buffer carries what the host
//! needs to complete its records.
use crate::batch::Meta;

/// The memory of one kind of host.
pub trait Host: 'static {
    /// A batch buffer with its bookkeeping beside it.
    type Buf: Buf + 'static;
    /// A list of slots, fixed or growing.
    type Slots<T: 'static>: Slots<T>;
    /// A short text (a broker's host name) of bounded length.
    type Text: Text;
}

/// A batch buffer: exactly one owner at any time, which is the place the batch is in.
pub trait Buf {
    /// The batch's bookkeeping.
    fn meta(&self) -> &Meta;
    /// The whole buffer.
    fn bytes(&self) -> &[u8];
    /// Bookkeeping and bytes at once.
    fn parts(&mut self) -> (&mut Meta, &mut [u8]);

    /// The batch's bookkeeping, to change it.
    fn meta_mut(&mut self) -> &mut Meta {
        self.parts().0
    }
}

/// A buffer of a device: bookkeeping, and where its bytes are. It knows its length itself, so that who owns it keeps
/// one word, and each place in a list takes no more.
#[derive(Debug)]
pub struct Buffer {
    meta: Meta,
    data: &'static mut [u8],
}

impl Buffer {
    /// An empty buffer over `data`.
    pub const fn new(data: &'static mut [u8]) -> Self {
        Self { meta: Meta::new(), data }
    }
}

impl Buf for &'static mut Buffer {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn bytes(&self) -> &[u8] {
        self.data
    }
    fn parts(&mut self) -> (&mut Meta, &mut [u8]) {
        (&mut self.meta, self.data)
    }
}

/// A list of `T` that is full at some point, and says so.
pub trait Slots<T> {
    /// Whether there is room again after it was full: on a heap. Such a list is expected to become long, so what it holds is
    /// first looked for where it probably is; of one that does not grow all are looked at, since they are few. Links, and
    /// the slots of a [`Ring`], have all their places from the beginning if they do not grow.
    const GROWS: bool;

    /// What it holds.
    fn as_slice(&self) -> &[T];
    /// What it holds, to change it.
    fn as_mut_slice(&mut self) -> &mut [T];
    /// Adds `item` at the end.
    ///
    /// # Errors
    /// Full: the item comes back.
    fn push(&mut self, item: T) -> Result<(), T>;
    /// Takes the last one.
    fn pop(&mut self) -> Option<T>;

    /// The one at `index`; `None` beyond the end.
    fn at(&self, index: u16) -> Option<&T> {
        self.as_slice().get(usize::from(index))
    }
    /// The one at `index`, to change it; `None` beyond the end.
    fn at_mut(&mut self, index: u16) -> Option<&mut T> {
        self.as_mut_slice().get_mut(usize::from(index))
    }
}

impl<T> Slots<T> for &'static mut heapless::VecView<T> {
    const GROWS: bool = false;

    fn as_slice(&self) -> &[T] {
        heapless::VecView::as_slice(self)
    }
    fn as_mut_slice(&mut self) -> &mut [T] {
        heapless::VecView::as_mut_slice(self)
    }
    fn push(&mut self, item: T) -> Result<(), T> {
        heapless::VecView::push(self, item)
    }
    fn pop(&mut self) -> Option<T> {
        heapless::VecView::pop(self)
    }
    // Called at fifty places, with a check and a multiplication each: a device has them once.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn at(&self, index: u16) -> Option<&T> {
        self.as_slice().get(usize::from(index))
    }
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn at_mut(&mut self, index: u16) -> Option<&mut T> {
        self.as_mut_slice().get_mut(usize::from(index))
    }
}

/// A short text of bounded length.
pub trait Text: Default + 'static {
    /// What it holds.
    fn as_str(&self) -> &str;
    /// Makes it empty.
    fn clear(&mut self);
    /// Adds a character; answers whether it fitted.
    fn push(&mut self, c: char) -> bool;
    /// Adds all of `text`, or nothing if it does not fit; answers whether it did.
    fn push_str(&mut self, text: &str) -> bool;

    /// Adds visible ASCII, and `?` for each other byte, up to where it is full; answers whether all of it fitted.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn push_ascii(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.push(if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }))
    }

    /// Makes it `text`, cut at a character's end if it does not fit; answers whether all of it fitted. A device's text is
    /// that of [`push_ascii`](Self::push_ascii).
    fn assign(&mut self, text: &str) -> bool {
        self.clear();
        let mut cut = |end| text.get(..end).is_some_and(|head| self.push_str(head));
        (0..=text.len()).rev().find(|end| cut(*end)) == Some(text.len())
    }
}

impl<const N: usize> Text for heapless::String<N> {
    fn as_str(&self) -> &str {
        heapless::String::as_str(self)
    }
    fn clear(&mut self) {
        heapless::String::clear(self);
    }
    fn push(&mut self, c: char) -> bool {
        heapless::String::push(self, c).is_ok()
    }
    fn push_str(&mut self, text: &str) -> bool {
        heapless::String::push_str(self, text).is_ok()
    }
    // A device's names are those that brokers advertise: ASCII. To find a character's end is 80 bytes more.
    fn assign(&mut self, text: &str) -> bool {
        Text::clear(self);
        self.push_ascii(text.as_bytes())
    }
}

/// A queue over slots: first in, first out; grows while its slots do.
#[derive(Debug)]
pub struct Ring<S> {
    slots: S,
    head: usize,
    len: usize,
}

impl<S> Ring<S> {
    /// An empty queue over `slots`, which must hold nothing but `None`.
    pub const fn new(slots: S) -> Self {
        Self { slots, head: 0, len: 0 }
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn index<T>(&self, nth: usize) -> usize
    where
        S: Slots<Option<T>>,
    {
        let capacity = self.slots.as_slice().len();
        let index = self.head.wrapping_add(nth);
        if index >= capacity { index.wrapping_sub(capacity) } else { index }
    }

    /// Adds `item` behind the others.
    ///
    /// # Errors
    /// Full: the item comes back.
    pub fn push<T>(&mut self, item: T) -> Result<(), T>
    where
        S: Slots<Option<T>>,
    {
        if self.len == self.slots.as_slice().len() {
            if !S::GROWS {
                return Err(item);
            }
            // In order from the first slot, so that the new one is behind the last.
            let head = self.head.min(self.len);
            // Turned by hand: the library's rotation costs a device more flash than it saves time.
            let slots = self.slots.as_mut_slice();
            let (front, back) = slots.split_at_mut_checked(head).unwrap_or_default();
            reverse(front);
            reverse(back);
            reverse(slots);
            self.head = 0;
            if let Err(Some(item)) = self.slots.push(Some(item)) {
                return Err(item);
            }
            self.len += 1;
            return Ok(());
        }
        let index = self.index::<T>(self.len);
        match self.slots.as_mut_slice().get_mut(index) {
            Some(slot) => {
                *slot = Some(item);
                self.len += 1;
                Ok(())
            }
            None => Err(item),
        }
    }

    /// The first one.
    pub fn front<T>(&mut self) -> Option<&mut T>
    where
        S: Slots<Option<T>>,
    {
        if self.len == 0 {
            return None;
        }
        let head = self.head;
        self.slots.as_mut_slice().get_mut(head)?.as_mut()
    }

    /// Takes the first one.
    pub fn pop<T>(&mut self) -> Option<T>
    where
        S: Slots<Option<T>>,
    {
        if self.len == 0 {
            return None;
        }
        let head = self.head;
        let item = self.slots.as_mut_slice().get_mut(head)?.take();
        self.head = self.index::<T>(1);
        self.len -= 1;
        item
    }

    /// The waiting ones, in no order, to change them.
    pub fn iter_mut<'a, T: 'a>(&'a mut self) -> impl Iterator<Item = &'a mut T>
    where
        S: Slots<Option<T>>,
    {
        self.slots.as_mut_slice().iter_mut().flatten()
    }

    /// The waiting ones, first in first.
    pub fn iter<'a, T: 'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        S: Slots<Option<T>>,
    {
        (0..self.len).filter_map(|nth| self.slots.as_slice().get(self.index::<T>(nth))?.as_ref())
    }
}

/// The library's own leaves a panic in the program.
fn reverse<T>(mut rest: &mut [T]) {
    while let [first, middle @ .., last] = rest {
        core::mem::swap(first, last);
        rest = middle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list that grows up to four.
    #[derive(Debug)]
    struct Growing<T>(std::vec::Vec<T>);

    impl<T> Slots<T> for Growing<T> {
        const GROWS: bool = true;

        fn as_slice(&self) -> &[T] {
            &self.0
        }
        fn as_mut_slice(&mut self) -> &mut [T] {
            &mut self.0
        }
        fn push(&mut self, item: T) -> Result<(), T> {
            if self.0.len() == 4 {
                return Err(item);
            }
            self.0.push(item);
            Ok(())
        }
        fn pop(&mut self) -> Option<T> {
            self.0.pop()
        }
    }

    fn keeps_order<S: Slots<Option<u32>>>(mut ring: Ring<S>) {
        for n in 0..3 {
            ring.push(n).unwrap();
        }
        assert_eq!(ring.pop(), Some(0));
        ring.push(3).unwrap();
        ring.push(4).unwrap();
        assert_eq!(ring.push(5), Err(5));
        assert_eq!(ring.iter().copied().collect::<std::vec::Vec<u32>>(), [1, 2, 3, 4]);
        for n in 1..5 {
            assert_eq!(ring.front().copied(), Some(n));
            assert_eq!(ring.pop(), Some(n));
        }
        assert!(ring.is_empty());
    }

    #[test]
    fn a_ring_keeps_order_while_it_wraps_and_grows() {
        keeps_order(Ring::new(Growing(std::vec::Vec::new())));
    }

    #[test]
    fn a_ring_over_places_that_are_there_from_the_beginning_keeps_order_while_it_wraps() {
        let storage = heapless::Vec::<Option<u32>, 4>::from_array([None; 4]);
        let storage = std::boxed::Box::leak(std::boxed::Box::new(storage));
        keeps_order(Ring::new(storage.as_mut_view()));
    }

    #[test]
    fn a_text_is_cut_visibly() {
        let mut text = heapless::String::<4>::new();
        assert!(text.assign("abcd"));
        assert!(!text.assign("abc\u{e9}"));
        assert_eq!(Text::as_str(&text), "abc?");
    }
}
