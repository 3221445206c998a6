//! SMSC's LAN9118 Ethernet controller as a device of smoltcp: frames through its FIFOs, an interrupt when one has come.
//!
//! No checksum offload, no DMA. Its receive FIFO holds about 10 KB: windows of all streams together should stay below.
//! Invariant: a frame that was begun to be read is read to its last word, or the FIFO would be out of step.
//!
//! Source: SMSC LAN9118 data sheet, revision 1.5.
#![allow(unsafe_code)] // registers
use crate::board::Board;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use static_cell::ConstStaticCell;

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5C;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const RX_CFG: usize = 0x6C;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7C;
const TX_FIFO_INF: usize = 0x80;
const PMT_CTRL: usize = 0x84;
const RX_DROP: usize = 0xA0;
const MAC_CSR_CMD: usize = 0xA4;
const MAC_CSR_DATA: usize = 0xA8;
const AFC_CFG: usize = 0xAC;

const MAC_CR: u32 = 1;
const MAC_ADDRH: u32 = 2;
const MAC_ADDRL: u32 = 3;
const MII_ACC: u32 = 6;
const MII_DATA: u32 = 7;

/// Frames with their header, without their checksum.
pub const FRAME: usize = 1514;
/// A frame in words.
const WORDS: usize = FRAME.div_ceil(4);
type Frame = [u8; WORDS * 4];
/// "A frame's status is in the FIFO": bit of the interrupt registers.
const RX_STATUS_LEVEL: u32 = 1 << 3;
/// Frames in a row that are none before the loop goes on: a controller that is gone reads as ones for ever.
const DAMAGED: u32 = 8;
/// The most that a status FIFO counts.
const STATUSES: u32 = 0xFF;
/// Tries before a controller that answers nothing is given up.
const PATIENCE: u32 = 100_000;

/// Frames and mishaps since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Frames taken.
    pub received: u32,
    /// Frames sent.
    pub sent: u32,
    /// Frames that came damaged or too long, and those for which there was no room: in the controller when they came (QEMU's
    /// does not count them), or to be sent from.
    pub dropped: u32,
    /// Bytes of the frames taken and sent, without their checksums.
    pub bytes: u32,
}

/// The controller.
pub struct Lan9118 {
    registers: Registers,
    /// The frame that came, and the one that goes.
    received: &'static mut Frame,
    sending: &'static mut Frame,
    traffic: Traffic,
}

#[derive(Clone, Copy)]
struct Registers(usize);

impl Registers {
    fn read(self, register: usize) -> u32 {
        // SAFETY: a word register within the controller, whose address only the board tells.
        unsafe { ((self.0 + register) as *const u32).read_volatile() }
    }

    fn write(self, register: usize, value: u32) {
        // SAFETY: as above; the controller writes to no memory.
        unsafe { ((self.0 + register) as *mut u32).write_volatile(value) }
    }

    /// Waits until `bits` of a register are as they should be.
    fn wait(self, register: usize, bits: u32, set: bool) -> Option<()> {
        (0..PATIENCE).find(|_| (self.read(register) & bits != 0) == set).map(|_| ())
    }

    fn mac_read(self, index: u32) -> Option<u32> {
        self.write(MAC_CSR_CMD, 1 << 31 | 1 << 30 | index);
        self.wait(MAC_CSR_CMD, 1 << 31, false)?;
        Some(self.read(MAC_CSR_DATA))
    }

    fn mac_write(self, index: u32, value: u32) -> Option<()> {
        self.write(MAC_CSR_DATA, value);
        self.write(MAC_CSR_CMD, 1 << 31 | index);
        self.wait(MAC_CSR_CMD, 1 << 31, false)
    }

    fn phy_write(self, register: u32, value: u32) -> Option<()> {
        self.mac_write(MII_DATA, value)?;
        // PHY 1, a write, begin.
        self.mac_write(MII_ACC, 1 << 11 | register << 6 | 1 << 1 | 1)?;
        (0..PATIENCE).find(|_| self.mac_read(MII_ACC).is_none_or(|busy| busy & 1 == 0)).map(|_| ())
    }
}

