//! The least that an image needs to run on a Cortex-M in QEMU: vectors, a timer, a painted stack, words to outside.
//!
//! Sources: ARM DAI 0385 (memory), DDI 0479 (the timer), Semihosting for AArch32.
use core::arch::asm;
use core::fmt;

unsafe extern "C" {
    static _stack_top: u32;
    fn start() -> !;
}

/// What the core reads first: where its stack begins, and where its code does. A fault ends the run.
#[repr(C)]
struct Vectors {
    stack: *const u32,
    reset: unsafe extern "C" fn() -> !,
    faults: [fn() -> !; 14],
}

// SAFETY: it is only read, by the core at its reset.
unsafe impl Sync for Vectors {}

#[used]
#[unsafe(link_section = ".vectors")]
static VECTORS: Vectors = Vectors { stack: &raw const _stack_top, reset: start, faults: [end; 14] };

/// The first timer: control, value, reload.
const TIMER: *mut u32 = 0x4000_0000 as *mut u32;

/// Ticks of the timer, counted down; it starts with the first call.
pub(crate) fn ticks() -> u32 {
    // SAFETY: registers of the board, of which nobody else knows.
    unsafe {
        if TIMER.read_volatile() == 0 {
            TIMER.add(1).write_volatile(u32::MAX);
            TIMER.add(2).write_volatile(u32::MAX);
            TIMER.write_volatile(1);
        }
        TIMER.add(1).read_volatile()
    }
}

const PAINT: u32 = 0xCCCC_CCCC;
/// Words that are painted.
const PAINTED: usize = 16 * 1024;
/// Words of its own frame that the painter leaves alone.
const OWN: usize = 64;

/// Paints what of the stack is not in use.
#[inline(never)]
pub(crate) fn paint() {
    let here = 0_u32;
    let top = &raw const here as usize;
    let low = &raw const _stack_top as usize - PAINTED * 4;
    for at in (low..top - OWN * 4).step_by(4) {
        // SAFETY: the stack's own memory, below everything that is on it.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
    }
}

/// The most bytes of stack that were in use since it was painted.
pub(crate) fn stack_used() -> usize {
    let top = &raw const _stack_top as usize;
    // SAFETY: the stack's own memory.
    let painted = |at: &usize| unsafe { (*at as *const u32).read_volatile() } == PAINT;
    top - (top - PAINTED * 4..top).step_by(4).find(|at| !painted(at)).unwrap_or(top)
}

/// A text for outside.
pub(crate) struct Line {
    text: [u8; 256],
    len: usize,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { text: [0; 256], len: 0 }
    }

    /// Says it, to whoever reads QEMU's standard output.
    pub(crate) fn say(&self) {
        const OPEN: usize = 0x01;
        const TO_WRITE: usize = 4;
        const WRITE: usize = 0x05;
        // The name of the console, its zero aside.
        let console = [c":tt".as_ptr() as usize, TO_WRITE, 3];
        let handle = call(OPEN, console.as_ptr() as usize);
        let text = [handle, self.text.as_ptr() as usize, self.len];
        call(WRITE, text.as_ptr() as usize);
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let last = self.text.len();
        for (place, byte) in self.text.iter_mut().skip(self.len).zip(text.bytes()) {
            *place = byte;
        }
        self.len = (self.len + text.len()).min(last);
        Ok(())
    }
}

/// The end of the run.
pub(crate) fn end() -> ! {
    const APPLICATION_EXIT: usize = 0x20026;
    call(0x18, APPLICATION_EXIT);
    kurier_size::stop()
}

fn call(operation: usize, argument: usize) -> usize {
    let answer;
    // SAFETY: a breakpoint that the debugger, here QEMU, takes for a call and returns from.
    unsafe { asm!("bkpt 0xAB", inout("r0") operation => answer, in("r1") argument) };
    answer
}
