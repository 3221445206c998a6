//! See [`kurier_fuzz::parsers::init_producer_id`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::parsers::init_producer_id(data));
