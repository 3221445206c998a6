//! minimq: a session that connects again and again, publishes with QoS 1 and waits for each acknowledgement.
#![cfg_attr(target_os = "none", no_std, no_main)]

kurier_size::image!({
    use core::hint::black_box;
    use kurier_peers_mqtt::{Stream, block_on};
    use minimq::{Buffers, ConfigBuilder, Publication, QoS, Session};
    use smoltcp::iface::Interface;

    let interface = kurier_size::in_bss!(Interface, kurier_size::stack::interface());
    let (mut sockets, [handle, _]) = kurier_size::sockets!();
    // For the same payload as our batches of 1 KB: both in .bss.
    let receive = kurier_size::in_bss!([u8; 256], [0; 256]);
    let send = kurier_size::in_bss!([u8; 1024], [0; 1024]);
    let Ok(config) = ConfigBuilder::new(Buffers::new(receive, send)).client_id("device") else {
        kurier_size::stop()
    };
    let session = kurier_size::in_bss!(Session<'static>, Session::new(config));
    block_on(async {
        loop {
            let mut stream = Stream { interface: &mut *interface, sockets: &mut sockets, handle };
            if stream.connect().await.is_err() {
                continue;
            }
            let Ok(mut connection) = session.connect(stream).await else { continue };
            'open: loop {
                let value: &[u8] = black_box(&[1, 2, 3]);
                let record = Publication::bytes(black_box("telemetry"), value).qos(QoS::AtLeastOnce);
                let Ok(Some(sent)) = connection.publish(record).await else { break };
                while connection.is_pending(&sent) {
                    if connection.poll().await.is_err() {
                        break 'open;
                    }
                }
            }
        }
    })
});
