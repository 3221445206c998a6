//! Memory that a reset leaves as it was, and the paint on the stack.
#![allow(unsafe_code)] // places that the linker knows
use crate::board::Board;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

impl Board {
    /// The most bytes of stack that were ever in use: what is not painted any more.
    pub fn stack_used(&self) -> u32 {
        const PAINT: u32 = 0xCCCC_CCCC;
        unsafe extern "C" {
            static _stack_end: u32;
            static _stack_start: u32;
        }
        let (low, high) = (&raw const _stack_end as usize, &raw const _stack_start as usize);
        let mut at = low;
        // SAFETY: between the bounds of the stack, as cortex-m-rt painted it before the start.
        while at < high && unsafe { (at as *const u32).read_volatile() } == PAINT {
            at += 4;
        }
        u32::try_from(high - at).unwrap_or(u32::MAX)
    }

    /// How often the device was started since its power came: a reset leaves this memory as it was. Once for each start.
    pub fn boots(&mut self) -> u32 {
        const MARK: u32 = 0x4B55_5249;
        #[unsafe(link_section = ".uninit.BOOTS")]
        static mut BOOTS: MaybeUninit<[u32; 2]> = MaybeUninit::uninit();
        let place = (&raw mut BOOTS).cast::<[u32; 2]>();
        // SAFETY: nobody else has the place, and whatever bits it holds are two numbers.
        let [mark, boots] = unsafe { place.read_volatile() };
        let boots = if mark == MARK { boots.wrapping_add(1) } else { 0 };
        // SAFETY: as above.
        unsafe { place.write_volatile([MARK, boots]) };
        boots
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
