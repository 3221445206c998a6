//! CRC-32C for a device that has neither an instruction for it nor room for a table of a kilobyte.
//!
//! Source: RFC 3720, B.4 (polynomial and check value).

/// [`Crc32c`](super::Crc32c), half a byte at a time, out of a table of 64 bytes. A kilobyte of flash less than with a table for
/// bytes, and about three instructions more for each byte.
#[allow(clippy::indexing_slicing)] // an index of four bits into sixteen
pub fn crc32c_by_nibbles(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = table();
    let step = |crc: u32| crc >> 4 ^ TABLE[(crc & 15) as usize];
    !bytes.iter().fold(!crc, |crc, byte| step(step(crc ^ u32::from(*byte))))
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::cast_possible_truncation)] // compile time
const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut nth = 0;
    while nth < table.len() {
        let mut crc = nth as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[nth] = crc;
        nth += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::crc32c_by_nibbles;

    #[test]
    fn it_is_crc_32c_however_the_bytes_are_cut() {
        assert_eq!(crc32c_by_nibbles(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_by_nibbles(0, &[0; 32]), 0x8a91_36aa);
        for cut in 0..=9 {
            let (front, back) = b"123456789".split_at(cut);
            assert_eq!(crc32c_by_nibbles(crc32c_by_nibbles(0, front), back), 0xe306_9283);
        }
    }
}
