//! What ends the program without asking: a fault of the core, or an exception that nobody takes. The board begins anew.
//!
//! Nothing is said here: a semihosting call is a breakpoint, and one within a fault stops a core that has no debugger.
//! It is noted in memory that a reset leaves alone, and the next start says it (`kept`).
//!
//! Invariant: no stack is used but one that begins anew, since a stack that ran over may be why.
//!
//! Source: ARM DDI 0403 (exceptions, and what they push).
#![allow(unsafe_code)] // a vector, registers, places that the linker knows
use crate::kept;
use core::arch::naked_asm;

/// Takes the place of the handler of `cortex-m-rt`, which loops.
#[unsafe(naked)]
#[unsafe(export_name = "HardFault")]
unsafe extern "C" fn hard_fault() -> ! {
    naked_asm!("mrs r0, msp", "ldr r1, =_stack_start", "msr msp, r1", "ldr r1, ={faulted}", "bx r1", faulted = sym faulted)
}

/// As above: every other exception and interrupt. None is expected.
#[unsafe(naked)]
#[unsafe(export_name = "DefaultHandler")]
unsafe extern "C" fn unexpected() -> ! {
    naked_asm!("ldr r1, ={hard_fault}", "bx r1", hard_fault = sym hard_fault)
}

/// `frame` is where the core has pushed its registers, unless that is no memory.
extern "C" fn faulted(frame: usize) -> ! {
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    let (low, high) = (&raw const _stack_end as usize, &raw const _stack_start as usize);
    // The seventh of eight words is where it was.
    let within = frame.is_multiple_of(4) && frame >= low && frame <= high - 32;
    // SAFETY: a word of the stack; nobody else runs any more.
    let at = if within { unsafe { *(frame as *const u32).add(6) } } else { u32::MAX };
    kept::note_fault(at);
    cortex_m::peripheral::SCB::sys_reset()
}
