//! The model brokers behind listening smoltcp sockets at the far end of the cable.
#![allow(clippy::unwrap_used)] // of tests only
use super::wire::{End, Weather};
use kurier_broker::{Cluster, ConnectionId};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// The address of every broker at the far end of a cable; they differ in their ports.
pub const HOST: &str = "10.0.0.2";
/// Streams that each broker can serve at a time.
const BACKLOG: usize = 12;

struct Seat {
    socket: SocketHandle,
    broker: u16,
    connection: Option<ConnectionId>,
}

/// A cluster within reach of an interface.
pub struct Brokers<D = End> {
    /// What they serve.
    pub cluster: Cluster,
    /// Streams that were opened so far.
    pub opened: u32,
    /// Their end of the cable.
    pub device: D,
    /// The stack there.
    pub interface: Interface,
    /// Theirs, and those of whoever else is at that end.
    pub sockets: SocketSet<'static>,
    seats: Vec<Seat>,
}

const fn port(broker: u16) -> u16 {
    9090 + broker
}

impl<D: Device> Brokers<D> {
    /// Brokers 1 to `count`, on the ports 9091 and up of `host`, which leads to `address`.
    pub fn at(
        (host, address): (&str, IpAddress),
        hardware: HardwareAddress,
        mut cluster: Cluster,
        count: u16,
        mut device: D,
    ) -> Self {
        let mut config = Config::new(hardware);
        config.random_seed = 77;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(address, 24)).unwrap());
        let mut sockets = SocketSet::new(vec![]);
        let mut seats = Vec::new();
        for broker in 1..=count {
            cluster.add_broker(i32::from(broker), host, port(broker));
            for _ in 0..BACKLOG {
                let buffer = || SocketBuffer::new(vec![0; 2048]);
                let socket = sockets.add(Socket::new(buffer(), buffer()));
                seats.push(Seat { socket, broker, connection: None });
            }
        }
        Self { cluster, opened: 0, device, interface, sockets, seats }
    }

    /// One turn. `unix_ms` is the brokers' wall clock.
    pub fn poll(&mut self, now: Instant, unix_ms: i64) {
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        self.cluster.poll(unix_ms);
        for seat in &mut self.seats {
            let socket = self.sockets.get_mut::<Socket<'_>>(seat.socket);
            if !socket.is_active() && !socket.is_listening() {
                if let Some(gone) = seat.connection.take() {
                    self.cluster.close(gone);
                }
                socket.listen(port(seat.broker)).unwrap();
            }
            if socket.may_send() && seat.connection.is_none() {
                seat.connection = self.cluster.open(i32::from(seat.broker));
                match seat.connection {
                    Some(_) => self.opened += 1,
                    // Nobody listens there.
                    None => socket.abort(),
                }
            }
            let Some(connection) = seat.connection else { continue };
            while socket.can_recv() && self.cluster.is_reading(connection) {
                let Ok(bytes) = socket.recv(|bytes| (bytes.len(), bytes.to_vec())) else { break };
                // Why the broker closes, if it does, is seen below.
                let _ = self.cluster.handle(connection, &bytes, unix_ms);
            }
            if let Some(output) = self.cluster.output(connection)
                && socket.can_send()
                && !output.is_empty()
            {
                let sent = socket.send_slice(output).unwrap();
                output.drain(..sent);
            }
            let over = self.cluster.closed(connection).is_some() || !socket.may_recv();
            if over && self.cluster.output(connection).is_none_or(|output| output.is_empty()) {
                socket.close();
            }
        }
    }

    /// Cuts every stream, as a broker that restarts does.
    pub fn cut(&mut self) {
        for seat in &mut self.seats {
            self.sockets.get_mut::<Socket<'_>>(seat.socket).abort();
        }
    }

    /// The first four bytes of the values in a partition.
    pub fn numbers(&self, topic: &str, partition: i32) -> Vec<u32> {
        let number = |value: &[u8]| u32::from_be_bytes(*value.first_chunk().unwrap());
        self.cluster.records(topic, partition).map(|record| number(record.value.unwrap())).collect()
    }
}

impl Brokers {
    /// Brokers at the far end of a cable.
    pub fn new(cluster: Cluster, count: u16, device: End) -> Self {
        let place = (HOST, IpAddress::v4(10, 0, 0, 2));
        Self::at(place, HardwareAddress::Ip, cluster, count, device)
    }

    /// When there is something to do here.
    pub fn next(&mut self, now: Instant) -> Option<Instant> {
        let own = self.interface.poll_at(now, &self.sockets);
        own.into_iter().chain(self.device.next_arrival()).min()
    }

    /// When the next frame arrives at the other end.
    pub fn arrival_at_peer(&self) -> Option<Instant> {
        self.device.next_arrival_at_peer()
    }

    /// Frames lost, doubled and made late so far.
    pub fn mishaps(&self) -> [u32; 3] {
        self.device.mishaps()
    }

    /// Frames put on the cable so far, at either end.
    pub fn frames(&self) -> u64 {
        self.device.frames()
    }

    /// Changes what the cable does.
    pub fn set_weather(&self, weather: Weather) {
        self.device.set(weather);
    }
}
