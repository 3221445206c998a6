//! smoltcp and the whole producer: what a device links.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // the linker's entry, and statics

kurier_size::image!({
    use core::hint::black_box;
    use kurier_core::{config::Config, producer::Producer};
    use kurier_size::stack::{interface, network};
    use kurier_size::{CONFIG, turn};
    use kurier_smoltcp::Links;
    use smoltcp::iface::Interface;
    // A device that leaves out features has no kilobyte for a table either.
    let crc = if cfg!(feature = "full") { kurier_size::crc } else { kurier_core::batch::crc32c_by_nibbles };
    static SETTINGS: Config<'static> = CONFIG;

    let interface = kurier_size::in_bss!(Interface, interface());
    let (mut sockets, handles) = kurier_size::sockets!();
    let links = kurier_size::in_bss!(Links<2>, Links::new(handles, black_box(1)));
    if let Ok(producer) = Producer::new(kurier_size::memory!(), black_box(&SETTINGS), crc) {
        let producer = kurier_size::in_bss!(Producer, producer);
        loop {
            black_box(network(interface, &mut sockets));
            let wake = turn(producer, black_box(0), |producer, now| {
                producer.poll(now, &mut links.on(interface, &mut sockets))
            });
            black_box(wake);
        }
    }
    kurier_size::stop()
});
