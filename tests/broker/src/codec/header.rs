//! The headers of the broker's side: a request's is read, a response's is written.
use super::{CodecError, Tags};
use kurier_core::wire::{
    Api, Damage, registry,
    varint::{self, Varint},
};

/// A request's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// API key.
    pub key: i16,
    /// Version of the body.
    pub version: i16,
    /// To be repeated in the answer.
    pub correlation: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
    /// Its tagged fields; none are known.
    pub tags: Tags,
}

/// Reads the header of a request (what follows the int32 size) and returns the body behind it. The version of
/// the header follows from `api`, which is found by key; ApiVersions may come in a version nobody knows.
///
/// # Errors
/// The header is damaged, or its API is not known.
pub fn request_header(payload: &[u8]) -> Result<(RequestHeader, &[u8]), CodecError> {
    let (key, rest) = split::<2>(payload)?;
    let (version, rest) = split::<2>(rest)?;
    let (correlation, rest) = split::<4>(rest)?;
    let (length, mut rest) = split::<2>(rest)?;
    let (key, version) = (i16::from_be_bytes(key), i16::from_be_bytes(version));
    let api: &Api = registry::api(key).ok_or(CodecError::UnknownMessage { key, version })?;
    let client_id = match usize::try_from(i16::from_be_bytes(length)) {
        Ok(length) => {
            let (id, after) = rest.split_at_checked(length).ok_or(Damage::LengthBeyondEnd)?;
            rest = after;
            Some(String::from_utf8_lossy(id).into_owned())
        }
        Err(_) => None,
    };
    let mut tags = Vec::new();
    if api.request_header(version) >= 2 {
        (tags, rest) = read_tags(rest)?;
    }
    Ok((RequestHeader { key, version, correlation: i32::from_be_bytes(correlation), client_id, tags }, rest))
}

/// Writes a response's header: the correlation id, and tagged fields if the API's version has them.
pub fn response_header(api: &Api, version: i16, correlation: i32, tags: &Tags) -> Vec<u8> {
    let mut out = correlation.to_be_bytes().to_vec();
    if api.response_header(version) >= 1 {
        out.extend_from_slice(Varint::unsigned(tags.len() as u32).as_bytes());
        for (tag, bytes) in tags {
            out.extend_from_slice(Varint::unsigned(*tag).as_bytes());
            out.extend_from_slice(Varint::unsigned(bytes.len() as u32).as_bytes());
            out.extend_from_slice(bytes);
        }
    }
    out
}

/// Puts the int32 size before a payload.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(payload);
    out
}

fn split<const N: usize>(input: &[u8]) -> Result<([u8; N], &[u8]), Damage> {
    input.split_first_chunk::<N>().map(|(head, rest)| (*head, rest)).ok_or(Damage::Truncated)
}

fn read_tags(input: &[u8]) -> Result<(Tags, &[u8]), Damage> {
    let varint = |input| {
        varint::unsigned(input).map_err(|error| match error {
            error if error.is_incomplete() => Damage::Truncated,
            _ => Damage::VarintTooLong,
        })
    };
    let (mut rest, count) = varint(input)?;
    let mut tags = Vec::new();
    for _ in 0..i32::try_from(count).unwrap_or(0) {
        let (after, tag) = varint(rest)?;
        let (after, size) = varint(after)?;
        let size = usize::try_from(size).map_err(|_| Damage::LengthBeyondEnd)?;
        let (bytes, after) = after.split_at_checked(size).ok_or(Damage::LengthBeyondEnd)?;
        tags.push((tag, bytes.to_vec()));
        rest = after;
    }
    Ok((tags, rest))
}
