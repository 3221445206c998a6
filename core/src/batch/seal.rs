//! Sealing: the 61 bytes before the records, and the checksum over everything.
//!
//! A batch is sealed once, when it is first put into a request, and may be stamped anew while it is certain
//! that no broker has it. The records are not touched by either.
use super::layout::{
    ATTRIBUTES, BASE_OFFSET, BASE_SEQUENCE, BASE_TIMESTAMP, CRC, HEADER, LAST_OFFSET_DELTA, LEADER_EPOCH,
    LENGTH, LOG_OVERHEAD, MAGIC, MAGIC_2, MAX_TIMESTAMP, PRODUCER_EPOCH, PRODUCER_ID, RECORD_COUNT,
    TRANSACTIONAL,
};
use super::meta::{Builder, Crc32c};
use crate::feature;

/// Who produced a batch, and where in its partition's sequence it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The producer id the broker gave, from 0.
    pub producer_id: i64,
    /// Its epoch, from 0.
    pub epoch: i16,
    /// The first record's sequence, from 0; the others follow by [`sequence::add`](super::sequence::add).
    pub base_sequence: i32,
}

impl Stamp {
    /// What a batch without idempotence has in the same fields.
    const NONE: Self = Self { producer_id: -1, epoch: -1, base_sequence: -1 };
}

/// The stamp of a sealed batch; `None` is a producer without idempotence.
pub fn stamp_of(buf: &[u8]) -> Option<Stamp> {
    let producer_id = i64::from_be_bytes(get(buf, PRODUCER_ID)?);
    let epoch = i16::from_be_bytes(get(buf, PRODUCER_EPOCH)?);
    let base_sequence = i32::from_be_bytes(get(buf, BASE_SEQUENCE)?);
    (producer_id >= 0).then_some(Stamp { producer_id, epoch, base_sequence })
}

/// The first `count` records of a sealed batch are gone: it begins so much later in its partition's sequence.
pub fn skip(buf: &mut [u8], count: u32) {
    if let Some(stamp) = stamp_of(buf) {
        set(buf, BASE_SEQUENCE, super::sequence::add(stamp.base_sequence, count).to_be_bytes());
    }
}

/// Writes the header before the records that `builder` put into `buf`, and the checksum. `None` is a producer
/// without idempotence. `transactional` needs a stamp to mean anything to a broker.
///
/// To seal the first records only (a batch that was too large is sent in pieces), hand in a builder that
/// describes them. Answers false, and writes nothing, if there is no record or `buf` is not `builder`'s.
pub fn seal(
    buf: &mut [u8],
    builder: &Builder,
    stamp: Option<Stamp>,
    transactional: bool,
    crc: Crc32c,
) -> bool {
    let Some(batch) = sealed_part(buf, builder) else { return false };
    set(batch, BASE_OFFSET, 0_i64.to_be_bytes());
    // LOG_OVERHEAD < HEADER <= len
    set(batch, LENGTH, builder.len.wrapping_sub(LOG_OVERHEAD).to_be_bytes());
    set(batch, LEADER_EPOCH, (-1_i32).to_be_bytes());
    set(batch, MAGIC, [MAGIC_2]);
    set(batch, ATTRIBUTES, 0_i16.to_be_bytes());
    set(batch, LAST_OFFSET_DELTA, builder.count.wrapping_sub(1).to_be_bytes());
    let (base, max) =
        if feature::TIMESTAMPS { (builder.base_timestamp, builder.max_timestamp) } else { (-1, -1) };
    set(batch, BASE_TIMESTAMP, base.to_be_bytes());
    set(batch, MAX_TIMESTAMP, max.to_be_bytes());
    set(batch, RECORD_COUNT, builder.count.to_be_bytes());
    restamp(buf, builder, stamp, transactional, crc)
}

