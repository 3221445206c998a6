//! Which partition a record goes to: by the hash of its key, or, without one, by staying on a partition until
//! a batch is full and then choosing the next. Pure: numbers in, a partition out. The random number is handed
//! in, and what is known of the partitions is walked through rather than kept in a table.
//!
//! Not here: an explicit partition in the record, and what to do while the number of partitions is not known.
//!
//! Source: KIP-480 and KIP-794; the choices equal those of Kafka's own producer (`vectors_partitioner`).
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used
    )
)]

/// The 32-bit murmur2 hash of `key`, with the seed that Kafka's clients share.
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (words, rest) = key.as_chunks();
    let mut hash = words.iter().fold(0x9747_b28c ^ len, |hash, word| {
        let word = u32::from_le_bytes(*word).wrapping_mul(M);
        hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M)
    });
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition of a key among `partitions`, numbered from 0: where every Java producer puts it. The answer
/// changes with the number of partitions. 0 if there are none.
pub fn partition_for_key(key: &[u8], partitions: u32) -> i32 {
    // The sign bit is cut off, which is not the absolute value.
    nth(murmur2(key) & i32::MAX.cast_unsigned(), partitions)
}

/// A partition that has a leader, as the choice sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub partition: i32,
    /// Batches that wait in its queue. Where more wait than this holds, say [`u16::MAX`].
    pub queue: u16,
    /// Its leader has not accepted data for longer than `partitioner.availability.timeout.ms`: it is chosen
    /// only if there is no other.
    pub slow: bool,
}

/// The next partition for records without a key, of a topic with `partitions` of them. `with_leader` are those
/// that have a leader, in the order of their numbers; it is walked through up to twice. If none has a leader,
/// all count. `adaptive` is `partitioner.adaptive.partitioning.enable`: short queues are preferred.
pub fn choose<I>(random: u32, partitions: u32, adaptive: bool, with_leader: I) -> i32
where
    I: Iterator<Item = Candidate> + Clone,
{
    let weighted = if adaptive { choose_weighted(random, partitions, with_leader.clone()) } else { None };
    weighted.unwrap_or_else(|| choose_uniform(random, partitions, with_leader.map(|c| c.partition)))
}

/// One of those with a leader, each as likely as the other; one of all if none has a leader.
pub fn choose_uniform<I>(random: u32, partitions: u32, with_leader: I) -> i32
where
    I: Iterator<Item = i32> + Clone,
{
    let count =
        walk(with_leader.clone(), u32::MAX).map_or_else(|left| u32::MAX.wrapping_sub(left), |_| u32::MAX);
    let chosen = random.checked_rem(count).and_then(|n| walk(with_leader, n).ok());
    chosen.unwrap_or_else(|| nth(random, partitions))
}

/// The one behind `n` others, or by how many there are too few.
#[cfg_attr(target_pointer_width = "32", inline(never))] // once to count, once to choose
fn walk(of: impl Iterator<Item = i32>, mut n: u32) -> Result<i32, u32> {
    for partition in of {
        match n.checked_sub(1) {
            Some(less) => n = less,
            None => return Ok(partition),
        }
    }
    Err(n)
}

/// One of those that are not slow, each the likelier the shorter its queue is: with the longest queue having
/// weight 1, every batch less in the queue adds 1. `None` if there is nothing to weigh: all are equally long
/// and none is left out, or nothing is left, or there is but one partition.
pub fn choose_weighted<I>(random: u32, partitions: u32, with_leader: I) -> Option<i32>
where
    I: Iterator<Item = Candidate> + Clone,
{
    let candidates = with_leader.filter(|candidate| !candidate.slow);
    let (mut count, mut waiting, mut shortest, mut longest) = (0_u32, 0_u32, u16::MAX, 0);
    for candidate in candidates.clone() {
        count = count.saturating_add(1);
        waiting = waiting.saturating_add(u32::from(candidate.queue));
        shortest = shortest.min(candidate.queue);
        longest = longest.max(candidate.queue);
    }
    let none_left_out = count == partitions;
    if count == 0 || partitions < 2 || (shortest == longest && none_left_out) {
        return None;
    }
    // Beyond 65535 partitions with queues as long this saturates: then the last ones are not chosen.
    let weight_of = |queue: u16| u32::from(longest).saturating_add(1).saturating_sub(u32::from(queue));
    let all = weight_of(0).saturating_mul(count).saturating_sub(waiting);
    let mut at = random.checked_rem(all)?;
    for candidate in candidates {
        match at.checked_sub(weight_of(candidate.queue)) {
            Some(behind) => at = behind,
            None => return Some(candidate.partition),
        }
    }
    None
}

fn nth(number: u32, partitions: u32) -> i32 {
    let partition = number.checked_rem(partitions).unwrap_or(0);
    i32::try_from(partition).unwrap_or(0)
}

/// The partition that records without a key go to at the moment. All zero bits before the first choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sticky {
    /// The partition plus one; 0 before the first choice.
    chosen: u32,
    /// Bytes appended to it since it was chosen.
    appended: u32,
}

