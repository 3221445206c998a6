//! CRC-32C by a table of a kilobyte that is computed, not loaded.
use core::sync::atomic::{AtomicU32, Ordering};

/// Of each byte the checksum, made with the first producer: as data it were a kilobyte that no compression makes smaller.
static CHECKSUMS: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];

/// Fills the table; before the first batch is sealed. Again it does no harm.
pub(crate) fn make_checksums() {
    for (byte, place) in (0u32..).zip(&CHECKSUMS) {
        let shifted = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
        place.store((0..8).fold(byte, shifted), Ordering::Relaxed);
    }
}

/// CRC-32C of what `crc` is of, followed by `bytes`.
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        let known = CHECKSUMS.get(usize::from(low ^ byte));
        (crc >> 8) ^ known.map_or(0, |known| known.load(Ordering::Relaxed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        make_checksums();
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
    }
}
