//! The `log` facade by semihosting: each record is a line. On another board this is the place for RTT or a serial port.
//!
//! Only with the feature `log`: text costs flash (25 KB with that of smoltcp), and semihosting stops the core for each line.
use crate::host::say;
use log::{LevelFilter, Log, Metadata, Record};

struct Semihosting;

impl Log for Semihosting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            say(format_args!("[{} {}] {}", record.level(), record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// From now on what is logged at `level` or above is said.
pub fn start(level: LevelFilter) {
    static LOGGER: Semihosting = Semihosting;
    // It can only have been set already.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}
