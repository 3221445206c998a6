//! A number of 64 bits that asks for no more alignment than one of 32.
//!
//! A device has no instruction that gains from more, and one such number in a struct would align, and so pad, all that
//! holds it; its memory would be copied and cleared by functions of their own, too.

/// A number of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Long(i64);

impl Long {
    /// `number`, to be kept.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}
