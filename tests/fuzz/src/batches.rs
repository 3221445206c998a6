//! Record batches: any bytes read as one, and batches built from the fuzzer's records and read back by two readers that
//! share no code.
use crate::home::crc;
use crate::script::Script;
use kurier_broker::fetched_records;
use kurier_core::batch::read::Batch;
use kurier_core::batch::{Builder, Stamp, record_size, restamp, seal, split, upper_bound};
use kurier_core::record::{Header, Record};
use kurier_core::time::Timestamp;

/// Any bytes as record batches: read to the end or refused. What this reader takes, checksum included, the model
/// broker's takes too.
pub fn read(data: &[u8]) {
    let mut rest = data;
    let mut ours = Vec::new();
    let mut whole = true;
    while let Ok((batch, behind)) = Batch::parse(rest) {
        assert!(behind.len() < rest.len());
        let mut fixed = batch.bytes().to_vec();
        let sum = crc(0, &fixed[21..]);
        fixed[17..21].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(batch.crc_matches(crc), fixed == batch.bytes());
        let mut records = 0;
        let mut sound = true;
        for record in batch.records() {
            records += 1;
            assert!(records <= data.len(), "more records than bytes");
            match record {
                Ok(record) => {
                    let headers: Vec<_> = record.headers.collect();
                    assert!(headers.len() <= data.len());
                    ours.push((
                        record.key.map(<[u8]>::to_vec),
                        record.value.map(<[u8]>::to_vec),
                        headers.len(),
                    ));
                }
                Err(_) => sound = false,
            }
        }
        if sound {
            let theirs = fetched_records(&fixed).count();
            assert_eq!(theirs, records, "the model broker reads other records: {:?}", batch.header);
        }
        whole &= sound;
        rest = behind;
    }
    let _ = whole;
}

/// A record that owns its bytes.
struct Owned {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: i64,
}

impl Owned {
    fn draw(script: &mut Script<'_>, base: i64) -> Self {
        let shape = script.byte();
        let bytes = |script: &mut Script<'_>| {
            let len = match script.byte() {
                len @ 0..200 => usize::from(len),
                _ => usize::from(script.word() % 9000),
            };
            let mut bytes = script.take(len.min(16)).to_vec();
            bytes.resize(len, 0x5a);
            bytes
        };
        let key = (shape & 1 != 0).then(|| bytes(script));
        let value = (shape & 2 == 0).then(|| bytes(script));
        let headers = (0..if shape & 4 != 0 { script.below(5) } else { 0 })
            .map(|_| {
                let name = String::from_utf8_lossy(script.take(3)).into_owned();
                (name, (script.byte() & 1 != 0).then(|| bytes(script)))
            })
            .collect();
        let timestamp = match shape >> 5 {
            0 => base,
            1 => base.wrapping_add(i64::from(script.byte())),
            2 => base.wrapping_sub(i64::from(script.word())),
            3 => i64::MAX,
            4 => -1,
            5 => 0,
            _ => script.long(),
        };
        Self { key, value, headers, timestamp: timestamp.max(-1) }
    }

    fn with<R>(&self, work: impl FnOnce(&Record<'_>) -> R) -> R {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        work(&Record {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp: None,
            partition: None,
        })
    }
}

/// Records appended, handed in or written in place, until there is no room; sealed, stamped anew, and read back.
pub fn build(data: &[u8]) {
    let mut script = Script(data);
    let room = 62 + usize::from(script.word()) % 12_000;
    let mut buf = vec![script.byte(); room];
    let mut builder = Builder::new();
    let mut kept: Vec<Owned> = Vec::new();
    let base = if script.byte() & 1 == 0 { 1_700_000_000_000 } else { script.long().max(-1) };
    while !script.is_over() && kept.len() < 400 {
        let owned = Owned::draw(&mut script, base);
        let in_place = script.byte();
        let before = (builder, buf.get(61..builder.len as usize).unwrap_or_default().to_vec());
        let at = Timestamp(owned.timestamp);
        let taken = owned.with(|record| {
            let fits = builder.fits(room, record, at);
            let delta =
                if kept.is_empty() { 0 } else { owned.timestamp.wrapping_sub(builder.base_timestamp) };
            let size = record_size(record, kept.len() as i32, delta);
            let taken = match record.value.filter(|_| in_place & 1 != 0) {
                None => builder.append(&mut buf, record, at),
                Some(value) => {
                    let most = value.len() + usize::from(in_place >> 1);
                    let write = |room: &mut [u8]| {
                        room[..value.len()].copy_from_slice(value);
                        value.len()
                    };
                    builder.append_with(&mut buf, record.key, record.headers, at, most, write)
                }
            };
            if in_place & 1 == 0 || record.value.is_none() {
                assert_eq!(taken.is_ok(), fits, "fits() and append() disagree");
            } else {
                assert!(fits || taken.is_err(), "more room in place than handed in");
            }
            if taken.is_ok() {
                let start = (before.0.len as usize).max(61);
                assert_eq!(builder.len as usize, start + size, "record_size() is not what it took");
                if kept.is_empty() {
                    assert!(builder.len as usize <= upper_bound(record), "above its upper bound");
                }
            }
            taken
        });
        match taken {
            Ok(index) => {
                assert_eq!(index as usize, kept.len());
                kept.push(owned);
            }
            Err(_) => {
                assert_eq!(builder, before.0, "a record that did not fit left something behind");
                assert_eq!(buf.get(61..builder.len as usize).unwrap_or_default(), before.1);
            }
        }
    }
    sealed(&mut buf, &builder, &kept, &mut Script(data));
}

