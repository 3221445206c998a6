//! Nothing but the start: what every other image is compared with.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // the linker's entry

kurier_size::image!({ kurier_size::stop() });
