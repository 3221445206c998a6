//! Produce requests and answers as bytes on a link: just enough of them to see which batches travel, and what a
//! broker has said about each. Versions 3-13, read by hand, so that a mistake in the core's tables cannot hide itself.

/// Bytes read from the front. `None` is the end of what there is.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, len: usize) -> Option<i64> {
        let bytes = self.take(len)?;
        let sign = if bytes.first()? & 0x80 == 0 { 0 } else { -1 };
        Some(bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = u64::from(*self.take(1)?.first()?);
            number |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        self.varint().map(|n| (n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A length in `fixed` bytes, or compact; `None` inside is null.
    fn len(&mut self, fixed: usize, flexible: bool) -> Option<Option<usize>> {
        let len = if flexible { self.varint()? as i64 - 1 } else { self.number(fixed)? };
        Some(usize::try_from(len).ok())
    }

    fn text(&mut self, flexible: bool) -> Option<&'b [u8]> {
        match self.len(2, flexible)? {
            Some(len) => self.take(len),
            None => Some(&[]),
        }
    }

    fn tags(&mut self, flexible: bool) -> Option<()> {
        if flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let len = self.varint()?;
                self.take(usize::try_from(len).ok()?)?;
            }
        }
        Some(())
    }
}

/// A topic's name or id as it is written, and the partition.
pub(super) type Place = (Vec<u8>, i32);

/// A batch in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) place: Place,
    /// Producer id, epoch, sequence.
    pub(super) stamp: (i64, i64, i64),
    /// The numbers of its first and its last record.
    pub(super) first: u64,
    pub(super) last: u64,
    /// How many they are: those between may go to other partitions.
    pub(super) count: i64,
    /// Bytes.
    pub(super) len: usize,
    /// The newest of them has a timestamp.
    pub(super) timed: bool,
}

/// A request as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) api: i64,
    pub(super) correlation: i64,
    pub(super) version: i64,
    /// `None` unless it is a Produce request.
    pub(super) batches: Option<Vec<Sent>>,
}

/// Reads a request, without its size.
pub(super) fn request(frame: &[u8]) -> Option<Request> {
    let r = &mut Reader(frame);
    let (api, version, correlation) = (r.number(2)?, r.number(2)?, r.number(4)?);
    r.text(false)?;
    if api != 0 {
        return Some(Request { api, correlation, version, batches: None });
    }
    let flexible = version >= 9;
    r.tags(flexible)?;
    r.text(flexible)?;
    let acks = r.number(2)?;
    r.number(4)?;
    let mut batches = Vec::new();
    for _ in 0..r.len(4, flexible)?? {
        let topic = topic(r, version)?.to_vec();
        for _ in 0..r.len(4, flexible)?? {
            let partition = r.number(4)? as i32;
            let len = r.len(4, flexible)??;
            batches.push(batch(r.take(len)?, (topic.clone(), partition))?);
            r.tags(flexible)?;
        }
        r.tags(flexible)?;
    }
    // Nothing is answered.
    let batches = if acks == 0 { None } else { Some(batches) };
    Some(Request { api, correlation, version, batches })
}

fn topic<'b>(r: &mut Reader<'b>, version: i64) -> Option<&'b [u8]> {
    if version >= 13 { r.take(16) } else { r.text(version >= 9) }
}

/// Reads a batch.
pub(super) fn batch(bytes: &[u8], place: Place) -> Option<Sent> {
    let r = &mut Reader(bytes.get(35..)?);
    let timed = r.number(8)? >= 0;
    let stamp = (r.number(8)?, r.number(2)?, r.number(4)?);
    let count = r.number(4)?;
    let (mut first, mut last) = (None, 0);
    for _ in 0..count {
        let len = r.zigzag()?;
        let record = &mut Reader(r.take(usize::try_from(len).ok()?)?);
        record.take(1)?;
        // The deltas of timestamp and offset.
        record.zigzag()?;
        record.zigzag()?;
        let key = record.zigzag()?;
        let key = record.take(usize::try_from(key).unwrap_or(0))?;
        let value = record.zigzag()?;
        let value = usize::try_from(value).ok().and_then(|len| record.take(len));
        last = u64::from_be_bytes(*value.unwrap_or(key).first_chunk()?);
        first.get_or_insert(last);
    }
    Some(Sent { place, stamp, first: first?, last, count, len: bytes.len(), timed })
}

/// What a broker says about a partition's batch: its error code, and who leads instead, since which epoch.
pub(super) type Said = (Place, i64, Option<(i64, i64)>);

