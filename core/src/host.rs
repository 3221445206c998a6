//! What a host lends the core: buffers, slots that hold its state, and short texts.
//!
//! [`Host`] is the only type parameter of the logic. On bare metal everything lies in one static
//! (fixed slots, `&'static mut` buffers); on a server slots may grow and a buffer carries what the host
//! needs to complete its records.
use crate::batch::Meta;

/// The memory of one kind of host.
pub trait Host {
    /// A batch buffer with its bookkeeping beside it.
    type Buf: Buf;
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

/// A buffer in one piece of memory: bookkeeping, then bytes. All zero bits when new, so that a static of
/// these lies in `.bss`.
#[derive(Debug)]
pub struct Buffer<T: ?Sized> {
    meta: Meta,
    data: T,
}

impl<const N: usize> Buffer<[u8; N]> {
    /// An empty buffer of `N` bytes.
    pub const fn new() -> Self {
        Self { meta: Meta::new(), data: [0; N] }
    }
}

impl<const N: usize> Default for Buffer<[u8; N]> {
    fn default() -> Self {
        Self::new()
    }
}

impl Buf for &'static mut Buffer<[u8]> {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn bytes(&self) -> &[u8] {
        &self.data
    }
    fn parts(&mut self) -> (&mut Meta, &mut [u8]) {
        (&mut self.meta, &mut self.data)
    }
}

/// A list of `T` that is full at some point, and says so.
pub trait Slots<T> {
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
}

impl<T> Slots<T> for &'static mut heapless::VecView<T> {
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
}

/// A short text of bounded length.
pub trait Text: Default {
    /// What it holds.
    fn as_str(&self) -> &str;
    /// Makes it `text`, cut at a character's end if it does not fit; answers whether all of it fitted.
    fn assign(&mut self, text: &str) -> bool;
}

impl<const N: usize> Text for heapless::String<N> {
    fn as_str(&self) -> &str {
        heapless::String::as_str(self)
    }
    fn assign(&mut self, text: &str) -> bool {
        self.clear();
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (kept, cut) = text.split_at(end);
        self.push_str(kept).is_ok() && cut.is_empty()
    }
}
