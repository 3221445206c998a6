//! All memory of a producer in one value, chosen by its user and visible at compile time.
//!
//! ```
//! use kurier_core::storage::Storage;
//! // 2 links, 4 partitions, 8 batches of 1024 bytes.
//! static mut STORAGE: Storage<2, 4, 8, 1024> = Storage::new();
//! const _: () = assert!(Storage::<2, 4, 8, 1024>::BYTES < 14_000);
//! ```
//! An empty storage is all zero bits, so that it lies in `.bss` and costs no flash.
use crate::accumulator::{self, Node, Queue, TopicView};
use crate::cluster::Known;
use crate::host::{Buffer, Host};
use crate::sender::{self, Finished, LinkSlot, Slot};
use heapless::{Vec, VecView};

/// The host whose memory is one static.
#[derive(Debug)]
pub struct Fixed;

/// Bytes kept of a broker's host name; what is longer is cut and cannot be reached.
pub const HOST_BYTES: usize = 64;
/// Bytes in which answers are read.
pub const WINDOW_BYTES: usize = 256;

type Batch = &'static mut Buffer;

impl Host for Fixed {
    type Buf = Batch;
    type Slots<T: 'static> = &'static mut VecView<T>;
    type Text = heapless::String<HOST_BYTES>;
}

/// The memory of a producer: `LINKS` to brokers at a time, `PARTITIONS` that hold data at a time, `BATCHES` buffers
/// of `BATCH_BYTES` each, `TOPICS` topics whose names have `NAME_BYTES` bytes together.
///
/// More brokers than links and more partitions than slots work, more slowly. A record takes at most `BATCH_BYTES`
/// less 61 bytes of header and a few of its own.
pub struct Storage<
    const LINKS: usize,
    const PARTITIONS: usize,
    const BATCHES: usize,
    const BATCH_BYTES: usize,
    const TOPICS: usize = 2,
    const NAME_BYTES: usize = 128,
> {
    data: [[u8; BATCH_BYTES]; BATCHES],
    buffers: Vec<Buffer, BATCHES>,
    free: Vec<Batch, BATCHES>,
    views: Vec<TopicView, TOPICS>,
    queues: Vec<Queue<Batch>, PARTITIONS>,
    nodes: Vec<Node<Batch>, BATCHES>,
    links: Vec<LinkSlot<Fixed>, LINKS>,
    slots: Vec<Slot<Batch>, PARTITIONS>,
    topics: Vec<Known, TOPICS>,
    names: Vec<u8, NAME_BYTES>,
    finished: Vec<Option<Finished<Batch>>, BATCHES>,
    freed: Vec<Batch, BATCHES>,
    window: [u8; WINDOW_BYTES],
}

impl<
    const LINKS: usize,
    const PARTITIONS: usize,
    const BATCHES: usize,
    const BATCH_BYTES: usize,
    const TOPICS: usize,
    const NAME_BYTES: usize,
> Storage<LINKS, PARTITIONS, BATCHES, BATCH_BYTES, TOPICS, NAME_BYTES>
{
    /// Bytes of this storage.
    pub const BYTES: usize = size_of::<Self>();

    /// An empty one. Does not compile without at least one of each, or with more than the indices can count:
    ///
    /// ```compile_fail,E0080
    /// # use kurier_core::storage::Storage;
    /// static NO_LINK: Storage<0, 4, 8, 1024> = Storage::new();
    /// ```
    pub const fn new() -> Self {
        const {
            assert!(LINKS > 0 && LINKS < 1024, "1 to 1023 links");
            assert!(PARTITIONS > 0 && PARTITIONS < 65_535, "1 to 65534 partitions");
            assert!(BATCHES > 0 && BATCHES < 65_535, "1 to 65534 batches");
            assert!(BATCH_BYTES >= LEAST_BATCH_BYTES as usize, "a batch buffer has 128 bytes or more");
            assert!(TOPICS > 0 && TOPICS < 65_535, "1 to 65534 topics");
            assert!(NAME_BYTES > 0, "topics have names");
        }
        Self {
            data: [[0; BATCH_BYTES]; BATCHES],
            buffers: Vec::new(),
            free: Vec::new(),
            views: Vec::new(),
            queues: Vec::new(),
            nodes: Vec::new(),
            links: Vec::new(),
            slots: Vec::new(),
            topics: Vec::new(),
            names: Vec::new(),
            finished: Vec::new(),
            freed: Vec::new(),
            window: [0; WINDOW_BYTES],
        }
    }
}

/// What does not compile, one by one:
///
/// ```compile_fail,E0080
/// // no partition
/// static MEMORY: kurier_core::storage::Storage<1, 0, 8, 1024> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // no batch
/// static MEMORY: kurier_core::storage::Storage<1, 4, 0, 1024> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // no room for a batch's header and a record
/// static MEMORY: kurier_core::storage::Storage<1, 4, 8, 127> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // no topic
/// static MEMORY: kurier_core::storage::Storage<1, 4, 8, 1024, 0> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // no name
/// static MEMORY: kurier_core::storage::Storage<1, 4, 8, 1024, 1, 0> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // too many links
/// static MEMORY: kurier_core::storage::Storage<1024, 1, 1, 128> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // too many partitions
/// static MEMORY: kurier_core::storage::Storage<1, 65535, 1, 128> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // too many batches
/// static MEMORY: kurier_core::storage::Storage<1, 1, 65535, 128> = kurier_core::storage::Storage::new();
/// ```
/// ```compile_fail,E0080
/// // too many topics
/// static MEMORY: kurier_core::storage::Storage<1, 1, 1, 128, 65535> = kurier_core::storage::Storage::new();
/// ```
/// and what does, with the least of each:
///
/// ```
/// static MEMORY: kurier_core::storage::Storage<1, 1, 1, 128, 1, 1> = kurier_core::storage::Storage::new();
/// ```
#[cfg(doctest)]
struct Sizes;

