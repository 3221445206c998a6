//! Monotonic time as a parameter. The core never reads a clock: each call that depends on time is given
//! an [`Instant`], whose zero is the host's choice (boot, start of the process).
//!
//! Inside, instants are stored as [`Millis`]: 32 bits that wrap after 49.7 days and are compared by
//! wrapping difference, so that a slot costs four bytes and a device may run for years.

/// A point on the host's monotonic clock, in microseconds from an arbitrary zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// `micros` microseconds after the host's zero.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// `millis` milliseconds after the host's zero; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Microseconds since the host's zero.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This instant plus `millis` milliseconds; saturates.
    pub const fn plus_millis(self, millis: u32) -> Self {
        Self(self.0.saturating_add(millis as u64 * 1000))
    }

    /// The stored form: milliseconds, wrapped to 32 bits.
    #[allow(clippy::cast_possible_truncation)] // wrapping is the point, see the module's text
    pub const fn millis(self) -> Millis {
        Millis((self.0 / 1000) as u32)
    }

    /// The instant that `stored` names, given that it lies within 24.8 days of `self`.
    pub const fn resolve(self, stored: Millis) -> Self {
        let whole = self.0 / 1000 * 1000;
        Self(whole.saturating_add_signed(stored.since(self.millis()) as i64 * 1000))
    }
}

/// A stored instant: milliseconds modulo 2^32. Two of them are comparable while they lie within 24.8 days
/// of each other, which every deadline here does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Millis(pub u32);

impl Millis {
    /// This plus `millis`, wrapping.
    #[must_use]
    pub const fn plus(self, millis: u32) -> Self {
        Self(self.0.wrapping_add(millis))
    }

    /// This minus `millis`, wrapping.
    #[must_use]
    pub const fn minus(self, millis: u32) -> Self {
        Self(self.0.wrapping_sub(millis))
    }

    /// How many milliseconds `self` lies after `earlier`; negative if before.
    #[allow(clippy::cast_possible_wrap)]
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// Whether the point has come at `now`.
    pub const fn reached(self, now: Self) -> bool {
        now.since(self) >= 0
    }

    /// The earlier of the two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if self.since(other) <= 0 { self } else { other }
    }
}

/// A record's timestamp: milliseconds since the Unix epoch, as Kafka stores it. Not an [`Instant`]: it
/// comes from a wall clock, or from the caller, or is [`Timestamp::NONE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// No timestamp (-1): for a device without a wall clock, with a topic that stamps on append.
    pub const NONE: Self = Self(-1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_instants_compare_across_the_wrap() {
        let before = Millis(u32::MAX - 5);
        let after = before.plus(10);
        assert_eq!(after.0, 4);
        assert_eq!(after.since(before), 10);
        assert!(before.reached(after));
        assert!(!after.reached(before));
        assert_eq!(before.min(after), before);
    }

    #[test]
    fn a_stored_instant_resolves_to_the_full_one() {
        let now = Instant::from_millis((1 << 32) + 3);
        let deadline = now.millis().plus(500);
        assert_eq!(now.resolve(deadline), now.plus_millis(500));
        let past = Instant::from_millis((1 << 32) - 7);
        assert_eq!(now.resolve(past.millis()), past);
    }
}
