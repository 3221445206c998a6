//! See [`kurier_fuzz::bridge::run`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::bridge::run(data));
