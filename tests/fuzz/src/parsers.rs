//! Any bytes as an answer, in every version, and the same bytes again in other pieces.
//!
//! Four readers must agree with themselves whatever the pieces: the walker alone, a link's frame reader with its small
//! window, the codec of the model broker (what it read, written and read again, is the same), and a whole producer that
//! gets these bytes for its answer: what it does next, to the byte of its next request, must not depend on how they
//! arrived.
use crate::walk::{Event, events, frame};
use crate::world;
use kurier_broker::codec;
use kurier_core::wire::{Message, Walker, registry, registry::Direction};

/// Answers of ApiVersions: the version's byte, eight bytes of cuts, the body behind the correlation id.
pub fn api_versions(data: &[u8]) {
    answer(18, data);
}

/// Answers of Metadata.
pub fn metadata(data: &[u8]) {
    answer(3, data);
}

/// Answers of InitProducerId.
pub fn init_producer_id(data: &[u8]) {
    answer(22, data);
}

/// Answers of Produce.
pub fn produce(data: &[u8]) {
    answer(0, data);
}

/// Every message there is a table for, requests too, by the walker alone.
pub fn messages(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let Some(pair) = registry::MESSAGES.get(usize::from(*which >> 1) % registry::MESSAGES.len()) else {
        return;
    };
    let message = pair[usize::from(which & 1)];
    if let Some((version, cuts, body)) = parts(message, rest) {
        walked(message, version, &cuts, body);
    }
}

/// The input of [`answer`] for these bytes of an answer, the correlation id left out.
pub(crate) fn input(message: &Message, version: i16, body: &[u8]) -> Vec<u8> {
    let mut input = vec![u8::try_from(version - message.api.oldest).unwrap_or(0)];
    input.extend([7, 3, 20, 1, 16, 90, 200, 1]);
    input.extend_from_slice(body);
    input
}

fn parts<'d>(message: &Message, data: &'d [u8]) -> Option<(i16, Vec<usize>, &'d [u8])> {
    let (version, rest) = data.split_first()?;
    let (cuts, body) = rest.split_first_chunk::<8>()?;
    let range = message.api.newest - message.api.oldest + 1;
    let version = message.api.oldest + i16::from(*version) % range;
    // Small steps from cut to cut, so that tokens are cut; the last steps are larger.
    let mut at = 0;
    let mut places: Vec<usize> = Vec::with_capacity(8);
    for (nth, cut) in cuts.iter().enumerate() {
        at += usize::from(*cut) << (nth / 3 * 2);
        places.push(at);
    }
    Some((version, places, body))
}

fn walked(message: &'static Message, version: i16, cuts: &[usize], body: &[u8]) -> Vec<Event> {
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let walker = || Walker::new(message, version, len);
    let whole = events(walker(), body, &[]);
    assert_eq!(events(walker(), body, cuts), whole, "in pieces");
    let bytes: Vec<usize> = (1..body.len()).collect();
    assert_eq!(events(walker(), body, &bytes), whole, "byte by byte");
    whole
}

fn answer(key: i16, data: &[u8]) {
    let Some(message) = registry::message(key, Direction::Response) else { return };
    let Some((version, cuts, body)) = parts(message, data) else { return };
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let walker = || Walker::response(message, version, len);
    let whole = events(walker(), body, &[]);
    assert_eq!(events(walker(), body, &cuts), whole, "in pieces");
    assert_eq!(frame(message, version, body, &cuts, 64), whole, "through a window of 64 bytes");
    assert_eq!(frame(message, version, body, &[], 256), whole, "through a window of 256 bytes");
    written_again(message, version, body, &whole);

    // The first cut also chooses the producer, or none: a run of it costs as much as a hundred walks.
    let setup = data.get(1).copied().unwrap_or_default();
    // What takes more reads than a pass has is rightly acted upon before its end.
    if body.len() > 1200 || setup & 8 != 0 {
        return;
    }
    let told = world::answered(key, version, body, &[], setup);
    let again = world::answered(key, version, body, &cuts, setup);
    assert_eq!(told, again, "a producer does something else when the answer comes in pieces");
}

/// What the codec reads it can write, and reads again as the same.
fn written_again(message: &'static Message, version: i16, body: &[u8], whole: &[Event]) {
    let tags = usize::from(message.api.response_header(version) >= 1);
    // Header tags are not the codec's; most answers have none.
    let Some(body) = body.get(tags..).filter(|_| tags == 0 || body.first() == Some(&0)) else { return };
    let decoded = codec::decode_all(message, version, body);
    assert_eq!(decoded.is_ok(), whole.last() == Some(&Event::Done), "walker and codec disagree: {decoded:?}");
    let Ok(decoded) = decoded else { return };
    // The first field of ApiVersions may say that the rest is of another version.
    if message.api.key == 18 && decoded.value.int("errorCode") == 35 {
        return;
    }
    let Ok(written) = codec::encode_all(message, version, &decoded.value, &decoded.unknown) else {
        panic!("what was read cannot be written: {decoded:?}");
    };
    match codec::decode_all(message, version, &written) {
        Ok(again) => {
            let twice = codec::encode_all(message, version, &again.value, &again.unknown);
            assert_eq!(twice.as_ref(), Ok(&written), "{decoded:?} became {again:?}");
        }
        Err(damage) => panic!("what was written cannot be read: {damage:?}, {decoded:?}"),
    }
}
