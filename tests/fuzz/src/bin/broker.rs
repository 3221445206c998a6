//! See [`kurier_fuzz::broker::run`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::broker::run(data));
