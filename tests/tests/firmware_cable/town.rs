//! Whom the device can reach: a DHCP server, a name server and the model brokers, all at 10.0.2.2, in real time.
use crate::ether::{Ether, Weather};
use kurier_broker::{Cluster, Settings, TopicConfig};
use kurier_tests::cable::Brokers;
use kurier_tests::device::number;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address,
};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// The name that leads to the brokers, and that they advertise.
pub(crate) const NAME: &str = "broker.example";
const OWN: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);
const LEASED: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
/// The brokers' other address, in another network: the way there leads over [`OWN`].
const BEYOND: Ipv4Address = Ipv4Address::new(192, 0, 2, 2);
/// A name server that is gone.
const GONE: Ipv4Address = Ipv4Address::new(10, 0, 2, 200);

/// What the servers do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Whether DHCP answers.
    pub(crate) leases: bool,
    /// For how many seconds it leases.
    pub(crate) lease: u32,
    /// Whether the name server knows the brokers' name.
    pub(crate) knows: bool,
    /// Whether the name leads to the brokers' address in another network.
    pub(crate) beyond: bool,
    /// Whether the leases' first name server is gone; the second is the one that answers.
    pub(crate) spare: bool,
    pub(crate) weather: Weather,
}

/// As they should be.
pub(crate) const GOOD: Manners = Manners {
    leases: true,
    lease: 3600,
    knows: true,
    beyond: false,
    spare: false,
    weather: Weather { loss: 0, twice: 0, damage: 0, burst: 0 },
};

/// What there was to see at the end.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Numbers of the samples, in the order of the log.
    pub(crate) samples: Vec<u64>,
    /// Questions to the name server.
    pub(crate) questions: u32,
    /// Frames lost, doubled and damaged.
    pub(crate) mishaps: [u32; 3],
    /// Frames that went out towards the device.
    pub(crate) sent: u64,
    /// Bytes of the frames towards the device, and of those from it.
    pub(crate) bytes: [u64; 2],
    /// Local ports and first sequence numbers of the streams that the device began, in order.
    pub(crate) streams: Vec<(u16, u32)>,
}

/// The far end of the cable, in a thread of its own.
pub(crate) struct Town {
    /// QEMU's option for the device's network.
    pub(crate) nic: String,
    guest: SocketAddr,
    manners: Sender<Manners>,
    thread: JoinHandle<Seen>,
}

impl Town {
    pub(crate) fn start(manners: Manners) -> Self {
        let (ether, guest, nic) = Ether::new();
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || Servers::new(ether, manners).run(&receiver));
        Self { nic, guest, manners: sender, thread }
    }

    /// From now on.
    pub(crate) fn behave(&self, manners: Manners) {
        self.manners.send(manners).unwrap();
    }

    /// Frames towards the device that never came to its controller, while it runs.
    pub(crate) fn unfetched(&self) -> u64 {
        Ether::unfetched(self.guest)
    }

    /// The end.
    pub(crate) fn leave(self) -> Seen {
        drop(self.manners);
        self.thread.join().unwrap()
    }
}

struct Servers {
    brokers: Brokers<Ether>,
    dhcp: SocketHandle,
    dns: SocketHandle,
    manners: Manners,
    questions: u32,
}

fn udp(port: u16) -> Socket<'static> {
    let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 8], vec![0; 8192]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    socket
}

impl Servers {
    fn new(device: Ether, manners: Manners) -> Self {
        let cluster = Cluster::new(Settings::default());
        let place = (NAME, IpAddress::Ipv4(OWN));
        let own = EthernetAddress([2, 0, 0, 0, 0, 1]);
        let mut brokers = Brokers::at(place, own.into(), cluster, 1, device);
        brokers.interface.update_ip_addrs(|list| list.push(IpCidr::new(BEYOND.into(), 24)).unwrap());
        brokers.cluster.create_topic("telemetry", 1, TopicConfig::default()).unwrap();
        let (dhcp, dns) = (brokers.sockets.add(udp(67)), brokers.sockets.add(udp(53)));
        Self { brokers, dhcp, dns, manners, questions: 0 }
    }

    fn run(mut self, manners: &Receiver<Manners>) -> Seen {
        use std::sync::mpsc::TryRecvError;
        let started = std::time::Instant::now();
        for turn in 0_u32.. {
            if turn.is_multiple_of(32) {
                self.brokers.device.burst();
            }
            match manners.try_recv() {
                Ok(manners) => self.manners = manners,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
            self.brokers.device.weather = self.manners.weather;
            let now = Instant::from_micros(i64::try_from(started.elapsed().as_micros()).unwrap());
            let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            self.brokers.poll(now, i64::try_from(unix.as_millis()).unwrap());
            self.lease();
            self.name();
            std::thread::sleep(Duration::from_micros(500));
        }
        let records = self.brokers.cluster.records("telemetry", 0);
        let samples = records.map(|record| number(record.value.unwrap()).unwrap()).collect();
        let Ether { mishaps, sent, bytes, streams, .. } = self.brokers.device;
        Seen { samples, questions: self.questions, mishaps, sent, bytes, streams }
    }

    /// Gives the one address there is.
    fn lease(&mut self) {
        let socket = self.brokers.sockets.get_mut::<Socket<'_>>(self.dhcp);
        while let Ok((bytes, _)) = socket.recv() {
            let Ok(packet) = DhcpPacket::new_checked(bytes) else { continue };
            let Ok(asked) = DhcpRepr::parse(&packet) else { continue };
            let message_type = match asked.message_type {
                DhcpMessageType::Discover => DhcpMessageType::Offer,
                DhcpMessageType::Request => DhcpMessageType::Ack,
                _ => continue,
            };
            if !self.manners.leases {
                continue;
            }
            let mut answer = DhcpRepr {
                message_type,
                your_ip: LEASED,
                server_ip: OWN,
                router: Some(OWN),
                subnet_mask: Some(Ipv4Address::new(255, 255, 255, 0)),
                server_identifier: Some(OWN),
                lease_duration: Some(self.manners.lease),
                dns_servers: Some(Default::default()),
                requested_ip: None,
                client_identifier: None,
                parameter_request_list: None,
                max_size: None,
                ..asked
            };
            let servers: &[_] = if self.manners.spare { &[GONE, OWN, GONE] } else { &[OWN] };
            answer.dns_servers.as_mut().unwrap().extend_from_slice(servers).unwrap();
            let mut bytes = vec![0; answer.buffer_len()];
            answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
            let everybody = IpEndpoint::new(IpAddress::v4(255, 255, 255, 255), 68);
            socket.send_slice(&bytes, everybody).unwrap();
        }
    }

    /// Answers questions for the brokers' name.
    fn name(&mut self) {
        let socket = self.brokers.sockets.get_mut::<Socket<'_>>(self.dns);
        while let Ok((question, from)) = socket.recv() {
            self.questions += 1;
            let mut answer = question.to_vec();
            let named = question.windows(NAME.len()).any(|part| {
                let dots =
                    part.iter().zip(NAME.bytes()).all(|(byte, letter)| *byte == letter || letter == b'.');
                dots && part.first() == NAME.as_bytes().first()
            });
            let known = named && self.manners.knows;
            // An answer; to a name that is not known: "no such name".
            answer[2..4].copy_from_slice(&[0x81, if known { 0x80 } else { 0x83 }]);
            if known {
                answer[7] = 1;
                // The name as asked, an address, a minute, four bytes.
                answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(if self.manners.beyond { BEYOND } else { OWN }.octets());
            }
            socket.send_slice(&answer, from.endpoint).unwrap();
        }
    }
}
