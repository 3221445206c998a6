//! The whole producer over a transport of which nothing is known.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // the linker's entry, and statics

kurier_size::image!({
    use core::hint::black_box;
    use kurier_core::producer::Producer;
    use kurier_size::{CONFIG, Dummy, crc, turn};
    static SETTINGS: kurier_core::config::Config<'static> = CONFIG;

    if let Ok(producer) = Producer::new(kurier_size::memory!(), black_box(&SETTINGS), crc) {
        let producer = kurier_size::in_bss!(Producer, producer);
        loop {
            let wake = turn(producer, black_box(0), |producer, now| producer.poll(now, &mut Dummy));
            black_box(wake);
        }
    }
    kurier_size::stop()
});