impl Lan9118 {
    /// Resets the controller of this board and starts it. `None` if there is none, it does not answer, or
    /// it was started before.
    pub fn new(board: &Board) -> Option<Self> {
        let registers = Registers(board.ethernet());
        registers.wait(PMT_CTRL, 1, true)?;
        if registers.read(BYTE_TEST) != 0x8765_4321 {
            return None;
        }
        registers.write(HW_CFG, 1);
        registers.wait(HW_CFG, 1, false)?;
        // Store and forward; 5 KB of the memory are for sending.
        registers.write(HW_CFG, 1 << 20 | 5 << 16);
        registers.write(AFC_CFG, 0x006E_3740);
        registers.write(INT_EN, 0);
        registers.write(INT_STS, u32::MAX);
        // Offer 10 and 100 Mbit/s, then agree with the other end.
        registers.phy_write(4, 0x01E1)?;
        registers.phy_write(0, 0x1200)?;
        registers.write(RX_CFG, 0);
        registers.write(TX_CFG, 0b110);
        // Full duplex, transmitter and receiver on.
        registers.mac_write(MAC_CR, 1 << 20 | 1 << 3 | 1 << 2)?;
        // An interrupt for each frame: push-pull, active high.
        registers.write(FIFO_INT, 0);
        registers.write(INT_EN, RX_STATUS_LEVEL);
        registers.write(IRQ_CFG, 0x111);
        static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([[0; WORDS * 4]; 2]);
        let [received, sending] = FRAMES.try_take()?;
        Some(Self { registers, received, sending, traffic: Traffic::default() })
    }

    /// The address that the board has given to the controller.
    pub fn address(&self) -> Option<[u8; 6]> {
        let [a, b, c, d] = self.registers.mac_read(MAC_ADDRL)?.to_le_bytes();
        let [e, f, ..] = self.registers.mac_read(MAC_ADDRH)?.to_le_bytes();
        Some([a, b, c, d, e, f])
    }

    /// Whether a frame has come. If none has, the interrupt is ready for the next.
    pub fn has_frame(&self) -> bool {
        self.registers.write(INT_STS, RX_STATUS_LEVEL);
        self.waiting() > 0
    }

    /// What went through so far.
    pub fn traffic(&mut self) -> Traffic {
        // Reading the counter clears it.
        self.traffic.dropped = self.traffic.dropped.wrapping_add(self.registers.read(RX_DROP));
        self.traffic
    }

    fn waiting(&self) -> u32 {
        self.registers.read(RX_FIFO_INF) >> 16 & 0xFF
    }

    /// Takes a frame out of the FIFO; its length without checksum, if it is whole.
    fn take(&mut self) -> Option<usize> {
        let status = self.registers.read(RX_STATUS);
        let whole = (status >> 16 & 0x3FFF) as usize;
        let mut places = self.received.chunks_exact_mut(4);
        for _ in 0..whole.div_ceil(4) {
            let word = self.registers.read(RX_DATA);
            // The checksum's words, at the end, may find no place.
            if let Some(place) = places.next() {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        let length = whole.checked_sub(4).filter(|length| *length <= FRAME);
        // Error summary, filtering fail.
        let length = length.filter(|_| status & (1 << 15 | 1 << 30) == 0);
        match length {
            Some(length) => {
                self.traffic.received = self.traffic.received.wrapping_add(1);
                self.traffic.bytes = self.traffic.bytes.wrapping_add(length as u32);
            }
            None => self.traffic.dropped = self.traffic.dropped.wrapping_add(1),
        }
        length
    }
}

/// A frame that has come.
pub struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to send.
pub struct Sending<'a> {
    registers: Registers,
    frame: &'a mut [u8],
    traffic: &'a mut Traffic,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let len = len.min(self.frame.len());
        let (frame, _) = self.frame.split_at_mut(len);
        let result = f(frame);
        let registers = self.registers;
        for _ in 0..STATUSES {
            if registers.read(TX_FIFO_INF) >> 16 & 0xFF == 0 {
                break;
            }
            registers.read(TX_STATUS);
        }
        let free = (registers.read(TX_FIFO_INF) & 0xFFFF) as usize;
        if free < len + 12 {
            // As on any network, a frame may be lost.
            self.traffic.dropped = self.traffic.dropped.wrapping_add(1);
            return result;
        }
        // First and last piece of a frame of so many bytes.
        let length = len as u32;
        registers.write(TX_DATA, 1 << 13 | 1 << 12 | length);
        registers.write(TX_DATA, length << 16 | length);
        for piece in frame.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            registers.write(TX_DATA, u32::from_le_bytes(word));
        }
        self.traffic.sent = self.traffic.sent.wrapping_add(1);
        self.traffic.bytes = self.traffic.bytes.wrapping_add(length);
        result
    }
}

impl Device for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        for _ in 0..DAMAGED {
            if self.waiting() == 0 {
                break;
            }
            if let Some(length) = self.take() {
                let frame = self.received.get(..length)?;
                let (registers, traffic) = (self.registers, &mut self.traffic);
                return Some((Received(frame), Sending { registers, frame: &mut self.sending[..], traffic }));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending { registers: self.registers, frame: &mut self.sending[..], traffic: &mut self.traffic })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(6);
        capabilities
    }
}
