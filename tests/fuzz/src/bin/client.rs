//! See [`kurier_fuzz::client::run`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::client::run(data));
