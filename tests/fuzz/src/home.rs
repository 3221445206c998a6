//! A producer in memory that is taken back when it is gone. The core asks for `'static` memory, as bare metal has it;
//! this file is the only one here with `unsafe`.
use kurier_core::config::Config;
use kurier_core::producer::Producer;
use kurier_core::storage::{Memory, Storage};

/// One of the storages that are fuzzed.
pub(crate) struct Size {
    pub(crate) batches: usize,
    pub(crate) make: fn(Config<'static>) -> Option<Home>,
}

macro_rules! sizes {
    ($($l:literal $p:literal $b:literal $bb:literal $t:literal $n:literal;)*) => {
        &[$(Size {
            batches: $b,
            make: |config| Home::new(Box::new(Storage::<$l, $p, $b, $bb, $t, $n>::new()), config),
        }),*]
    };
}

/// Links, partitions, batches, bytes of a batch, topics, bytes of names.
pub(crate) const SIZES: &[Size] = sizes! {
    2 4 8 256 2 32;
    1 1 1 128 1 16;
    1 1 2 128 1 16;
    2 3 5 200 3 64;
    1 8 12 300 2 64;
    5 16 32 512 4 64;
};

/// A producer and its memory.
pub(crate) struct Home {
    /// `None` only while it is taken down.
    producer: Option<Producer>,
    give_back: Option<Box<dyn FnOnce()>>,
}

pub(crate) fn crc(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

impl Home {
    fn new<M: Memory + 'static>(memory: Box<M>, config: Config<'static>) -> Option<Self> {
        let memory = Box::into_raw(memory);
        let config = Box::into_raw(Box::new(config));
        // SAFETY: both point to live boxes that nothing else refers to. The references live in the producer only,
        // which hands none out beyond a borrow of itself, and is dropped before the boxes are.
        let producer = unsafe { Producer::new(&mut *memory, &*config, crc) };
        let give_back = Box::new(move || {
            // SAFETY: the producer is gone, and these are the boxes from above.
            unsafe {
                drop(Box::from_raw(memory));
                drop(Box::from_raw(config));
            }
        });
        let Ok(producer) = producer else {
            give_back();
            return None;
        };
        Some(Self { producer: Some(producer), give_back: Some(give_back) })
    }

    /// What to do with the producer. It must not be moved out.
    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut Producer) -> R) -> R {
        work(self.producer.as_mut().expect("it is there until the drop"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.producer = None;
        if let Some(give_back) = self.give_back.take() {
            give_back();
        }
    }
}
