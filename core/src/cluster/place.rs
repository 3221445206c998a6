//! Which partition a slot stands for, and who leads it.

use crate::defect::{self, Defect};

/// No leader is known.
pub const NO_LEADER: i32 = -1;

/// A partition and its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The topic's index.
    pub topic: u16,
    /// Partition number on the wire.
    pub partition: i32,
    /// Broker id of the leader, or [`NO_LEADER`].
    pub leader: i32,
    /// The leader's epoch, -1 if the broker is too old to say.
    pub leader_epoch: i32,
}

impl Place {
    /// A partition whose leader is not known.
    pub const fn new(topic: u16, partition: i32) -> Self {
        Self { topic, partition, leader: NO_LEADER, leader_epoch: -1 }
    }

    /// Takes note of a leader. One of an older epoch than the one that is known is stale news and ignored; so is
    /// one whose epoch is not told, once epochs were. Answers whether the leader or its epoch changed.
    pub fn lead(&mut self, leader: i32, epoch: i32) -> bool {
        if epoch < self.leader_epoch && !defect::on(Defect::OldEpochAccepted) {
            return false;
        }
        let changed = leader != self.leader || epoch != self.leader_epoch;
        self.leader = leader;
        self.leader_epoch = epoch;
        changed
    }

    /// Takes note of a leader that an answer to Produce named (KIP-951): only a newer epoch counts.
    pub fn follow(&mut self, leader: i32, epoch: i32) -> bool {
        epoch > self.leader_epoch && leader >= 0 && self.lead(leader, epoch)
    }

    /// The topic was made anew: its epochs begin again.
    pub fn forget_leader(&mut self) {
        self.leader = NO_LEADER;
        self.leader_epoch = -1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leader_epochs_never_go_back() {
        let mut place = Place::new(0, 3);
        assert!(place.lead(1, 5));
        assert!(!place.lead(2, 4));
        assert_eq!(place.leader, 1);
        assert!(!place.follow(2, 5));
        assert!(place.follow(2, 6));
        assert!(!place.lead(2, 6));
        assert!(place.lead(NO_LEADER, 6));
        place.forget_leader();
        assert!(place.lead(1, 0));
    }
}
