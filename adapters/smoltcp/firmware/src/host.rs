//! Words from and to outside, by semihosting: here the debugger's host is QEMU. Elsewhere settings lie in flash, and lines go to
//! RTT or a serial port: without a debugger a semihosting call is a fault, and the board would begin anew with its first word.
//!
//! Source: Semihosting for AArch32.
#![allow(unsafe_code)] // calls of the host
use crate::board::Board;
use core::fmt::{self, Write};
use cortex_m_semihosting::{debug, syscall1};

impl Board {
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
    let mut text = heapless::String::<512>::new();
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
