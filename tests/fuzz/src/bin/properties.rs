//! See [`kurier_fuzz::properties::run`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::properties::run(data));
