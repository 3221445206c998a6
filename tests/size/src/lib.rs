//! What the measured images share: a transport of which the compiler knows nothing, memory in `.bss`, a main loop.
//!
//! An image is linked as firmware is and never run. Every input comes out of [`black_box`], so that all code a
//! producer can reach stays in; on a host the images are empty programs.
#![no_std]

pub mod sink;
pub mod stack;

use core::hint::black_box;
use core::task::Poll;
use embedded_io::ErrorKind;
use kurier_core::config::Config;
use kurier_core::producer::Producer;
#[cfg(feature = "headers")]
use kurier_core::record::Header;
use kurier_core::record::Record;
use kurier_core::sender::Wake;
use kurier_core::storage::Storage;
use kurier_core::time::Instant;
use kurier_core::transport::{Endpoint, LinkId, Transport};

/// The set-up of the budget: 2 links, 4 partitions, 8 batches of 1 KB.
pub type Memory = Storage<2, 4, 8, 1024>;

/// Bytes of the batch buffers in [`Memory`].
pub const BUFFERS: usize = 8 * 1024;

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "10.0.0.2", port: 9092 }];

/// Kafka's defaults: `acks=all`, idempotence.
pub const CONFIG: Config<'static> = Config::new(SERVERS);

/// CRC-32C out of a table of 1 KB.
pub fn crc(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut digest = TABLE.digest_with_initial((!crc).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// A network of which nothing is known.
#[derive(Debug)]
pub struct Dummy;

fn anything<T>(value: T) -> Poll<Result<T, ErrorKind>> {
    match black_box(0_u8) {
        0 => Poll::Pending,
        1 => Poll::Ready(Ok(value)),
        2 => Poll::Ready(Err(ErrorKind::PermissionDenied)),
        _ => Poll::Ready(Err(ErrorKind::Other)),
    }
}

impl embedded_io::ErrorType for Dummy {
    type Error = ErrorKind;
}

impl Transport for Dummy {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), ErrorKind>> {
        black_box((link, to));
        anything(())
    }
    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, ErrorKind>> {
        black_box((link, bufs));
        anything(black_box(1))
    }
    fn flush(&mut self, link: LinkId) -> Poll<Result<(), ErrorKind>> {
        black_box(link);
        anything(())
    }
    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        black_box((link, buf));
        anything(black_box(1))
    }
    fn close(&mut self, link: LinkId) {
        black_box(link);
    }
}

/// The end of an image.
pub fn stop() -> ! {
    loop {
        black_box(0_u8);
    }
}

/// A value in `.bss`, handed out once for the length of an image.
#[macro_export]
macro_rules! in_bss {
    ($type:ty, $value:expr) => {{
        static mut PLACE: core::mem::MaybeUninit<$type> = core::mem::MaybeUninit::uninit();
        // SAFETY: an image is never run, and would come by here once.
        unsafe { (*core::ptr::addr_of_mut!(PLACE)).write($value) }
    }};
}

/// The storage in `.bss`.
#[macro_export]
macro_rules! memory {
    () => {{
        static mut MEMORY: $crate::Memory = $crate::Memory::new();
        // SAFETY: an image is never run, and would come by here once.
        unsafe { &mut *core::ptr::addr_of_mut!(MEMORY) }
    }};
}

/// One turn of a main loop that uses all of a producer. Answers when to come again, in microseconds.
pub fn turn(producer: &mut Producer, micros: u64, poll: impl FnOnce(&mut Producer, Instant) -> Wake) -> u64 {
    let now = Instant::from_micros(micros);
    if let Ok(topic) = producer.topic(black_box("telemetry"), now) {
        let value: &[u8] = black_box(&[1, 2, 3]);
        // A device that leaves out all features has values only.
        #[cfg(feature = "headers")]
        let headers = [Header { name: black_box("unit"), value: Some(value) }];
        let record = Record::value(value);
        #[cfg(feature = "keys")]
        let record = record.key(value);
        #[cfg(feature = "headers")]
        let record = record.headers(&headers);
        let record = black_box(record);
        black_box(producer.send(topic, record, now).is_ok());
    }
    let wake = poll(producer, now);
    while let Some(told) = producer.next_delivery() {
        black_box((*told, told.message()));
    }
    match black_box(0_u8) {
        0 => {
            let mark = producer.flush();
            black_box(producer.is_flushed(mark));
        }
        1 => {
            let mark = producer.close();
            black_box(producer.is_flushed(mark));
        }
        2 => producer.abort(),
        _ => {}
    }
    match wake {
        Wake::Now => 0,
        Wake::At(at) => at.as_micros(),
        Wake::OnIo => u64::MAX,
    }
}

/// Makes an image: `start` for the linker, and what to do on a panic, which is nothing.
#[macro_export]
macro_rules! image {
    ($body:block) => {
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".text.start")]
        extern "C" fn start() -> ! {
            $body
        }

        #[cfg(target_os = "none")]
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            $crate::stop()
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            // For the linker only: on a host there is nothing to measure.
        }
    };
}

#[cfg(test)]
mod tests {
    use super::crc;
    use kurier_core::batch::crc32c_by_nibbles;

    #[test]
    fn both_checksums_are_the_same_one() {
        assert_eq!(crc32c_by_nibbles(0, b"123456789"), 0xe306_9283);
        let bytes: [u8; 256] = core::array::from_fn(|at| (at * 7) as u8);
        for split in 0..bytes.len() {
            let (front, back) = bytes.split_at(split);
            assert_eq!(crc32c_by_nibbles(crc32c_by_nibbles(0, front), back), crc(crc(0, front), back));
        }
    }
}
