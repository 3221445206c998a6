//! A producer in memory that is taken back when it is gone, so that a hundred thousand producers fit one process.
//!
//! The core asks for `'static` memory, as bare metal has it. This file is the only one here with `unsafe`.
#![allow(unsafe_code)]
use kurier_core::config::Config;
use kurier_core::error::ConfigError;
use kurier_core::producer::Producer;
use kurier_core::storage::{Memory, Storage};

/// One of the storages that are played with.
pub(super) struct Size {
    pub(super) name: &'static str,
    pub(super) partitions: usize,
    pub(super) batches: usize,
    pub(super) batch_bytes: usize,
    pub(super) topics: usize,
    /// Bytes of their names together.
    pub(super) name_bytes: usize,
    pub(super) make: fn(Config<'static>) -> Result<Home, ConfigError>,
}

macro_rules! sizes {
    ($($l:literal $p:literal $b:literal $bb:literal $t:literal $n:literal;)*) => {
        &[$(Size {
            name: concat!("Storage<", $l, ", ", $p, ", ", $b, ", ", $bb, ", ", $t, ", ", $n, ">"),
            partitions: $p,
            batches: $b,
            batch_bytes: $bb,
            topics: $t,
            name_bytes: $n,
            make: |config| Home::new(Box::new(Storage::<$l, $p, $b, $bb, $t, $n>::new()), config),
        }),*]
    };
}

/// From the smallest to a large one: links, partitions, batches, bytes of a batch, topics, bytes of names.
pub(super) const SIZES: &[Size] = sizes! {
    1 1 1 128 1 16;
    1 1 2 128 1 16;
    1 2 4 256 2 32;
    2 4 8 256 2 32;
    2 3 5 200 3 64;
    3 4 16 512 3 64;
    1 8 12 300 2 64;
    5 16 32 1024 4 64;
    8 64 64 512 4 128;
};

/// A producer and its memory.
pub(super) struct Home {
    /// `None` only while it is taken down.
    producer: Option<Producer>,
    give_back: Option<Box<dyn FnOnce()>>,
}

fn crc(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

impl Home {
    fn new<M: Memory + 'static>(memory: Box<M>, config: Config<'static>) -> Result<Self, ConfigError> {
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
        match producer {
            Ok(producer) => Ok(Self { producer: Some(producer), give_back: Some(give_back) }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// What to do with the producer. It must not be moved out.
    pub(super) fn with<R>(&mut self, work: impl FnOnce(&mut Producer) -> R) -> Option<R> {
        self.producer.as_mut().map(work)
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
