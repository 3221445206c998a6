//! The board: a clock, a sleep that ends with a frame or at a time, two lamps.
//!
//! ARM's MPS2 with a Cortex-M3 (`mps2-an385`), M4 (`an386`) or M7 (`an500`), as QEMU has it. No interrupt is ever
//! taken: all of them stay masked in the core, where a pending one still ends WFI. So there is no shared state and no
//! race between looking and sleeping.
//!
//! Sources: ARM DAI 0385, 0386 and 0500 (memory and interrupts), DDI 0479 (the timer).
#![allow(unsafe_code)] // registers
use crate::clock::Clock;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

/// Which MPS2 this is; the M7's has its controller elsewhere.
const SCC_ID: *const u32 = 0x4002_FFFC as *const u32;
const SCC_AN500: u32 = 0x4104_5000;
const ETHERNET: usize = 0x4020_0000;
const ETHERNET_AN500: usize = 0xA000_0000;

/// The first timer: control, value, reload, interrupt.
const TIMER: *mut u32 = 0x4000_0000 as *mut u32;
/// The board's two lamps, a bit each.
const LAMPS: *mut u32 = 0x4002_8000 as *mut u32;
/// Ticks in a microsecond, of the timer and of the controller's free counter.
const TICKS: u64 = 25;
/// The longest sleep in microseconds: the counter wraps at 171 s, and must be read before that.
const LONGEST: u64 = 60_000_000;
const _: () = assert!(LONGEST * TICKS < (1 << 32) / 2);

#[derive(Clone, Copy)]
struct Irq(u16);
const TIMER_IRQ: Irq = Irq(8);
const ETHERNET_IRQ: Irq = Irq(13);

// SAFETY: both numbers are of this board, and never change.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        self.0
    }
}

/// The board.
pub struct Board {
    ethernet: usize,
    clock: Clock,
    /// How often the loop slept.
    pub sleeps: u32,
    /// By how much sleeps that ended by the timer were too long, at most, in microseconds.
    pub late: u32,
}

fn read(address: usize) -> u32 {
    // SAFETY: the registers of the controller, which are always there and read without effect on memory.
    unsafe { (address as *const u32).read_volatile() }
}

impl Board {
    /// The board, at its start.
    pub fn take() -> Self {
        cortex_m::interrupt::disable();
        // SAFETY: a register of every MPS2.
        let ethernet = if unsafe { SCC_ID.read_volatile() } == SCC_AN500 { ETHERNET_AN500 } else { ETHERNET };
        for irq in [TIMER_IRQ, ETHERNET_IRQ] {
            // SAFETY: nothing relies on them being masked here: the core takes none.
            unsafe { NVIC::unmask(irq) };
        }
        Self { ethernet, clock: Clock::new(), sleeps: 0, late: 0 }
    }

    /// Where the Ethernet controller is.
    pub const fn ethernet(&self) -> usize {
        self.ethernet
    }

    /// Microseconds since some time before the start: the controller's free counter, made longer.
    pub fn micros(&mut self) -> u64 {
        self.clock.ticks(self.counter()) / TICKS
    }

    /// The free counter itself: something to sample.
    pub fn counter(&self) -> u32 {
        read(self.ethernet + 0x9C)
    }

    /// Sleeps for so many microseconds, or until a frame comes. `ready` is asked once more when nothing can be missed.
    pub fn sleep(&mut self, micros: u64, ready: impl FnOnce() -> bool) {
        let micros = micros.min(LONGEST);
        if micros == 0 {
            return;
        }
        let started = self.micros();
        // SAFETY: the timer is ours alone. Off; so many ticks; on, with its interrupt.
        unsafe {
            TIMER.write_volatile(0);
            TIMER.add(3).write_volatile(1);
            let ticks = u32::try_from(micros * TICKS).unwrap_or(u32::MAX);
            TIMER.add(1).write_volatile(ticks);
            TIMER.add(2).write_volatile(ticks);
            TIMER.write_volatile(0b1001);
        }
        NVIC::unpend(TIMER_IRQ);
        NVIC::unpend(ETHERNET_IRQ);
        if !ready() {
            cortex_m::asm::wfi();
            self.sleeps = self.sleeps.wrapping_add(1);
            let over = (self.micros() - started).saturating_sub(micros);
            self.late = self.late.max(u32::try_from(over).unwrap_or(u32::MAX));
        }
        // SAFETY: as above.
        unsafe { TIMER.write_volatile(0) };
    }

    /// Shows what became of a batch: the first lamp changes for each that was written, the second is on after one
    /// that was not.
    pub fn blink(&mut self, written: bool) {
        // SAFETY: a register of the board that does nothing else.
        unsafe {
            let lamps = LAMPS.read_volatile();
            LAMPS.write_volatile(if written { (lamps ^ 0b01) & !0b10 } else { lamps | 0b10 });
        }
    }

    /// A deep sleep: all memory but the notes is lost, and the device begins anew. Here it is over at once.
    pub fn nap(&mut self) -> ! {
        cortex_m::peripheral::SCB::sys_reset()
    }
}
