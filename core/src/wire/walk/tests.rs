use super::*;
use crate::random::Random;
use crate::wire::{api_versions, metadata, produce};
use std::vec::Vec;

/// All items of `bytes` in one piece, without what carries bytes.
fn items<'a>(walker: &mut Walker, mut bytes: &'a [u8]) -> Result<Vec<Item<'a>>, Damage> {
    let mut all = Vec::new();
    loop {
        let item = walker.next(&mut bytes)?;
        all.push(item);
        if matches!(item, Item::Done | Item::NeedMore) {
            return Ok(all);
        }
    }
}

/// A Produce answer of version 10: one partition, led by broker 7 in epoch 9.
const PRODUCE_10: &[u8] = &[
    2, 2, b't', 2, // responses, name, partitions
    0, 0, 0, 5, 0, 6, // index, error code
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // base offset
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // log append time
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // log start offset
    1, 0, // no record errors, no message
    1, 0, 9, 0, 0, 0, 7, 0, 0, 0, 9, 0, // one tag: current leader
    0, 0, 0, 0, 0, 0, // no tags of the topic, throttle time, no tags of the message
];

#[test]
fn items_come_in_the_order_of_the_wire() {
    use produce::response as r;
    let mut walker = Walker::new(&r::MESSAGE, 10, PRODUCE_10.len() as u32);
    let int = |field, value| Item::Int { field, value };
    assert_eq!(
        items(&mut walker, PRODUCE_10).unwrap(),
        [
            Item::Begin { field: r::RESPONSES, count: 1 },
            Item::Element { field: r::RESPONSES },
            Item::Chunk { field: r::NAME, chunk: b"t", first: true, last: true, total: 1 },
            Item::Begin { field: r::PARTITION_RESPONSES, count: 1 },
            Item::Element { field: r::PARTITION_RESPONSES },
            int(r::INDEX, 5),
            int(r::ERROR_CODE, 6),
            int(r::BASE_OFFSET, -1),
            int(r::LOG_APPEND_TIME_MS, -1),
            int(r::LOG_START_OFFSET, -1),
            Item::Begin { field: r::RECORD_ERRORS, count: 0 },
            Item::End { field: r::RECORD_ERRORS },
            Item::Null { field: r::ERROR_MESSAGE },
            Item::Element { field: r::CURRENT_LEADER },
            int(r::LEADER_ID, 7),
            int(r::LEADER_EPOCH, 9),
            Item::ElementEnd { field: r::CURRENT_LEADER },
            Item::ElementEnd { field: r::PARTITION_RESPONSES },
            Item::End { field: r::PARTITION_RESPONSES },
            Item::ElementEnd { field: r::RESPONSES },
            Item::End { field: r::RESPONSES },
            int(r::THROTTLE_TIME_MS, 0),
            Item::Done,
        ]
    );
}

#[test]
fn a_known_tag_in_a_version_that_does_not_have_it_is_damage() {
    let mut walker = Walker::new(&produce::response::MESSAGE, 9, PRODUCE_10.len() as u32);
    assert_eq!(items(&mut walker, PRODUCE_10), Err(Damage::TagOfOtherVersion));
}

#[test]
fn a_text_of_more_than_32767_bytes_is_damage_in_compact_form_too() {
    use metadata::response::{HOST, MESSAGE};
    let bytes = |length: [u8; 3]| [&[0, 0, 0, 0, 2, 0, 0, 0, 1][..], &length, &[0; 40_000]].concat();
    fn host(mut bytes: &[u8]) -> Result<Item<'_>, Damage> {
        let mut walker = Walker::new(&MESSAGE, 9, 50_000);
        loop {
            let item = walker.next(&mut bytes)?;
            if matches!(item, Item::Chunk { .. }) {
                return Ok(item);
            }
        }
    }
    let longest = bytes([0x80, 0x80, 0x02]);
    let chunk = &longest[12..][..0x7fff];
    assert_eq!(
        host(&longest),
        Ok(Item::Chunk { field: HOST, chunk, first: true, last: true, total: 0x7fff })
    );
    assert_eq!(host(&bytes([0x81, 0x80, 0x02])), Err(Damage::TextTooLong));
}

#[test]
fn damage_stays() {
    let mut walker = Walker::new(&produce::response::MESSAGE, 9, 4);
    assert_eq!(items(&mut walker, &[9, 0, 0, 0]), Err(Damage::CountBeyondEnd));
    assert_eq!(items(&mut walker, PRODUCE_10), Err(Damage::CountBeyondEnd));
}

