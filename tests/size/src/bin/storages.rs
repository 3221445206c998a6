//! Storages for typical set-ups: the size of each static says what it takes on this target.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // the linker's entry, and statics that are found by their names

/// Statics of storages, kept for their sizes.
macro_rules! storages {
    ($($name:ident: $links:literal, $partitions:literal, $batches:literal, $bytes:literal, $topics:literal;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub static mut $name: kurier_core::storage::Storage<$links, $partitions, $batches, $bytes, $topics> =
                kurier_core::storage::Storage::new();
        )*

        kurier_size::image!({
            $( core::hint::black_box(core::ptr::addr_of_mut!($name)); )*
            parts();
            kurier_size::stop()
        });
    };
}

/// Statics of as many bytes as a part takes, kept for their sizes.
macro_rules! parts {
    ($($name:ident: $bytes:ident;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub static mut $name: [u8; kurier_core::storage::$bytes] = [0; kurier_core::storage::$bytes];
        )*

        #[cfg(target_os = "none")]
        fn parts() {
            $( core::hint::black_box(core::ptr::addr_of_mut!($name)); )*
        }
    };
}

parts! {
    STORAGE_LINK_BYTES: LINK_BYTES;
    STORAGE_PARTITION_BYTES: PARTITION_BYTES;
    STORAGE_BATCH_OVERHEAD: BATCH_OVERHEAD;
    STORAGE_TOPIC_BYTES: TOPIC_BYTES;
    STORAGE_FIXED_BYTES: FIXED_BYTES;
}

storages! {
    STORAGE_1_1_2_128_1: 1, 1, 2, 128, 1;
    STORAGE_1_1_2_256_1: 1, 1, 2, 256, 1;
    STORAGE_1_4_4_512_1: 1, 4, 4, 512, 1;
    STORAGE_2_4_8_1024_2: 2, 4, 8, 1024, 2;
    STORAGE_3_12_16_1024_2: 3, 12, 16, 1024, 2;
    STORAGE_4_32_32_4096_4: 4, 32, 32, 4096, 4;
}