/// Gives a sealed batch another stamp, and the checksum that goes with it. Not while a broker may have the
/// batch: it would take it for a second one.
///
/// Answers false, and writes nothing, if there is no record or `buf` is not `builder`'s.
pub fn restamp(
    buf: &mut [u8],
    builder: &Builder,
    stamp: Option<Stamp>,
    transactional: bool,
    crc: Crc32c,
) -> bool {
    let Some(batch) = sealed_part(buf, builder) else { return false };
    let Stamp { producer_id, epoch, base_sequence } = stamp.unwrap_or(Stamp::NONE);
    let others = get(batch, ATTRIBUTES).map_or(0, i16::from_be_bytes) & !TRANSACTIONAL;
    let attributes = if transactional { others | TRANSACTIONAL } else { others };
    set(batch, ATTRIBUTES, attributes.to_be_bytes());
    set(batch, PRODUCER_ID, producer_id.to_be_bytes());
    set(batch, PRODUCER_EPOCH, epoch.to_be_bytes());
    set(batch, BASE_SEQUENCE, base_sequence.to_be_bytes());
    let sum = crc(0, batch.get(ATTRIBUTES..).unwrap_or_default());
    set(batch, CRC, sum.to_be_bytes());
    true
}

fn sealed_part<'a>(buf: &'a mut [u8], builder: &Builder) -> Option<&'a mut [u8]> {
    buf.get_mut(..builder.len as usize).filter(|batch| batch.len() > HEADER)
}

/// Puts a fixed field in its place. It is there: the caller has seen that the slice holds a header.
#[inline]
fn set<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = batch.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = value;
    }
}

fn get<const N: usize>(batch: &[u8], at: usize) -> Option<[u8; N]> {
    batch.get(at..).and_then(|rest| rest.first_chunk()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::time::Timestamp;

    /// The table-driven checksum of bare metal, continued as [`Crc32c`] asks.
    fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
        const TABLE: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
        let mut digest = TABLE.digest_with_initial((!crc).reverse_bits());
        digest.update(bytes);
        digest.finalize()
    }

    const STAMP: Stamp = Stamp { producer_id: 5, epoch: 1, base_sequence: 40 };

    fn batch(buf: &mut [u8]) -> Builder {
        let mut builder = Builder::new();
        builder.append(buf, &Record::value(b"one"), Timestamp(1)).unwrap();
        builder.append(buf, &Record::value(b"two"), Timestamp(2)).unwrap();
        builder
    }

    #[test]
    fn the_checksum_covers_everything_behind_it() {
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
        let mut buf = [0xff; 128];
        let builder = batch(&mut buf);
        let end = builder.len as usize;
        buf[end..].fill(0xff);
        assert!(seal(&mut buf, &builder, Some(STAMP), false, crc32c));
        let stored = u32::from_be_bytes([buf[17], buf[18], buf[19], buf[20]]);
        assert_eq!(stored, crc32c(0, &buf[21..end]));
        assert!(buf[end..].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn a_new_stamp_is_the_same_as_sealing_with_it() {
        let (mut one, mut two) = ([0; 128], [0; 128]);
        let builder = batch(&mut one);
        batch(&mut two);
        let later = Stamp { producer_id: 6, epoch: 2, base_sequence: 0 };
        assert!(seal(&mut one, &builder, Some(STAMP), true, crc32c));
        assert!(restamp(&mut one, &builder, Some(later), false, crc32c));
        assert!(seal(&mut two, &builder, Some(later), false, crc32c));
        assert_eq!(one, two);
        // Other flags are not a stamp's to change.
        one[ATTRIBUTES + 1] |= 0x08;
        assert!(restamp(&mut one, &builder, None, true, crc32c));
        assert_eq!(one[ATTRIBUTES + 1], 0x18);
    }

    #[test]
    fn a_front_part_is_sealed_as_a_batch_of_its_own() {
        let (mut whole, mut part) = ([0; 128], [0; 128]);
        batch(&mut whole);
        let mut first = Builder::new();
        first.append(&mut part, &Record::value(b"one"), Timestamp(1)).unwrap();
        assert!(seal(&mut whole, &first, Some(STAMP), false, crc32c));
        assert!(seal(&mut part, &first, Some(STAMP), false, crc32c));
        assert_eq!(whole[..first.len as usize], part[..first.len as usize]);
    }

    #[test]
    fn nothing_is_sealed_without_records_or_in_a_foreign_buffer() {
        let mut buf = [7; 128];
        assert!(!seal(&mut buf, &Builder::new(), None, false, crc32c));
        assert_eq!(buf, [7; 128]);
        let builder = batch(&mut buf);
        assert!(!seal(&mut buf[..70], &builder, None, false, crc32c));
        assert!(!restamp(&mut [], &builder, None, false, crc32c));
        assert_eq!(buf[..61], [7; 61]);
    }
}
