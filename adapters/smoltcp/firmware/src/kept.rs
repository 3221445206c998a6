//! Memory that a reset leaves as it was: boots, faults, seeds and notes; and the paint on the stack.
#![allow(unsafe_code)] // places that the linker knows
use crate::board::Board;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The lowest place of the stack that is known to have been used; 0 if nobody has looked yet.
static DEEPEST: AtomicUsize = AtomicUsize::new(0);

/// The stack's bounds, both multiples of four.
fn stack() -> (usize, usize) {
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    (&raw const _stack_end as usize, &raw const _stack_start as usize)
}

/// Whether a word between those bounds is as it was before the start.
fn is_painted(at: usize) -> bool {
    const PAINT: u32 = 0xCCCC_CCCC;
    // SAFETY: between the bounds of the stack, as cortex-m-rt painted it.
    unsafe { (at as *const u32).read_volatile() == PAINT }
}

/// That the rest is no chance bits.
const MARK: u32 = 0x4B55_524B;

/// What is counted since the power came.
#[derive(Clone, Copy)]
#[repr(C)]
struct Kept {
    mark: u32,
    boots: u32,
    /// Where the seeds began.
    origin: u32,
    faults: u32,
    /// Where the last fault was, with its lowest bit set, until it is said; else 0.
    fault: u32,
}

#[unsafe(link_section = ".uninit.KEPT")]
static mut KEPT: MaybeUninit<Kept> = MaybeUninit::uninit();

impl Kept {
    fn read() -> Self {
        // SAFETY: one thread, no interrupt, and whatever bits the place holds are numbers.
        unsafe { (&raw const KEPT).cast::<Self>().read_volatile() }
    }

    fn write(self) {
        // SAFETY: as above.
        unsafe { (&raw mut KEPT).cast::<Self>().write_volatile(self) }
    }
}

/// A fault at this place of the program ends this boot; `u32::MAX` if the place is not known.
pub fn note_fault(at: u32) {
    let mut kept = Kept::read();
    // One before the first count is a fault all the same: the next start has no mark, and says nothing.
    kept.faults = kept.faults.wrapping_add(1);
    kept.fault = at | 1;
    kept.write();
}

impl Board {
    /// The most bytes of stack that were ever in use: what is not painted any more. It reads all of the paint.
    pub fn stack_used(&self) -> u32 {
        let (low, high) = stack();
        // What was reserved and never written is paint still: only from below is all of it seen.
        let used = (low..high).step_by(4).find(|at| !is_painted(*at)).unwrap_or(high);
        DEEPEST.store(used, Ordering::Relaxed);
        u32::try_from(high - used).unwrap_or(u32::MAX)
    }

    /// As [`Self::stack_used`], cheap enough for each sample: it goes on from what is known, until some hundred bytes are
    /// painted in a row. What lies behind such a hole is seen with the next report.
    pub fn stack_so_far(&self) -> u32 {
        const HOLE: usize = 512;
        let (low, high) = stack();
        let mut used = DEEPEST.load(Ordering::Relaxed);
        if used == 0 {
            return self.stack_used();
        }
        let mut at = used;
        while at > low && used - at < HOLE {
            at -= 4;
            if !is_painted(at) {
                used = at;
            }
        }
        DEEPEST.store(used, Ordering::Relaxed);
        u32::try_from(high - used).unwrap_or(u32::MAX)
    }

    /// How often the device was started since its power came: a reset leaves this memory as it was. Once for each start.
    /// Says it if a fault was what ended the last one.
    pub fn boots(&mut self) -> u32 {
        let mut kept = Kept::read();
        if kept.mark == MARK {
            kept.boots = kept.boots.wrapping_add(1);
        } else {
            kept = Kept { mark: MARK, boots: 0, origin: self.counter(), faults: 0, fault: 0 };
        }
        if kept.fault != 0 {
            let (at, faults) = (kept.fault & !1, kept.faults);
            self.say(format_args!(
                "restarted by a fault at {at:#010x}, number {faults} since the power came"
            ));
        }
        kept.fault = 0;
        kept.write();
        kept.boots
    }

    /// Puts chance into the seeds: these bits, and when it is. Only in the power's first boot, and false later: the boots
    /// after it count on from there, so that they are far from one another.
    pub fn stir(&self, bits: u32) -> bool {
        let mut kept = Kept::read();
        let first = kept.boots == 0;
        if first {
            let times = self.counter().wrapping_mul(0x9E37_79B1);
            kept.origin = kept.origin.rotate_left(16) ^ times ^ bits;
            kept.write();
        }
        first
    }

    /// A seed for a device of this number, another one for each boot. After the power came that is as good as what was
    /// stirred in: a board with a random number, or with a counter in flash, stirs that in at its start.
    pub fn seed(&self, number: u32) -> u32 {
        let kept = Kept::read();
        number.wrapping_mul(1000).wrapping_add(kept.origin).wrapping_add(kept.boots)
    }

    /// Memory that a reset leaves as it was, for the producer's notes; elsewhere what is powered in deep sleep. Once for
    /// each start: later it is empty.
    pub fn notes(&mut self) -> &'static mut [u8] {
        #[unsafe(link_section = ".uninit.NOTES")]
        static mut NOTES: MaybeUninit<[u8; 256]> = MaybeUninit::uninit();
        static TAKEN: AtomicBool = AtomicBool::new(false);
        // This core has no interrupt that asks for it, and some Cortex-M have no swap.
        if TAKEN.load(Ordering::Relaxed) {
            return &mut [];
        }
        TAKEN.store(true, Ordering::Relaxed);
        // SAFETY: nobody else gets the place, and whatever bits it holds are bytes.
        unsafe { &mut *(&raw mut NOTES).cast::<[u8; 256]>() }
    }
}
