//! What the send half keeps of one partition.
use super::window::Window;
use crate::cluster::Place;
use crate::host::Buf;
use crate::idempotence::Sequence;
use crate::record::Topic;

/// The end of a request's list of slots.
pub(super) const END: u16 = u16::MAX;

/// One partition of the send half.
#[derive(Debug)]
pub struct Slot<B> {
    pub(super) place: Place,
    pub(super) sequence: Sequence,
    pub(super) window: Window<B>,
    /// The slot after this one in the request that is being written to its leader.
    pub(super) next_in_request: u16,
    /// A newer leader that the answer under way has named (KIP-951); its address comes at the answer's end.
    pub(super) hint: Option<(i32, i32)>,
}

impl<B: Buf> Slot<B> {
    pub(super) const fn new(place: Place) -> Self {
        Self { place, sequence: Sequence::new(), window: Window::new(), next_in_request: END, hint: None }
    }
}

/// One of 64 marks for a partition: two partitions may share one.
pub(super) fn mark(topic: Topic, partition: i32) -> u64 {
    let mixed = (u32::from(topic.0) << 16 ^ partition.cast_unsigned()).wrapping_mul(0x9e37_79b9);
    1 << (mixed >> 26)
}
