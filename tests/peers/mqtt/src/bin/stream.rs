//! smoltcp alone, through the same stream: what the peers are compared with.
#![cfg_attr(target_os = "none", no_std, no_main)]

kurier_size::image!({
    use core::hint::black_box;
    use embedded_io_async::{Read, Write};
    use kurier_peers_mqtt::{Stream, block_on};
    use smoltcp::iface::Interface;

    let interface = kurier_size::in_bss!(Interface, kurier_size::stack::interface());
    let (mut sockets, [handle, _]) = kurier_size::sockets!();
    let mut stream = Stream { interface, sockets: &mut sockets, handle };
    block_on(async {
        loop {
            if stream.connect().await.is_ok() {
                while stream.write_all(black_box(&[1, 2, 3])).await.is_ok() {
                    black_box(stream.read(black_box(&mut [0; 8])).await.is_ok());
                }
            }
        }
    })
});
