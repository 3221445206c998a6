//! The far end of the device's cable: Ethernet frames in datagrams, as QEMU's `-nic socket,udp=` sends them.
//!
//! Frames may be lost or doubled, both ways.
use kurier_core::random::Random;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetFrame, IpProtocol, Ipv4Packet, TcpPacket};
use std::net::{SocketAddr, UdpSocket};

const FRAME: usize = 1514;
const SHORTEST: usize = 60;

/// What happens to frames, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u32,
    pub(crate) twice: u32,
    /// Towards the device: a byte is another, or the end is missing.
    pub(crate) damage: u32,
    /// Frames for nobody that come in a burst.
    pub(crate) burst: u32,
}

/// One end; the other is QEMU's.
pub(crate) struct Ether {
    socket: UdpSocket,
    guest: SocketAddr,
    /// A frame that came twice.
    again: Option<Vec<u8>>,
    random: Random,
    pub(crate) weather: Weather,
    /// Frames lost, doubled and damaged.
    pub(crate) mishaps: [u32; 3],
    /// Frames that went out towards the device.
    pub(crate) sent: u64,
    /// Bytes of the frames towards the device, and of those from it.
    pub(crate) bytes: [u64; 2],
    /// Local ports and first sequence numbers of the streams that the device began, in order.
    pub(crate) streams: Vec<(u16, u32)>,
}

impl Ether {
    /// An end, where the other is, and how QEMU is told of it.
    pub(crate) fn new() -> (Self, SocketAddr, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        // QEMU binds it again; a port that was free a moment ago.
        let guest = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nic = format!("socket,udp={},localaddr={guest}", socket.local_addr().unwrap());
        let (weather, mishaps) = (Weather::default(), [0; 3]);
        let (random, streams) = (Random::new(9), Vec::new());
        let ether =
            Self { socket, guest, again: None, random, weather, mishaps, sent: 0, bytes: [0; 2], streams };
        (ether, guest, nic)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.below(100) < percent
    }

    /// Sends a burst of long frames that everybody must look at, of a protocol that nobody knows.
    pub(crate) fn burst(&mut self) {
        let mut frame = [0xFF; FRAME];
        frame[12..14].copy_from_slice(&[0x88, 0xB5]);
        for _ in 0..self.weather.burst {
            self.put(&frame);
        }
    }

    fn put(&mut self, frame: &[u8]) {
        // A guest that is not there yet or any more loses the frame.
        if self.socket.send_to(frame, self.guest).is_ok() {
            self.sent += 1;
            // QEMU fills short ones up.
            self.bytes[0] += frame.len().max(SHORTEST) as u64;
        }
    }

    /// Frames that this machine's kernel has thrown away, since QEMU did not come to fetch them.
    pub(crate) fn unfetched(guest: SocketAddr) -> u64 {
        // Columns: number, address and port in hexadecimal digits, ..., the count at the end.
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
        let port = format!(":{:04X}", guest.port());
        let own = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let own = own.filter(|columns| columns.get(1).is_some_and(|place| place.ends_with(&port)));
        own.map(|columns| columns.last().unwrap().parse::<u64>().unwrap()).sum()
    }

    fn damage(&mut self, frame: &mut Vec<u8>) {
        if self.chance(self.weather.damage) {
            self.mishaps[2] += 1;
            let at = self.random.below(u32::try_from(frame.len()).unwrap()) as usize;
            match self.random.below(3) {
                0 => frame.truncate(at.max(1)),
                _ => frame[at] ^= u8::try_from(self.random.below(256)).unwrap() | 1,
            }
        }
    }

    /// How often a frame arrives.
    fn copies(&mut self) -> u32 {
        if self.chance(self.weather.loss) {
            self.mishaps[0] += 1;
            return 0;
        }
        let twice = self.chance(self.weather.twice);
        self.mishaps[1] += u32::from(twice);
        1 + u32::from(twice)
    }
}

/// Local port and sequence number, of a frame that begins a stream.
fn beginning(frame: &[u8]) -> Option<(u16, u32)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    let begins = packet.next_header() == IpProtocol::Tcp && segment.syn();
    begins.then(|| (segment.src_port(), u32::from_be_bytes(segment.seq_number().0.to_be_bytes())))
}

pub(crate) struct Received(Vec<u8>);

pub(crate) struct Sending<'a>(&'a mut Ether);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        for _ in 0..self.0.copies() {
            let mut sent = frame.clone();
            self.0.damage(&mut sent);
            self.0.put(&sent);
        }
        result
    }
}

impl Device for Ether {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        let mut frame = self.again.take();
        while frame.is_none() {
            let mut bytes = [0; 2048];
            let Ok(count) = self.socket.recv(&mut bytes) else { return None };
            let came = bytes[..count].to_vec();
            self.bytes[1] += count as u64;
            self.streams.extend(beginning(&came));
            match self.copies() {
                0 => continue,
                1 => {}
                _ => self.again = Some(came.clone()),
            }
            frame = Some(came);
        }
        Some((Received(frame?), Sending(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}
