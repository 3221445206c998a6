//! See [`kurier_fuzz::command::lines`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::command::lines(data));
