//! See [`kurier_fuzz::parsers::messages`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::parsers::messages(data));