/// The smallest batch buffer that is of use, in bytes.
pub const LEAST_BATCH_BYTES: u32 = 128;

impl<const L: usize, const P: usize, const B: usize, const BB: usize, const T: usize, const N: usize> Default
    for Storage<L, P, B, BB, T, N>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of a link: its state, what an answer has told so far, its broker's address.
pub const LINK_BYTES: usize = size_of::<LinkSlot<Fixed>>();
/// Bytes of a partition that holds data: its queue, its window of five batches, its sequence.
pub const PARTITION_BYTES: usize = size_of::<Queue<Batch>>() + size_of::<Slot<Batch>>();
/// Bytes of a batch beside its buffer: its bookkeeping, and its place in each list it can be in.
pub const BATCH_OVERHEAD: usize = size_of::<Buffer>()
    + 2 * size_of::<Batch>()
    + size_of::<Node<Batch>>()
    + size_of::<Option<Finished<Batch>>>();
/// Bytes of a topic beside its name: what is known of it, in each half.
pub const TOPIC_BYTES: usize = size_of::<TopicView>() + size_of::<Known>();
/// Bytes that every storage has: the window in which answers are read, and the lengths of its lists.
pub const FIXED_BYTES: usize = WINDOW_BYTES + LISTS * size_of::<usize>();
/// Lists in a storage, each with its length.
const LISTS: usize = 11;
/// What the compiler may add between parts, for their alignment.
const PADDING: usize = 8;

/// The most bytes that a storage of these sizes takes, before there is one: the parts' own bytes, as often as they are
/// there, and what may align them. [`Storage::BYTES`] of the type itself is at most 100 less.
///
/// ```
/// use kurier_core::storage::{Storage, most_bytes};
/// // How many batches of 512 bytes fit into 16 KB, with one link, two partitions and one topic?
/// const fn batches(mut fit: usize) -> usize {
///     while most_bytes([1, 2, fit + 1, 512, 1, 32]) <= 16 * 1024 {
///         fit += 1;
///     }
///     fit
/// }
/// type Fits = Storage<1, 2, { batches(1) }, 512, 1, 32>;
/// const _: () = assert!(Fits::BYTES <= 16 * 1024 && batches(1) > 10);
/// ```
pub const fn most_bytes([links, partitions, batches, batch_bytes, topics, name_bytes]: [usize; 6]) -> usize {
    FIXED_BYTES
        + links * LINK_BYTES
        + partitions * PARTITION_BYTES
        + batches * (batch_bytes + BATCH_OVERHEAD)
        + topics * TOPIC_BYTES
        + name_bytes
        + LISTS * PADDING
}

// What `docs/microcontroller.md` says of a device: who changes one of them changes the table there.
#[cfg(all(target_os = "none", target_pointer_width = "32", feature = "full", not(feature = "reverse")))]
const _: () = assert!(
    matches!(
        [LINK_BYTES, PARTITION_BYTES, BATCH_OVERHEAD, TOPIC_BYTES, FIXED_BYTES],
        [360, 108, 108, 64, 300]
    ),
    "the bill of docs/microcontroller.md"
);

/// A storage taken apart.
pub struct Parts {
    pub(crate) append: accumulator::Memory<Fixed>,
    pub(crate) send: sender::Memory<Fixed>,
    pub(crate) window: &'static mut [u8],
    pub(crate) batch_bytes: usize,
}

/// Anything that can be taken apart into a producer's memory: every [`Storage`].
pub trait Memory {
    /// Takes it apart, for good.
    fn split(&'static mut self) -> Parts;
}

impl<const L: usize, const P: usize, const B: usize, const BB: usize, const T: usize, const N: usize> Memory
    for Storage<L, P, B, BB, T, N>
{
    fn split(&'static mut self) -> Parts {
        for data in &mut self.data {
            // As many places as buffers.
            let _ = self.buffers.push(Buffer::new(data));
        }
        for buffer in &mut self.buffers {
            // As many places as buffers.
            let _ = self.free.push(buffer);
        }
        // Their places are there from the beginning: nothing grows.
        while self.finished.push(None).is_ok() {}
        while self.links.push(LinkSlot::new()).is_ok() {}
        Parts {
            append: accumulator::Memory {
                buffers: &mut self.free,
                topics: &mut self.views,
                queues: &mut self.queues,
                nodes: &mut self.nodes,
            },
            send: sender::Memory {
                links: &mut self.links,
                slots: &mut self.slots,
                topics: &mut self.topics,
                names: &mut self.names,
                finished: &mut self.finished,
                freed: &mut self.freed,
            },
            window: &mut self.window,
            batch_bytes: BB,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the formula says too much of a storage.
    const fn slack<
        const L: usize,
        const P: usize,
        const B: usize,
        const BB: usize,
        const T: usize,
        const N: usize,
    >() -> usize {
        let most = most_bytes([L, P, B, BB, T, N]);
        assert!(most >= Storage::<L, P, B, BB, T, N>::BYTES, "more than the most");
        most - Storage::<L, P, B, BB, T, N>::BYTES
    }

    #[test]
    fn the_bill_is_the_size_but_for_what_aligns_its_parts() {
        let slacks = [
            slack::<1, 1, 1, 128, 1, 1>(),
            slack::<2, 4, 8, 1024, 2, 128>(),
            slack::<1, 3, 7, 1001, 1, 33>(),
            slack::<7, 100, 3, 16_384, 9, 1000>(),
        ];
        assert!(slacks.iter().all(|slack| *slack < 100), "{slacks:?}");
    }
}
