//! Local ports: another one for each attempt, so that no late segment of an old stream fits a new one.
//!
//! Successive ports of the dynamic range (RFC 6335: 49152 to 65535), from a start that the seed chooses. Seeds that
//! are counted up, as a boot counter is, start far from one another: their steps are the golden section of the range.

const FIRST: u16 = 49_152;
/// Ports less one, and a mask: there are 2^14.
const MASK: u16 = 0x3FFF;
/// The golden section of the range, made odd so that it takes every value before it repeats.
const STEP: u16 = 10_127;

/// Where the next attempt starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    next: u16,
}

impl Ports {
    /// Begins where `seed` says.
    pub(crate) const fn new(seed: u32) -> Self {
        // Seeds of few random bits may have them anywhere.
        let folded = (seed ^ (seed >> 14) ^ (seed >> 28)) & MASK as u32;
        #[allow(clippy::cast_possible_truncation)] // 14 bits
        let folded = folded as u16;
        Self { next: folded.wrapping_mul(STEP) & MASK }
    }

    /// The next one.
    pub(crate) const fn take(&mut self) -> u16 {
        let port = FIRST | self.next;
        self.next = (self.next + 1) & MASK;
        port
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn all_ports_are_used_before_one_comes_again() {
        let mut ports = Ports::new(7);
        let seen: HashSet<u16> = (0..1 << 14).map(|_| ports.take()).collect();
        assert_eq!(seen.len(), 1 << 14);
        assert!(seen.iter().all(|port| *port >= FIRST));
    }

    #[test]
    fn a_hundred_boots_share_no_port() {
        for first in [0_u32, 5000, 123_456_789, u32::MAX - 200] {
            let mut seen = HashSet::new();
            for boot in 0..100 {
                let mut ports = Ports::new(first + boot);
                assert!((0..30).all(|_| seen.insert(ports.take())), "boot {boot} from {first}");
            }
        }
    }
}
