//! Answers that are no answers: damaged in their frame, or said twice, or said to nobody.
//!
//! Never with another verdict in them: a broker that says "written" and has not is believed by every producer. So
//! only what holds the bytes together is changed, and what a truthful beginning is followed by.
#![allow(clippy::ptr_arg)] // all kinds of damage have one type
use super::dice::Dice;
use kurier_broker::{Body, Fault, RequestInfo};

/// One kind of damage.
type Damage = fn(&mut Vec<u8>);

const ANY: &[Damage] =
    &[of_another_request, twice, negative_size, huge_size, no_size, cut_short, with_more_behind];
const METADATA: &[Damage] = &[negative_throttle, cut_short, cut_shorter, without_end];
const PRODUCE: &[Damage] = &[cut_shorter, cut_short, without_end];

/// Damage to the answer of `request`.
pub(super) fn fault(request: &RequestInfo<'_>, dice: &mut Dice) -> Fault {
    let own = match request.body {
        Body::Metadata(_) if request.version >= 3 => METADATA,
        Body::Produce(_) => PRODUCE,
        _ => ANY,
    };
    let damage = if dice.chance(500) { dice.pick(ANY) } else { dice.pick(own) };
    Fault::alter(damage)
}

/// An answer to ApiVersions from a broker that speaks no version of Produce that this producer does.
pub(super) fn from_the_future(request: &RequestInfo<'_>) -> Fault {
    // Produce has the first key, and comes first: behind size, number, error and the length of the list.
    let change: Damage = match request.version {
        3.. => |frame| future_produce(frame, 11),
        _ => |frame| future_produce(frame, 14),
    };
    Fault::alter(change)
}

/// Half an answer.
pub(super) fn half() -> Fault {
    Fault::alter(cut_shorter)
}

fn future_produce(frame: &mut [u8], at: usize) {
    if let Some(range) = frame.get_mut(at + 2..at + 6) {
        range.copy_from_slice(&[0, 50, 0, 60]);
    }
}

fn put_size(frame: &mut [u8], size: i32) {
    if let Some(field) = frame.first_chunk_mut() {
        *field = size.to_be_bytes();
    }
}

fn resize(frame: &mut Vec<u8>, len: usize) {
    frame.resize(len, 0);
    put_size(frame, len.saturating_sub(4) as i32);
}

fn of_another_request(frame: &mut Vec<u8>) {
    if let Some(byte) = frame.get_mut(6) {
        *byte ^= 0x40;
    }
}

fn twice(frame: &mut Vec<u8>) {
    frame.extend_from_within(..);
}

fn negative_size(frame: &mut Vec<u8>) {
    put_size(frame, -1);
}

fn huge_size(frame: &mut Vec<u8>) {
    frame.truncate(8);
    put_size(frame, i32::MAX);
}

fn no_size(frame: &mut Vec<u8>) {
    put_size(frame, 0);
}

fn cut_short(frame: &mut Vec<u8>) {
    resize(frame, frame.len().saturating_sub(3).max(8));
}

fn cut_shorter(frame: &mut Vec<u8>) {
    resize(frame, (frame.len() / 2).max(8));
}

fn without_end(frame: &mut Vec<u8>) {
    resize(frame, 9.min(frame.len()));
}

fn with_more_behind(frame: &mut Vec<u8>) {
    resize(frame, frame.len() + 5);
}

/// The throttle time comes first, behind the header's tags if there are any.
fn negative_throttle(frame: &mut Vec<u8>) {
    if let Some(field) = frame.get_mut(9..13) {
        field.fill(0xff);
    }
}
