//! Any text as a properties file: a configuration or an error that says what is wrong, without panic.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut config = kurier::config::Config::new();
    match config.set_properties(text) {
        Ok(()) => {
            let _ = config.check();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
