//! The producer id and epoch under which batches are sequenced.
//!
//! Without a transactional id the next epoch is taken locally; when the epochs are used up a new id is asked
//! for (KIP-360).

use crate::long::Long;

/// What the cluster gave us to be known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// None, and none is needed.
    Unneeded,
    /// None yet: one is to be asked for.
    Missing,
    /// One, with its epoch.
    Known {
        /// Producer id, from 0.
        id: Long,
        /// Epoch, from 0.
        epoch: i16,
    },
}

impl Identity {
    /// Whether there will be none.
    pub const fn is_unneeded(self) -> bool {
        matches!(self, Self::Unneeded)
    }

    /// Whether batches may be stamped.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Missing)
    }

    /// Moves to the next epoch, or gives the id up when there is none left.
    pub fn bump(&mut self) {
        if let Self::Known { id, epoch } = *self {
            *self = match epoch.checked_add(1) {
                // The last epoch is a broker's, to fence with.
                Some(next) if next < i16::MAX => Self::Known { id, epoch: next },
                _ => Self::Missing,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_run_out_and_then_a_new_id_is_asked_for() {
        let mut identity = Identity::Known { id: Long::new(9), epoch: 0 };
        let mut bumps = 0;
        while identity.is_settled() {
            identity.bump();
            bumps += 1;
        }
        assert_eq!(bumps, i16::MAX);
        assert_eq!(identity, Identity::Missing);
        identity.bump();
        assert_eq!(identity, Identity::Missing);
    }
}
