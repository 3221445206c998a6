//! The board: a clock, a sleep that ends with a frame or at a time, and words from and to outside.
//!
//! ARM's MPS2 with a Cortex-M3 (`mps2-an385`), M4 (`an386`) or M7 (`an500`), as QEMU has it. No interrupt is ever
//! taken: all of them stay masked in the core, where a pending one still ends WFI. So there is no shared state and no
//! race between looking and sleeping.
//!
//! Sources: ARM DAI 0385, 0386 and 0500 (memory and interrupts), DDI 0479 (the timer), Semihosting for AArch32.
#![allow(unsafe_code)] // registers, and the bounds of the stack
use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_semihosting::{debug, syscall1};

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
    /// The free counter when it was read last, and how often it had wrapped, in ticks.
    counter: u32,
    wraps: u64,
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
        Self { ethernet, counter: 0, wraps: 0, sleeps: 0, late: 0 }
    }

    /// Where the Ethernet controller is.
    pub const fn ethernet(&self) -> usize {
        self.ethernet
    }

    /// Microseconds since some time before the start: the controller's free counter, made longer.
    pub fn micros(&mut self) -> u64 {
        let now = self.counter();
        if now < self.counter {
            self.wraps += 1 << 32;
        }
        self.counter = now;
        (self.wraps + u64::from(now)) / TICKS
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

    /// A deep sleep: all memory but the notes is lost, and the device begins anew. Here it is over at once.
    pub fn nap(&mut self) -> ! {
        cortex_m::peripheral::SCB::sys_reset()
    }

    /// What was said on the command line. Once: later it is empty.
    pub fn command_line(&mut self) -> &'static str {
        use static_cell::ConstStaticCell;
        static LINE: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
        let Some(line) = LINE.try_take() else { return "" };
        let mut block = [line.as_mut_ptr() as usize, line.len()];
        // SAFETY: semihosting writes the line into the place that the block names, and its length beside it.
        let failed = unsafe { syscall1!(GET_CMDLINE, &raw mut block) };
        let said = line.get(..block[1]).filter(|_| failed == 0).unwrap_or_default();
        core::str::from_utf8(said).unwrap_or_default()
    }

    /// Says a line to whoever listens.
    pub fn say(&self, line: fmt::Arguments<'_>) {
        say(line);
    }

    /// The end of a run under QEMU; a device begins anew.
    pub fn end(&mut self, status: u32) -> ! {
        const EXIT_EXTENDED: usize = 0x20;
        const APPLICATION_EXIT: u32 = 0x20026;
        // SAFETY: reason and status are what this call takes.
        unsafe { cortex_m_semihosting::syscall(EXIT_EXTENDED, &[APPLICATION_EXIT, status]) };
        cortex_m::peripheral::SCB::sys_reset()
    }
}

/// One line in one write: what does not fit is cut.
pub fn say(line: fmt::Arguments<'_>) {
    let mut text = heapless::String::<384>::new();
    let _ = text.write_fmt(line);
    if text.push('\n').is_err() {
        text.pop();
        let _ = text.push('\n');
    }
    if let Ok(mut out) = cortex_m_semihosting::hio::hstdout() {
        let _ = out.write_all(text.as_bytes());
    }
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    say(format_args!("panic: {info}"));
    debug::exit(debug::EXIT_FAILURE);
    cortex_m::peripheral::SCB::sys_reset()
}
