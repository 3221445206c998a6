//! Reading requests and writing answers: Kafka's primitive types over byte slices, classic and flexible.
//!
//! A reader never trusts a length: nothing is reserved from a count the peer sent. Strings that are not UTF-8
//! are read as Kafka's Java code does, with replacement characters.
use std::borrow::Cow;

/// A topic id: a UUID, most significant byte first. All zero stands for none.
pub type Uuid = [u8; 16];

/// The bytes are not what their schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A request's bytes, read from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Whether lengths are compact and structs end in tagged fields.
    flexible: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], flexible: bool) -> Self {
        Self { rest: bytes, flexible }
    }

    /// The same bytes, read on in the other encoding.
    pub(crate) fn with_flexible(self, flexible: bool) -> Self {
        Self { flexible, ..self }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.i8()? != 0)
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, Malformed> {
        self.array()
    }

    /// An unsigned varint of up to five bytes; bits beyond the 32nd are dropped as Kafka does.
    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A compact length: 0 is null.
    fn compact_len(&mut self) -> Result<Option<usize>, Malformed> {
        // Kafka computes `varint - 1` in a signed 32-bit integer, so what is above 2^31 is null too.
        Ok(usize::try_from(self.unsigned_varint()?.cast_signed().wrapping_sub(1)).ok())
    }

    fn string_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let len = if self.flexible { self.compact_len()? } else { usize::try_from(self.i16()?).ok() };
        match len {
            None => Ok(None),
            Some(len) if len > 0x7fff => Err(Malformed),
            Some(len) => self.take(len).map(Some),
        }
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<Cow<'a, str>>, Malformed> {
        Ok(self.string_bytes()?.map(String::from_utf8_lossy))
    }

    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.nullable_string()?.ok_or(Malformed)
    }

    /// Bytes with a 32-bit or compact length; `None` is null.
    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let len = if self.flexible { self.compact_len()? } else { usize::try_from(self.i32()?).ok() };
        len.map(|len| self.take(len)).transpose()
    }

    /// An array's count; `None` is null. Never more than the bytes that are left.
    pub(crate) fn nullable_count(&mut self) -> Result<Option<usize>, Malformed> {
        let count = if self.flexible { self.compact_len()? } else { usize::try_from(self.i32()?).ok() };
        match count {
            Some(count) if count > self.rest.len() => Err(Malformed),
            count => Ok(count),
        }
    }

    /// An array that may not be null.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        self.nullable_count()?.ok_or(Malformed)
    }

    /// The tagged fields at the end of a struct, skipped; nothing in classic versions.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        if self.flexible {
            for _ in 0..self.unsigned_varint()?.cast_signed().max(0) {
                self.unsigned_varint()?;
                let size = self.unsigned_varint()?;
                self.take(usize::try_from(size).map_err(|_| Malformed)?)?;
            }
        }
        Ok(())
    }
}

/// An answer's bytes, written at the end of a buffer.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    flexible: bool,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>, flexible: bool) -> Self {
        Self { out, flexible }
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    pub(crate) fn uuid(&mut self, value: &Uuid) {
        self.out.extend_from_slice(value);
    }

    pub(crate) fn unsigned_varint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    pub(crate) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&str>) {
        let value = value.map(|text| text.get(..text.len().min(0x7fff)).unwrap_or_default());
        match (self.flexible, value) {
            (true, None) => self.unsigned_varint(0),
            (true, Some(text)) => self.unsigned_varint(text.len() as u32 + 1),
            (false, None) => self.i16(-1),
            (false, Some(text)) => self.i16(text.len() as i16),
        }
        self.out.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    /// The length of bytes that the caller appends itself.
    pub(crate) fn bytes_len(&mut self, len: usize) {
        self.count(len);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn count(&mut self, count: usize) {
        if self.flexible {
            self.unsigned_varint(count as u32 + 1);
        } else {
            self.i32(count as i32);
        }
    }

    /// A null array.
    pub(crate) fn null_count(&mut self) {
        if self.flexible {
            self.out.push(0);
        } else {
            self.i32(-1);
        }
    }

    pub(crate) fn i32s(&mut self, values: &[i32]) {
        self.count(values.len());
        values.iter().for_each(|&value| self.i32(value));
    }

    /// The end of a struct without tagged fields.
    pub(crate) fn end(&mut self) {
        if self.flexible {
            self.out.push(0);
        }
    }

    /// One tagged field, whose value `fill` writes. The number of tags stands before the first, see [`Self::tags`].
    pub(crate) fn tag(&mut self, tag: u32, fill: impl FnOnce(&mut Writer<'_>)) {
        let mut value = Vec::new();
        fill(&mut Writer { out: &mut value, flexible: true });
        self.unsigned_varint(tag);
        self.unsigned_varint(value.len() as u32);
        self.out.extend_from_slice(&value);
    }

    /// The number of tagged fields that follow; nothing in classic versions.
    pub(crate) fn tags(&mut self, count: u32) {
        if self.flexible {
            self.unsigned_varint(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_counts_read_back_in_both_encodings() {
        for flexible in [false, true] {
            let mut out = Vec::new();
            let mut w = Writer::new(&mut out, flexible);
            w.string("");
            w.nullable_string(None);
            w.string(&"x".repeat(300));
            w.i32s(&[1, -2, 3]);
            w.end();
            let mut r = Reader::new(&out, flexible);
            assert_eq!(r.string().unwrap(), "");
            assert_eq!(r.nullable_string().unwrap(), None);
            assert_eq!(r.string().unwrap().len(), 300);
            assert_eq!(r.count().unwrap(), 3);
            assert_eq!([r.i32().unwrap(), r.i32().unwrap(), r.i32().unwrap()], [1, -2, 3]);
            r.end().unwrap();
            assert!(r.rest.is_empty());
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_left_is_refused() {
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0], false).count(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff], false).nullable_count(), Ok(None));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff], false).count(), Err(Malformed));
    }

    #[test]
    fn a_varint_ends_within_five_bytes() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f], true).unsigned_varint(), Ok(u32::MAX));
        assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0], true).unsigned_varint(), Err(Malformed));
    }

    #[test]
    fn tagged_fields_are_skipped_by_their_size() {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, true);
        w.tags(2);
        w.tag(0, |w| w.string("abc"));
        w.tag(9, |w| w.i64(1));
        w.i16(7);
        let mut r = Reader::new(&out, true);
        r.end().unwrap();
        assert_eq!(r.i16(), Ok(7));
    }
}
