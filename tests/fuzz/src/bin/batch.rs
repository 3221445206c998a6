//! See [`kurier_fuzz::batches::read`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::batches::read(data));
