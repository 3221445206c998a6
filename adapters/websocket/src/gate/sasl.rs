//! SaslHandshake and SaslAuthenticate, read and written anew like everything else. Credentials are not looked at and not
//! kept: the broker judges them.
//!
//! Source: Kafka's SaslHandshakeRequest, SaslAuthenticateRequest and their responses, of 4.3. The core has no tables of
//! them, having no SASL. Version 0 of the handshake is not let through: what follows it has no Kafka header (KIP-152).
use kurier_core::wire::varint::{self, Varint};

pub(super) const HANDSHAKE: i16 = 17;
pub(super) const AUTHENTICATE: i16 = 36;

/// Key, oldest and newest version.
pub(super) const APIS: [(i16, i16, i16); 2] = [(HANDSHAKE, 1, 1), (AUTHENTICATE, 0, 2)];

/// The first version of SaslAuthenticate with compact lengths and tagged fields.
const FLEXIBLE: i16 = 2;
/// Entries of a list: mechanisms of a broker.
const MAX_LIST: usize = 1_000;

#[derive(Debug, Clone, Copy)]
enum Field {
    /// So many bytes.
    Fixed(usize),
    Text,
    NullableText,
    Bytes,
    Texts,
}
use Field::{Bytes, Fixed, NullableText, Text, Texts};

/// A request of one of these APIs that was understood.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) correlation: i32,
    /// Header and body in Kafka's own form.
    pub(super) payload: Vec<u8>,
}

/// The versions of an API that are let through, if it is one of these.
pub(super) fn versions(key: i16) -> Option<(i16, i16)> {
    APIS.iter().find(|(known, ..)| *known == key).map(|(_, oldest, newest)| (*oldest, *newest))
}

/// Reads a request whose first 4 bytes are a known key and version. `None`: it is damaged.
pub(super) fn request(payload: &[u8]) -> Option<Request> {
    let ([k0, k1, v0, v1], rest) = payload.split_first_chunk()?;
    let (correlation, _) = rest.split_first_chunk()?;
    let (key, version) = (i16::from_be_bytes([*k0, *k1]), i16::from_be_bytes([*v0, *v1]));
    let flexible = key == AUTHENTICATE && version >= FLEXIBLE;
    let body: &[Field] = if key == HANDSHAKE { &[Text] } else { &[Bytes] };
    // The client's name has a length of 2 bytes in every version.
    let (mut out, rest) = copy(&[Fixed(8), NullableText], false, payload)?;
    let rest = if flexible {
        let (tags, rest) = copy(&[], true, rest)?;
        out.extend(tags);
        rest
    } else {
        rest
    };
    out.extend(copy(body, flexible, rest)?.0);
    Some(Request { correlation: i32::from_be_bytes(*correlation), payload: out })
}

/// Reads an answer behind its correlation id, and writes that part anew. `None`: it is damaged.
pub(super) fn answer(key: i16, version: i16, rest: &[u8]) -> Option<Vec<u8>> {
    let flexible = key == AUTHENTICATE && version >= FLEXIBLE;
    let body: &[Field] = match (key, version) {
        (HANDSHAKE, _) => &[Fixed(2), Texts],
        (_, 0) => &[Fixed(2), NullableText, Bytes],
        _ => &[Fixed(2), NullableText, Bytes, Fixed(8)],
    };
    if !flexible {
        return copy(body, false, rest).map(|(out, _)| out);
    }
    let (mut out, rest) = copy(&[], true, rest)?;
    out.extend(copy(body, true, rest)?.0);
    Some(out)
}

/// Reads these fields, and tagged ones behind them if the form is flexible, and writes them anew without the tagged.
fn copy<'i>(fields: &[Field], flexible: bool, mut input: &'i [u8]) -> Option<(Vec<u8>, &'i [u8])> {
    let mut out = Vec::new();
    for field in fields {
        input = match field {
            Fixed(len) => {
                let (bytes, rest) = input.split_at_checked(*len)?;
                out.extend_from_slice(bytes);
                rest
            }
            Text => copy_value(flexible, 2, false, input, &mut out)?,
            NullableText => copy_value(flexible, 2, true, input, &mut out)?,
            Bytes => copy_value(flexible, 4, false, input, &mut out)?,
            Texts => {
                let (count, mut rest) = length(flexible, 4, input)?;
                let count = count.filter(|count| *count <= MAX_LIST)?;
                put_length(flexible, 4, Some(count), &mut out)?;
                for _ in 0..count {
                    rest = copy_value(flexible, 2, false, rest, &mut out)?;
                }
                rest
            }
        };
    }
    if flexible {
        input = skip_tags(input)?;
        out.push(0);
    }
    Some((out, input))
}

fn copy_value<'i>(
    flexible: bool,
    width: usize,
    nullable: bool,
    input: &'i [u8],
    out: &mut Vec<u8>,
) -> Option<&'i [u8]> {
    let (len, rest) = length(flexible, width, input)?;
    if len.is_none() && !nullable {
        return None;
    }
    let (bytes, rest) = rest.split_at_checked(len.unwrap_or(0))?;
    put_length(flexible, width, len, out)?;
    out.extend_from_slice(bytes);
    Some(rest)
}

