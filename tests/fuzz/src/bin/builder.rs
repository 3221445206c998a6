//! See [`kurier_fuzz::batches::build`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::batches::build(data));