/// The verdicts in as much of a Produce answer as has come, and whether that is all; `None` if it is damaged.
pub(super) fn answer(frame: &[u8], version: i64, whole: bool) -> Option<Vec<Said>> {
    let mut said = Vec::new();
    match read_answer(&mut Reader(frame), version, &mut said) {
        None if whole => None,
        _ => Some(said),
    }
}

/// For how many ms an answer asks for silence on its link (KIP-219), of versions in which that is the client's business.
pub(super) fn throttle(frame: &[u8], api: i64, version: i64) -> u64 {
    let r = &mut Reader(frame);
    let ms = match api {
        0 if version >= 6 => read_answer(r, version, &mut Vec::new()),
        // Metadata and InitProducerId begin with it.
        3 if version >= 6 => r.tags(version >= 9).and_then(|()| r.number(4)),
        22 if version >= 1 => r.tags(version >= 2).and_then(|()| r.number(4)),
        18 if version >= 2 => read_versions(r, version),
        _ => None,
    };
    ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}

/// Answers the throttle time, unless the broker did not know the version and answered in another.
fn read_versions(r: &mut Reader<'_>, version: i64) -> Option<i64> {
    let flexible = version >= 3;
    if r.number(2)? != 0 {
        return None;
    }
    for _ in 0..r.len(4, flexible)?? {
        r.take(6)?;
        r.tags(flexible)?;
    }
    r.number(4)
}

/// Answers the throttle time.
fn read_answer(r: &mut Reader<'_>, version: i64, said: &mut Vec<Said>) -> Option<i64> {
    let flexible = version >= 9;
    r.tags(flexible)?;
    for _ in 0..r.len(4, flexible)?? {
        let topic = topic(r, version)?.to_vec();
        for _ in 0..r.len(4, flexible)?? {
            let partition = r.number(4)? as i32;
            let error = r.number(2)?;
            r.take(if version >= 5 { 24 } else { 16 })?;
            if version >= 8 {
                for _ in 0..r.len(4, flexible)?? {
                    r.number(4)?;
                    r.text(flexible)?;
                    r.tags(flexible)?;
                }
                r.text(flexible)?;
            }
            let hint = if flexible { leader(r)? } else { None };
            said.push(((topic.clone(), partition), error, hint));
        }
        r.tags(flexible)?;
    }
    r.number(4)
}

/// The first tagged field of a partition: who leads it, since which epoch.
fn leader(r: &mut Reader<'_>) -> Option<Option<(i64, i64)>> {
    let mut told = None;
    for _ in 0..r.varint()? {
        let tag = r.varint()?;
        let len = usize::try_from(r.varint()?).ok()?;
        let field = &mut Reader(r.take(len)?);
        if tag == 0 {
            told = Some((field.number(4)?, field.number(4)?));
        }
    }
    Some(told)
}

/// What a metadata answer says of a topic.
#[derive(Debug)]
pub(super) struct View {
    pub(super) name: Vec<u8>,
    pub(super) id: Vec<u8>,
    /// Number, leader and its epoch.
    pub(super) partitions: Vec<(i32, i64, i64)>,
}

/// The topics without an error in as much of a metadata answer as has come, of a version that tells epochs and ids: where
/// topics have none, nobody knows when epochs begin again.
pub(super) fn views(frame: &[u8], version: i64) -> Vec<View> {
    let mut views = Vec::new();
    if version >= 10 {
        read_views(&mut Reader(frame), &mut views);
    }
    views
}

fn read_views(r: &mut Reader<'_>, views: &mut Vec<View>) -> Option<()> {
    r.tags(true)?;
    r.number(4)?;
    for _ in 0..r.len(4, true)?? {
        r.number(4)?;
        r.text(true)?;
        r.number(4)?;
        r.text(true)?;
        r.tags(true)?;
    }
    r.text(true)?;
    r.number(4)?;
    for _ in 0..r.len(4, true)?? {
        let error = r.number(2)?;
        let (name, id) = (r.text(true)?.to_vec(), r.take(16)?.to_vec());
        r.number(1)?;
        let known = views.len();
        views.push(View { name, id, partitions: Vec::new() });
        for _ in 0..r.len(4, true)?? {
            r.number(2)?;
            views.last_mut()?.partitions.push((r.number(4)? as i32, r.number(4)?, r.number(4)?));
            for _ in 0..3 {
                let count = r.len(4, true)??;
                r.take(count * 4)?;
            }
            r.tags(true)?;
        }
        r.number(4)?;
        r.tags(true)?;
        if error != 0 {
            views.truncate(known);
        }
    }
    Some(())
}