#[test]
fn a_text_is_handed_on_in_the_pieces_in_which_it_arrives() {
    use metadata::response::{BROKERS, HOST, MESSAGE, NODE_ID, THROTTLE_TIME_MS};
    let bytes = [0, 0, 0, 0, 2, 0, 0, 0, 1, 6, b'h', b'o', b's', b't', b's'];
    let mut walker = Walker::new(&MESSAGE, 9, 100);
    let (begin, end) = bytes.split_at(12);
    let piece = |chunk, first, last| Item::Chunk { field: HOST, chunk, first, last, total: 5 };
    assert_eq!(
        items(&mut walker, begin).unwrap(),
        [
            Item::Int { field: THROTTLE_TIME_MS, value: 0 },
            Item::Begin { field: BROKERS, count: 1 },
            Item::Element { field: BROKERS },
            Item::Int { field: NODE_ID, value: 1 },
            piece(b"ho", true, false),
            Item::NeedMore,
        ]
    );
    assert_eq!(items(&mut walker, b"s").unwrap(), [piece(b"s", false, false), Item::NeedMore]);
    assert_eq!(items(&mut walker, end.split_at(1).1).unwrap(), [piece(b"ts", false, true), Item::NeedMore]);
    assert_eq!(walker.left(), 100 - 15);
}

#[test]
#[cfg(feature = "old-brokers")]
fn an_answer_of_error_35_goes_on_as_version_0() {
    use api_versions::response::{API_KEY, API_KEYS, ERROR_CODE, MAX_VERSION, MESSAGE, MIN_VERSION};
    let bytes = [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2];
    let mut walker = Walker::response(&MESSAGE, 4, bytes.len() as u32);
    let found = items(&mut walker, &bytes).unwrap();
    assert_eq!(
        found,
        [
            Item::Int { field: ERROR_CODE, value: 35 },
            Item::Begin { field: API_KEYS, count: 1 },
            Item::Element { field: API_KEYS },
            Item::Int { field: API_KEY, value: 18 },
            Item::Int { field: MIN_VERSION, value: 0 },
            Item::Int { field: MAX_VERSION, value: 2 },
            Item::ElementEnd { field: API_KEYS },
            Item::End { field: API_KEYS },
            Item::Done,
        ]
    );
    assert_eq!(walker.version(), 0);
}

#[test]
fn more_tags_than_are_counted_in_16_bits_are_damage() {
    let mut walker = Walker::response(&produce::response::MESSAGE, 9, 1 << 20);
    assert_eq!(items(&mut walker, &[0x80, 0x80, 0x04]), Err(Damage::TooManyTags));
    let mut walker = Walker::response(&produce::response::MESSAGE, 9, 1 << 20);
    assert_eq!(items(&mut walker, &[0xff, 0xff, 0x03]), Ok([Item::NeedMore].into()));
}

#[test]
fn any_bytes_end_in_items_or_damage() {
    // Bytes that begin like messages do get further than noise.
    let mut stream = Random::new(1);
    let mut random = move |below: u32| stream.below(below);
    let messages =
        [&produce::response::MESSAGE, &metadata::response::MESSAGE, &api_versions::response::MESSAGE];
    for round in 0..30_000 {
        let message = messages[round % messages.len()];
        let version = random(14) as i16;
        let likely = [0, 0, 0, 1, 2, 3, 0xff, 0x80];
        let len = random(80) as usize;
        let byte = |random: &mut dyn FnMut(u32) -> u32| match random(4) {
            0 => random(256) as u8,
            _ => likely[random(8) as usize],
        };
        let bytes: Vec<u8> = (0..len).map(|_| byte(&mut random)).collect();
        let left = len as u32 + random(2) * 5;
        let mut walker = Walker::response(message, version, left);
        let found = items(&mut walker, &bytes);
        let count = found.as_ref().map_or(0, Vec::len);
        assert!(count <= 8 * len + 8, "{count} items of {len} bytes");
        assert!(walker.left() <= left);
    }
}

#[test]
fn the_state_of_a_link_is_small() {
    let limit = if cfg!(feature = "reverse") { 80 } else { 64 };
    assert!(size_of::<Walker>() <= limit, "{}", size_of::<Walker>());
}