fn sealed(buf: &mut [u8], builder: &Builder, kept: &[Owned], script: &mut Script<'_>) {
    let stamp = |script: &mut Script<'_>| {
        let (producer_id, epoch) = (script.long() & i64::MAX, script.word().cast_signed() & i16::MAX);
        Some(Stamp { producer_id, epoch, base_sequence: script.of([0, 7, i32::MAX, i32::MAX - 2]) })
    };
    let end = builder.len as usize;
    let behind = buf[end.max(1)..].to_vec();
    let first = stamp(script);
    let done = seal(buf, builder, first, false, crc);
    assert_eq!(done, !kept.is_empty());
    if !done {
        return;
    }
    let once = buf[..end].to_vec();
    check(&once, kept, first);
    let second = if script.byte() & 1 == 0 { None } else { stamp(script) };
    assert!(restamp(buf, builder, second, false, crc));
    check(&buf[..end], kept, second);
    assert!(restamp(buf, builder, first, false, crc));
    assert_eq!(&buf[..end], once, "stamped back is not as before");
    assert_eq!(&buf[end..], behind, "bytes behind the batch changed");
    pieces(buf, *builder, kept, script);
}

/// A batch goes in pieces out of its own buffer: together they are its records, in order.
fn pieces(buf: &mut [u8], mut rest: Builder, mut kept: &[Owned], script: &mut Script<'_>) {
    while !rest.is_empty() {
        let target = u32::from(script.word() % 4000);
        let piece = split::prefix(buf, &rest, target);
        assert!((1..=rest.count).contains(&piece.count) && piece.len <= rest.len, "{piece:?} of {rest:?}");
        assert!(piece.count == 1 || piece.len <= target, "a piece of {} bytes above {target}", piece.len);
        let (now, later) = kept.split_at(piece.count as usize);
        let stamp = Some(Stamp { producer_id: 1, epoch: 2, base_sequence: 3 });
        assert!(seal(buf, &piece, stamp, false, crc));
        check(&buf[..piece.len as usize], now, stamp);
        split::advance(buf, &mut rest, piece.len, piece.count);
        kept = later;
    }
    assert!(kept.is_empty(), "{} records are lost", kept.len());
}

fn check(bytes: &[u8], kept: &[Owned], stamp: Option<Stamp>) {
    let (batch, rest) = Batch::parse(bytes).expect("our own batch");
    assert!(rest.is_empty() && batch.crc_matches(crc));
    let header = batch.header;
    let greatest = kept.iter().map(|owned| owned.timestamp).max();
    assert_eq!((Some(header.max_timestamp), header.count as usize), (greatest, kept.len()));
    let stamped = (header.producer_id, header.producer_epoch, header.base_sequence);
    assert_eq!(stamped, stamp.map_or((-1, -1, -1), |it| (it.producer_id, it.epoch, it.base_sequence)));
    let theirs: Vec<_> = fetched_records(bytes).collect();
    assert_eq!(theirs.len(), kept.len(), "the model broker reads other records");
    let mut ours = batch.records();
    for ((owned, theirs), index) in kept.iter().zip(&theirs).zip(0..) {
        let ours = ours.next().expect("as many").expect("our own record");
        assert_eq!((ours.key, ours.value), (owned.key.as_deref(), owned.value.as_deref()));
        assert_eq!((theirs.key, theirs.value), (owned.key.as_deref(), owned.value.as_deref()));
        assert_eq!((ours.timestamp.0, theirs.timestamp), (owned.timestamp, owned.timestamp));
        assert_eq!((ours.offset_delta, theirs.offset), (index, i64::from(index)));
        let headers = || owned.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        assert!(ours.headers.eq(headers()) && theirs.headers().eq(headers()), "headers of record {index}");
    }
    assert!(ours.next().is_none());
}
