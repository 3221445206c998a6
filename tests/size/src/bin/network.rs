//! smoltcp alone: two TCP sockets that connect, send and receive, and an Ethernet interface.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![allow(unsafe_code, missing_docs)] // the linker's entry, and statics

kurier_size::image!({
    use core::hint::black_box;
    use kurier_size::stack::{interface, network};
    use smoltcp::{iface::Interface, socket::tcp, wire::IpAddress};

    let interface = kurier_size::in_bss!(Interface, interface());
    let (mut sockets, handles) = kurier_size::sockets!();
    loop {
        black_box(network(interface, &mut sockets));
        for handle in handles {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            let remote = black_box((IpAddress::v4(10, 0, 0, 2), 9092));
            socket.set_nagle_enabled(false);
            black_box(socket.connect(interface.context(), remote, black_box(49_152_u16)).is_ok());
            black_box((socket.state(), socket.may_send(), socket.send_queue(), socket.remote_endpoint()));
            black_box(socket.send_slice(black_box(&[1, 2, 3])).is_ok());
            black_box(socket.recv_slice(black_box(&mut [0; 8])).is_ok());
            socket.abort();
        }
    }
});
