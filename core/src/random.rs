//! Random numbers for jitter and for choices among equals. Not for secrets.
//!
//! The state walks through all 32-bit numbers by a fixed odd step and each is stirred on its way out. The
//! seed is the caller's, from the configuration: the same seed gives the same run.

/// A stream of random numbers; copies of it go the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    state: u32,
    /// Odd, so that no number comes twice before all have come.
    step: u32,
}

impl Random {
    /// The stream of `seed`. Any value will do; each of the two halves changes the stream.
    pub const fn new(seed: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
        let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        // The golden ratio is the step of the seed 0: evenly spread, whatever small seeds come after.
        Self { state: stir(low), step: stir(high).wrapping_add(0x9e37_79b9) | 1 }
    }

    /// The next number, from all 32 bits.
    pub const fn next_u32(&mut self) -> u32 {
        self.state = self.state.wrapping_add(self.step);
        stir(self.state)
    }

    /// A number below `bound`; 0 if that is 0. As even as 32 bits allow.
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(self.next_u32()).wrapping_mul(u64::from(bound));
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included; `low` if there is none.
    pub fn within(&mut self, low: u32, high: u32) -> u32 {
        match high.checked_sub(low) {
            Some(u32::MAX) => self.next_u32(),
            Some(span) => low.wrapping_add(self.below(span.wrapping_add(1))),
            None => low,
        }
    }
}

/// Each bit of `x` changes about half of the answer's; no two `x` have the same answer.
const fn stir(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
        let stream = |seed| {
            let mut random = Random::new(seed);
            [0; 8].map(|_| random.next_u32())
        };
        assert_eq!(stream(1), stream(1));
        let seeds = [0, 1, 2, 1 << 32, 1 << 63, u64::MAX];
        for (n, a) in seeds.iter().enumerate() {
            for b in &seeds[n + 1..] {
                assert_ne!(stream(*a), stream(*b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn choices_are_even() {
        for seed in [0, 1, 0xffff_ffff, 0x1234_5678_9abc_def0] {
            let mut random = Random::new(seed);
            let mut seen = [0_u32; 12];
            for _ in 0..12_000 {
                seen[random.below(12) as usize] += 1;
            }
            assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seed}: {seen:?}");
        }
    }

    #[test]
    fn bounds_are_kept() {
        let mut random = Random::new(7);
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        assert_eq!((random.within(5, 5), random.within(6, 5)), (5, 6));
        let drawn = [0; 1000].map(|_| random.within(80, 120));
        assert!(drawn.iter().all(|n| (80..=120).contains(n)));
        assert!(drawn.contains(&80) && drawn.contains(&120));
        random.within(0, u32::MAX);
    }
}