/// A length, `Some(None)` for null; of 2 or 4 bytes, or compact.
fn length(flexible: bool, width: usize, input: &[u8]) -> Option<(Option<usize>, &[u8])> {
    if flexible {
        let (rest, more) = varint::unsigned(input).ok()?;
        let len = usize::try_from(more).ok()?.checked_sub(1);
        return Some((len, rest));
    }
    let (value, rest) = if width == 2 {
        let (bytes, rest) = input.split_first_chunk()?;
        (i32::from(i16::from_be_bytes(*bytes)), rest)
    } else {
        let (bytes, rest) = input.split_first_chunk()?;
        (i32::from_be_bytes(*bytes), rest)
    };
    match value {
        -1 => Some((None, rest)),
        _ => Some((Some(usize::try_from(value).ok()?), rest)),
    }
}

fn put_length(flexible: bool, width: usize, len: Option<usize>, out: &mut Vec<u8>) -> Option<()> {
    if flexible {
        let more = len.map_or(0, |len| len + 1);
        out.extend_from_slice(Varint::unsigned(u64::try_from(more).ok()?).as_bytes());
    } else {
        let len = len.map_or(Ok(-1), i32::try_from).ok()?;
        // Of the 2 bytes that a short length has, it was read.
        out.extend_from_slice(len.to_be_bytes().get(4_usize.checked_sub(width)?..)?);
    }
    Some(())
}

fn skip_tags(input: &[u8]) -> Option<&[u8]> {
    let (mut rest, count) = varint::unsigned(input).ok()?;
    for _ in 0..u64::from(count) {
        let (after, _tag) = varint::unsigned(rest).ok()?;
        let (after, size) = varint::unsigned(after).ok()?;
        (_, rest) = after.split_at_checked(usize::try_from(size).ok()?)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\0\x11\0\x01\0\0\0\x07\0\x01p\0\x05PLAIN";

    #[test]
    fn a_request_is_written_as_it_was_but_for_what_is_not_understood() {
        let request = |bytes: &[u8]| request(bytes).map(|request| request.payload);
        assert_eq!(request(HELLO).as_deref(), Some(HELLO));
        assert_eq!(request(&[HELLO, b"and more"].concat()).as_deref(), Some(HELLO));
        let old = b"\0\x24\0\x01\0\0\0\x07\xff\xff\0\0\0\x03\0a\0";
        assert_eq!(request(old).as_deref(), Some(&old[..]));
        // Tagged fields in header and body, and a length in two bytes where one would do.
        let plain = b"\0\x24\0\x02\0\0\0\x07\0\x01p\0\x04\0a\0\0";
        let strange = b"\0\x24\0\x02\0\0\0\x07\0\x01p\x01\x63\x02xy\x84\0\0a\0\x01\x05\x01z";
        assert_eq!(request(plain).as_deref(), Some(&plain[..]));
        assert_eq!(request(strange).as_deref(), Some(&plain[..]));
    }

    #[test]
    fn what_ends_early_or_lacks_a_value_is_damaged() {
        let flexible = b"\0\x24\0\x02\0\0\0\x07\0\x01p\0\x04\0a\0\0";
        for whole in [HELLO, &flexible[..]] {
            for len in 4..whole.len() {
                assert!(request(&whole[..len]).is_none(), "{len}");
            }
        }
        assert!(request(b"\0\x11\0\x01\0\0\0\x07\0\x01p\xff\xff").is_none(), "no mechanism");
        assert!(request(b"\0\x11\0\x01\0\0\0\x07\0\x01p\x80\0").is_none(), "a length below -1");
    }

    #[test]
    fn answers_of_every_version_are_written_as_they_were() {
        let answers: [(i16, i16, &[u8]); 4] = [
            (HANDSHAKE, 1, b"\0\0\0\0\0\x02\0\x05PLAIN\0\x01X"),
            (AUTHENTICATE, 0, b"\0\x3a\0\x02no\0\0\0\0"),
            (AUTHENTICATE, 1, b"\0\0\xff\xff\0\0\0\x01z\0\0\0\0\0\0\0\x09"),
            (AUTHENTICATE, 2, b"\0\0\0\0\x02z\0\0\0\0\0\0\0\x09\0"),
        ];
        for (key, version, whole) in answers {
            assert_eq!(answer(key, version, whole).as_deref(), Some(whole), "{key} {version}");
            for len in 0..whole.len() {
                assert_eq!(answer(key, version, &whole[..len]), None, "{key} {version}, {len} bytes");
            }
        }
        let tagged = b"\x01\x07\x01x\0\0\0\x02z\0\0\0\0\0\0\0\x09\x01\x08\0";
        assert_eq!(answer(AUTHENTICATE, 2, tagged).as_deref(), Some(answers[3].2));
    }
}
