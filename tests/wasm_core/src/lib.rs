//! The core as a WebAssembly module without imports: a whole producer runs against a scripted broker inside.
//!
//! It is what a page's worker would hold, less the page. On a host the same code is an ordinary library, so that a
//! test can compare both: nothing may depend on the width of `usize`.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![allow(unsafe_code)] // a symbol for the module's user, and its one static

mod script;

use kurier_core::config::Config;
use kurier_core::producer::Producer;
use kurier_core::record::{Header, Record};
use kurier_core::sender::Wake;
use kurier_core::storage::Storage;
use kurier_core::time::Instant;
use kurier_core::transport::Endpoint;
use script::Script;

const SERVERS: &[Endpoint<'static>] = &[Endpoint { host: "b", port: 9092 }];
static CONFIG: Config<'static> = Config::new(SERVERS).linger_ms(1);

pub(crate) fn crc(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut digest = TABLE.digest_with_initial((!crc).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Outcome {
    /// Records acknowledged.
    pub delivered: u32,
    /// Records that failed.
    pub failed: u32,
    /// Records the broker has, in order.
    pub logged: u32,
    /// Requests the broker answered.
    pub requests: u32,
    /// Turns of the loop.
    pub turns: u32,
    /// 0; or what went wrong: 1 to 9 the script's faults, 10 no producer, 11 no topic, 12 a record refused, 13 stuck.
    pub status: u32,
}

/// Sends `records` records through a stream that passes `piece` bytes at a time.
///
/// `storage` is used up.
pub fn run(storage: &'static mut Storage<1, 3, 6, 512>, records: u32, piece: u32) -> Outcome {
    let mut out = Outcome { delivered: 0, failed: 0, logged: 0, requests: 0, turns: 0, status: 0 };
    let mut script = Script::new(usize::try_from(piece).unwrap_or(1).max(1));
    match drive(storage, records, &mut script, &mut out) {
        Ok(()) => out.status = script.fault,
        Err(status) => out.status = status,
    }
    out.logged = script.records();
    out.requests = script.requests;
    out
}

fn drive(
    storage: &'static mut Storage<1, 3, 6, 512>,
    records: u32,
    script: &mut Script,
    out: &mut Outcome,
) -> Result<(), u32> {
    let mut producer = Producer::new(storage, &CONFIG, crc).map_err(|_| 10_u32)?;
    let mut now = Instant::from_millis(1);
    let topic = producer.topic("t", now).map_err(|_| 11_u32)?;
    let mut sent = 0;
    let mut mark = None;
    while out.turns < 1_000_000 {
        while sent < records {
            let key = (sent % 11).to_be_bytes();
            let value = sent.to_be_bytes();
            let headers = [Header { name: "n", value: Some(&value) }];
            match producer.send(topic, Record::value(&value).key(&key).headers(&headers), now) {
                Ok(_) => sent += 1,
                Err(error) if error.is_transient() => break,
                Err(_) => return Err(12),
            }
        }
        if sent == records && mark.is_none() {
            mark = Some(producer.flush());
        }
        let wake = producer.poll(now, script);
        while let Some(delivery) = producer.next_delivery() {
            let count = if delivery.is_ok() { &mut out.delivered } else { &mut out.failed };
            *count += delivery.count;
        }
        if mark.is_some_and(|mark| producer.is_flushed(mark)) {
            return Ok(());
        }
        out.turns += 1;
        now = match wake {
            Wake::At(at) => at.max(Instant::from_micros(now.as_micros() + 100)).min(now.plus_millis(1)),
            Wake::Now | Wake::OnIo => Instant::from_micros(now.as_micros() + 100),
        };
    }
    Err(13)
}

/// [`run`] for the module's user, once for each instance: the six numbers of [`Outcome`] lie where the answer
/// points to.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub extern "C" fn kurier_run(records: u32, piece: u32) -> *const Outcome {
    static mut STORAGE: Storage<1, 3, 6, 512> = Storage::new();
    static mut OUTCOME: Outcome =
        Outcome { delivered: 0, failed: 0, logged: 0, requests: 0, turns: 0, status: 99 };
    // SAFETY: a module has one thread, and its user calls this once.
    unsafe {
        let storage = &mut *core::ptr::addr_of_mut!(STORAGE);
        core::ptr::addr_of_mut!(OUTCOME).write(run(storage, records, piece));
        core::ptr::addr_of!(OUTCOME)
    }
}

/// Bits of this module's addresses.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub extern "C" fn kurier_pointer_bits() -> u32 {
    usize::BITS
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
