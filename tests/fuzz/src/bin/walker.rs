//! Every message, every version, any bytes in any pieces: the walker ends, takes no more than it was given, and
//! says the same whatever the pieces.
#![no_main]
use kurier_core::wire::registry::MESSAGES;
use kurier_core::wire::{Damage, Item, Walker};
use libfuzzer_sys::fuzz_target;

/// Counts items and sums what they hold.
fn walk(mut walker: Walker, body: &[u8], piece: usize) -> Result<(u64, u64), Damage> {
    let (mut items, mut sum) = (0_u64, 0_u64);
    let mut held = Vec::new();
    let mut pieces = body.chunks(piece);
    loop {
        let mut input = held.as_slice();
        let over = loop {
            match walker.next(&mut input)? {
                Item::NeedMore => break false,
                Item::Done => break true,
                Item::Int { value, .. } => sum = sum.wrapping_add(value.cast_unsigned()),
                Item::Chunk { chunk, last, .. } => {
                    sum = sum.wrapping_add(chunk.iter().map(|b| u64::from(*b)).sum());
                    if !last {
                        continue;
                    }
                }
                _ => {}
            }
            items += 1;
            assert!(items <= 1 + 4 * body.len() as u64, "more items than bytes could hold");
        };
        if over {
            return Ok((items, sum));
        }
        let left = input.len();
        assert!(left <= 15, "a token has at most 15 bytes, {left} are left");
        held.drain(..held.len() - left);
        match pieces.next() {
            Some(piece) => held.extend_from_slice(piece),
            None => return Err(Damage::Truncated),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [which, version, piece, body @ ..] = data else { return };
    let Some(pair) = MESSAGES.get(usize::from(*which >> 1) % MESSAGES.len()) else { return };
    let message = pair[usize::from(which & 1)];
    let range = message.api.newest - message.api.oldest + 1;
    let version = message.api.oldest + i16::from(*version) % range;
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let whole = walk(Walker::new(message, version, len), body, body.len().max(1));
    let cut = walk(Walker::new(message, version, len), body, usize::from(*piece % 17) + 1);
    assert_eq!(whole, cut);
});
