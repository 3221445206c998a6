//! Exponential backoff with jitter, as Kafka's clients have it: twice as long at each failure up to a
//! maximum, and up to 20 % more or less, never above the maximum.
use crate::random::Random;

/// How long to wait after `failures` failures in a row (0 for the first), in milliseconds.
pub fn exponential(base_ms: u32, max_ms: u32, failures: u16, random: &mut Random) -> u32 {
    let max = max_ms.max(base_ms);
    let shift = u32::from(failures.min(30));
    let term = if shift > base_ms.leading_zeros() { max } else { base_ms.wrapping_shl(shift).min(max) };
    // 80 % to 120 %. What fifths leave over stays: a backoff of a millisecond is none of nothing.
    let fifth = term / 5;
    let jitter = random.below(fifth.saturating_mul(2).saturating_add(1));
    term.saturating_sub(fifth).saturating_add(jitter).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_maximum_which_jitter_never_passes() {
        let mut random = Random::new(7);
        for failures in 0..60 {
            let middle = (100_u64 << failures.min(20)).min(1000);
            for _ in 0..100 {
                let wait = u64::from(exponential(100, 1000, failures, &mut random));
                assert!(wait >= middle * 4 / 5 && wait <= (middle * 6 / 5).min(1000), "{failures}: {wait}");
            }
        }
        for _ in 0..100 {
            assert!((1..=2).contains(&exponential(1, 2, 0, &mut random)), "never nothing");
        }
        assert_eq!(exponential(0, 0, 3, &mut random), 0);
        assert!((40..=50).contains(&exponential(50, 10, 0, &mut random)));
    }
}
