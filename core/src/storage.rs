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

type Batch = &'static mut Buffer<[u8]>;

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
    buffers: [Buffer<[u8; BATCH_BYTES]>; BATCHES],
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

    /// An empty one. Does not compile without at least one of each, or with more than the indices can count.
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
            buffers: [const { Buffer::new() }; BATCHES],
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

/// The smallest batch buffer that is of use, in bytes.
pub const LEAST_BATCH_BYTES: u32 = 128;

impl<const L: usize, const P: usize, const B: usize, const BB: usize, const T: usize, const N: usize> Default
    for Storage<L, P, B, BB, T, N>
{
    fn default() -> Self {
        Self::new()
    }
}

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
        for buffer in &mut self.buffers {
            let buffer: Batch = buffer;
            // As many places as buffers.
            let _ = self.free.push(buffer);
        }
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
