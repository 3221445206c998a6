//! What is known about a batch beside its bytes. It lies with the buffer, so that moving a batch moves a
//! pointer. Everything is zero in a free buffer.
use crate::defect::{self, Defect};
use crate::error::DeliveryError;
use crate::feature;
use crate::time::Millis;

/// CRC-32C (Castagnoli) continued over `bytes`; the first call is given 0. Handed in by the host: hardware
/// instructions on servers, a small table on bare metal.
pub type Crc32c = fn(crc: u32, bytes: &[u8]) -> u32;

/// How far a batch is filled. All zero when empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
// Else a device aligns all that holds one to eight bytes, and links its clearing of memory twice.
#[repr(C, packed(4))]
pub struct Builder {
    /// Bytes used, the 61 of the header included; 0 before the first record.
    pub len: u32,
    /// Records appended.
    pub count: u32,
    /// The first record's timestamp, Unix ms.
    pub base_timestamp: i64,
    /// The greatest timestamp, at least -1.
    pub max_timestamp: i64,
}

/// The bookkeeping of one batch.
#[derive(Debug, Clone, Copy)]
// What is looked at most first: a device reaches it with short instructions.
#[repr(C)]
pub struct Meta {
    /// Bits of [`flag`].
    pub flags: u16,
    /// The topic's index.
    pub topic: u16,
    /// The partition's slot.
    pub slot: u16,
    /// The link that carries it.
    pub link: u16,
    /// How often it was put into a request.
    pub attempts: u16,
    /// How many ends of earlier pieces lie at the end of the buffer, see [`delivery`](crate::delivery).
    pub ends: u16,
    /// Number of the batch within its producer; wraps.
    pub serial: u32,
    /// When it was opened.
    pub created: Millis,
    /// Partition number on the wire.
    pub partition: i32,
    /// Correlation id of the request that carries it.
    pub correlation: i32,
    /// Why it failed, once it has.
    pub error: DeliveryError,
    /// How far it is filled.
    pub builder: Builder,
    /// It goes in pieces of so many bytes, if they have more than one record; 0: it goes as it is. Bytes.
    pub target: u32,
    /// The piece that goes next, or is on its way: bytes with its header, and records. For a batch in pieces only.
    pub piece: (u32, u32),
    /// Records of earlier pieces: those in the buffer come behind them.
    pub first: u32,
    /// Records whose delivery was taken.
    pub told: u32,
}

/// Bits of [`Meta::flags`].
pub mod flag {
    /// Stamped and sealed: its header and checksum are written.
    pub const SEALED: u16 = 1;
    /// In a request that is neither answered nor given up; its bytes must not change.
    pub const IN_FLIGHT: u16 = 2;
    /// Written, as far as we are told.
    pub const ACKED: u16 = 4;
    /// Failed for good.
    pub const FAILED: u16 = 8;
    /// Some attempt may have written it.
    pub const MAYBE: u16 = 16;
    /// Its delivery was taken.
    pub const TOLD: u16 = 32;
    /// Its offset is known, and lies in the first eight of its bytes.
    pub const HAS_OFFSET: u16 = 64;
    /// The broker's timestamp is known, and lies in the next eight.
    pub const HAS_TIMESTAMP: u16 = 128;
    /// Its bytes hold the broker's notes on its refusal.
    pub const NOTES: u16 = 256;
    /// It has its stamp, and its header is to be written anew for its next piece.
    pub const RESEAL: u16 = 512;
    /// Some attempt may have written what is behind the piece, too.
    pub const MAYBE_REST: u16 = 1024;
    /// It may be written, and was last answered that its sequence does not follow on: it is in the log only if a later
    /// batch is, see `sender/window`.
    pub const DENIED: u16 = 1 << 11;
    /// Its delivery has its place among those to be told.
    pub const QUEUED: u16 = 1 << 12;
}

impl Meta {
    /// An empty one; all zero bits.
    pub const fn new() -> Self {
        Self {
            builder: Builder { len: 0, count: 0, base_timestamp: 0, max_timestamp: 0 },
            serial: 0,
            created: Millis(0),
            partition: 0,
            topic: 0,
            slot: 0,
            correlation: 0,
            link: 0,
            attempts: 0,
            flags: 0,
            error: DeliveryError::Broker(0),
            target: 0,
            piece: (0, 0),
            first: 0,
            told: 0,
            ends: 0,
        }
    }

    /// Whether it goes in pieces.
    pub const fn in_pieces(&self) -> bool {
        feature::PIECES && self.target != 0
    }

    /// Bytes of what goes next, or is on its way.
    pub const fn sent_len(&self) -> u32 {
        if self.in_pieces() { self.piece.0 } else { self.builder.len }
    }

    /// Records of what goes next, or is on its way.
    pub const fn sent_count(&self) -> u32 {
        if self.in_pieces() { self.piece.1 } else { self.builder.count }
    }

    /// What goes next, or is on its way. Of a batch in pieces the records of `bytes`, its own, are walked through.
    pub fn sent(&self, bytes: &[u8]) -> Builder {
        if self.in_pieces() { super::split::prefix(bytes, &self.builder, self.target) } else { self.builder }
    }

    /// Whether something is left behind what goes next.
    pub const fn has_rest(&self) -> bool {
        self.sent_count() < self.builder.count
    }

    /// Has it go in pieces of up to `target` bytes from now on. `bytes` are its own.
    pub fn divide(&mut self, bytes: &[u8], target: u32) {
        self.target = target.max(1);
        let piece = super::split::prefix(bytes, &self.builder, self.target);
        self.piece = (piece.len, piece.count);
        if self.flags & flag::SEALED != 0 {
            self.flags |= flag::RESEAL;
        }
    }

    /// Its first piece is over: takes it out of `bytes`, and turns to the next.
    pub fn advance(&mut self, bytes: &mut [u8]) {
        let (len, count) = self.piece;
        super::split::advance(bytes, &mut self.builder, len, count);
        if self.flags & flag::SEALED != 0 && !defect::on(Defect::PiecesShareSequence) {
            super::seal::skip(bytes, count);
        }
        self.first = self.first.saturating_add(count);
        self.attempts = 0;
        let maybe = if self.flags & flag::MAYBE_REST != 0 { flag::MAYBE } else { 0 };
        self.flags = self.flags & !flag::MAYBE | maybe;
        self.divide(bytes, self.target);
    }
}

impl Default for Meta {
    fn default() -> Self {
        Self::new()
    }
}
