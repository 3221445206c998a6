//! Where the fixed fields of a record batch of magic 2 lie. Big-endian; offsets from the batch's first byte.
//!
//! ```text
//!  0        8      12      16 17   21  23      27        35       43        51  53      57      61
//!  +--------+-------+-------+-+-----+---+-------+---------+--------+---------+---+-------+-------+--------
//!  |base    |length |leader |2|CRC  |att|last   |base     |max     |producer |ep |base   |record |records
//!  |offset  |       |epoch  | |     |rib|offset |timestamp|timestmp|id       |och|sequ.  |count  |...
//!  +--------+-------+-------+-+-----+---+-------+---------+--------+---------+---+-------+-------+--------
//!           |       |<---------------- length counts from here to the end ----------------------...
//!                                   |<-- CRC-32C covers from here to the end -----------------...
//! ```
//!
//! Source: KIP-98, and the batches that Kafka's own producer writes.

/// Offset of the first record; 0 from a producer, the broker's to fill. int64.
pub const BASE_OFFSET: usize = 0;
/// Bytes that follow this field. int32.
pub const LENGTH: usize = 8;
/// -1 from a producer, the broker's to fill. int32.
pub const LEADER_EPOCH: usize = 12;
/// 2. int8.
pub const MAGIC: usize = 16;
/// CRC-32C of everything behind it. What lies before it may change without a new one. uint32.
pub const CRC: usize = 17;
/// Codec and flags, see the constants below. int16.
pub const ATTRIBUTES: usize = 21;
/// The last record's index. int32.
pub const LAST_OFFSET_DELTA: usize = 23;
/// The first record's timestamp, whatever the others have. int64.
pub const BASE_TIMESTAMP: usize = 27;
/// The greatest timestamp, at least -1. int64.
pub const MAX_TIMESTAMP: usize = 35;
/// -1 without idempotence. int64.
pub const PRODUCER_ID: usize = 43;
/// -1 without idempotence. int16.
pub const PRODUCER_EPOCH: usize = 51;
/// The first record's sequence; -1 without idempotence. int32.
pub const BASE_SEQUENCE: usize = 53;
/// How many records follow. int32.
pub const RECORD_COUNT: usize = 57;
/// Bytes of all these; the first record lies here.
pub const HEADER: usize = 61;

/// The only format of records this producer writes.
pub const MAGIC_2: u8 = 2;
/// Bytes before those that [`LENGTH`] counts.
pub const LOG_OVERHEAD: u32 = 12;
/// What Kafka's producer takes as the most a record needs beside key, value and headers.
pub const MAX_RECORD_OVERHEAD: usize = 21;

/// The bits of the attributes that name the codec; 0 is none.
pub const CODEC_MASK: i16 = 0x07;
/// The timestamps are those of the broker's append.
pub const LOG_APPEND_TIME: i16 = 1 << 3;
/// Part of a transaction.
pub const TRANSACTIONAL: i16 = 1 << 4;
/// Written by a coordinator, never by a producer.
pub const CONTROL: i16 = 1 << 5;
