//! rust-mqtt: a client that connects again and again, publishes with QoS 1 and waits for each acknowledgement.
#![cfg_attr(target_os = "none", no_std, no_main)]

kurier_size::image!({
    use core::hint::black_box;
    use kurier_peers_mqtt::{Stream, block_on};
    use rust_mqtt::buffer::BumpBuffer;
    use rust_mqtt::client::Client;
    use rust_mqtt::client::event::Event;
    use rust_mqtt::client::options::{ConnectOptions, PublicationOptions, TopicReference};
    use rust_mqtt::types::{MqttString, TopicName};
    use smoltcp::iface::Interface;

    let interface = kurier_size::in_bss!(Interface, kurier_size::stack::interface());
    let (mut sockets, [handle, _]) = kurier_size::sockets!();
    block_on(async {
        loop {
            let mut stream = Stream { interface: &mut *interface, sockets: &mut sockets, handle };
            if stream.connect().await.is_err() {
                continue;
            }
            let bytes = kurier_size::in_bss!([u8; 1280], [0; 1280]);
            let mut buffer = BumpBuffer::new(bytes);
            let mut client = Client::<'_, '_, _, _, 1, 1, 1, 0, 0, 0, 0>::new(&mut buffer);
            let options = ConnectOptions::new();
            let Ok(name) = MqttString::from_str("device") else { continue };
            if client.connect(stream, &options, Some(name)).await.is_err() {
                continue;
            }
            'open: loop {
                // SAFETY: nothing that was read is kept.
                unsafe { client.buffer_mut().reset() };
                let topic = MqttString::from_str(black_box("telemetry")).ok().and_then(TopicName::new);
                let Some(topic) = topic else { break };
                let options = PublicationOptions::new(TopicReference::Name(topic)).at_least_once();
                let value: &[u8] = black_box(&[1, 2, 3]);
                if client.publish(&options, value.into()).await.is_err() {
                    break;
                }
                loop {
                    match client.poll().await {
                        Ok(Event::PublishAcknowledged(_) | Event::PublishRejected(_)) => break,
                        Ok(_) => {}
                        Err(_) => break 'open,
                    }
                }
            }
        }
    })
});
