//! See [`kurier_fuzz::parsers::produce`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::parsers::produce(data));