impl Sticky {
    /// Nothing chosen yet.
    pub const fn new() -> Self {
        Self { chosen: 0, appended: 0 }
    }

    /// The current partition. `None`: [`choose`] one and [`switch`](Self::switch) to it.
    pub fn partition(&self) -> Option<i32> {
        self.chosen.checked_sub(1).map(u32::cast_signed)
    }

    /// Goes on with `partition`, which may be the same one. A negative one is none.
    pub fn switch(&mut self, partition: i32) {
        *self = Self { chosen: partition.cast_unsigned().wrapping_add(1), appended: 0 };
        if partition < 0 {
            self.chosen = 0;
        }
    }

    /// Notes that `bytes` were appended to the current partition; answers whether it is time to choose the
    /// next. A batch that this opened counts with its header.
    ///
    /// `batch_full` is whether no batch of the partition can take more: after `batch_size` bytes the partition
    /// is left as soon as nothing half full would stay behind, after twice as many in any case. To ask again
    /// when a batch became full since, note 0 bytes.
    pub fn note(&mut self, bytes: u32, batch_size: u32, batch_full: bool) -> bool {
        self.appended = self.appended.saturating_add(bytes);
        let batch_size = batch_size.max(1);
        self.appended >= if batch_full { batch_size } else { batch_size.saturating_mul(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(queues: &[u16]) -> impl Iterator<Item = Candidate> + Clone {
        (0..).zip(queues).map(|(partition, queue)| Candidate { partition, queue: *queue, slow: false })
    }

    #[test]
    fn keys_hash_as_in_java() {
        assert_eq!(murmur2(b"").cast_signed(), 275_646_681);
        assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
        assert_eq!(murmur2(b"abc").cast_signed(), 479_470_107);
        assert_eq!(partition_for_key(b"", 12), 9);
        assert_eq!(partition_for_key(b"21", u32::MAX), (-973_932_308_i32 & i32::MAX));
        assert_eq!(partition_for_key(b"a", 0), 0);
    }

    #[test]
    fn a_shorter_queue_is_likelier_by_what_it_is_shorter() {
        let (longest, shortest) = (4, 0);
        let mut chosen = [0; 3];
        for random in 0..9 {
            let partition = choose(random, 3, true, queues(&[longest, shortest, 2]));
            chosen[usize::try_from(partition).unwrap()] += 1;
        }
        assert_eq!(chosen, [1, 5, 3]);
        assert_eq!(choose(4, 3, false, queues(&[longest, shortest, 2])), 1, "not weighed unless asked to");
    }

    #[test]
    fn equal_queues_are_chosen_evenly() {
        assert_eq!(choose_weighted(5, 3, queues(&[7, 7, 7])), None);
        assert_eq!(choose(5, 3, true, queues(&[7, 7, 7])), 2);
    }

    #[test]
    fn slow_leaders_are_left_out_while_there_are_others() {
        let slow = |slow: u16| queues(&[1, 1]).map(move |c| Candidate { slow: c.queue <= slow, ..c });
        assert!((0..9).all(|random| choose(random, 3, true, slow(0).skip(1)) == 1));
        assert_eq!((choose(0, 2, true, slow(1)), choose(1, 2, true, slow(1))), (0, 1));
        let first = queues(&[1, 1]).map(|c| Candidate { slow: c.partition == 0, ..c });
        assert!((0..9).all(|random| choose(random, 2, true, first.clone()) == 1));
    }

    #[test]
    fn without_any_leader_all_partitions_count() {
        assert_eq!(choose(7, 5, true, queues(&[])), 2);
        assert_eq!(choose(7, 0, true, queues(&[])), 0);
    }

    #[test]
    fn the_longest_queues_that_can_be_told_do_not_overflow() {
        let many = (0..70_000).map(|partition| Candidate { partition, queue: 0, slow: false });
        let one = core::iter::once(Candidate { partition: 70_000, queue: u16::MAX, slow: false });
        for random in [0, 1 << 20, u32::MAX] {
            assert!(choose_weighted(random, 70_001, many.clone().chain(one.clone())).is_some());
        }
    }

    #[test]
    fn a_partition_is_left_after_a_batch_or_at_most_two() {
        let mut sticky = Sticky::new();
        assert_eq!(sticky.partition(), None);
        sticky.switch(3);
        assert_eq!(sticky.partition(), Some(3));
        assert!(!sticky.note(99, 100, true));
        assert!(!sticky.note(1, 100, false));
        assert!(sticky.note(0, 100, true));
        assert!(!sticky.note(99, 100, false));
        assert!(sticky.note(1, 100, false));
        sticky.switch(0);
        assert_eq!((sticky.partition(), sticky.note(99, 100, true)), (Some(0), false));
        assert!(sticky.note(u32::MAX, u32::MAX, false), "saturates");
    }

    #[test]
    fn a_batch_size_of_zero_is_one_record_a_batch() {
        let mut sticky = Sticky::new();
        sticky.switch(0);
        assert!(!sticky.note(0, 0, true));
        assert!(sticky.note(1, 0, true));
    }
}
