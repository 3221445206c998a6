//! Exponential backoff with jitter, as Kafka's clients have it: twice as long at each failure up to a
//! maximum, and up to 20 % more or less, never above the maximum.
use crate::random::Random;

/// How long to wait after `failures` failures in a row (0 for the first), in milliseconds.
pub fn exponential(base_ms: u32, max_ms: u32, failures: u16, random: &mut Random) -> u32 {
    let max = u64::from(max_ms.max(base_ms));
    let term = u64::from(base_ms).checked_shl(u32::from(failures.min(30))).unwrap_or(max).min(max);
    // 80 % to 120 %, in 1024 steps. 64 bits hold any of these products.
    let jitter = u64::from(random.next_u32() >> 22);
    let per_mille = jitter.saturating_mul(400).div_ceil(1023).saturating_add(800);
    // Upwards: a backoff of a millisecond is none of nothing.
    let scaled = term.saturating_mul(per_mille).div_ceil(1000);
    u32::try_from(scaled.min(max)).unwrap_or(u32::MAX)
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
