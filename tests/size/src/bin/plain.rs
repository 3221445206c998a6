//! The producer with settings that the compiler sees: without idempotence. What it can prove unneeded is left out.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // the linker's entry, and statics

kurier_size::image!({
    use core::hint::black_box;
    use kurier_core::config::Config;
    use kurier_core::producer::Producer;
    use kurier_size::{CONFIG, Dummy, crc, turn};
    static PLAIN: Config<'static> = CONFIG.enable_idempotence(false);

    if let Ok(producer) = Producer::new(kurier_size::memory!(), &PLAIN, crc) {
        let producer = kurier_size::in_bss!(Producer, producer);
        loop {
            let wake = turn(producer, black_box(0), |producer, now| producer.poll(now, &mut Dummy));
            black_box(wake);
        }
    }
    kurier_size::stop()
});
