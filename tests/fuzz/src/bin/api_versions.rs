//! See [`kurier_fuzz::parsers::api_versions`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kurier_fuzz::parsers::api_versions(data));
