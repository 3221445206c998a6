//! See [`kurier_fuzz::command::json`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::command::json(data));
