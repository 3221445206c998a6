//! What the bridge has learned of its cluster, shared by all connections: which addresses are brokers, and which
//! topics the ids stand for.
//!
//! Invariant: addresses and ids come from the options and from brokers' answers, never from a client.
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Brokers that are remembered beside those of the options: those that were named last.
const MAX_BROKERS: usize = 1_000;
/// How long an address is taken for a broker's after the cluster has named it: twice the time that a producer lets pass
/// between two looks at metadata. Later it may be anybody's. What is connected stays so.
const BELIEVED: Duration = Duration::from_secs(600);
/// Ids that are remembered, of allowed topics only. At the limit all are forgotten, and learned anew from metadata.
const MAX_IDS: usize = 10_000;

/// A host and a port, as clients are told it.
pub(crate) type Address = (String, u16);

/// What is known.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// From the options: tried in turn by the bridge itself.
    bootstrap: Vec<Address>,
    /// Those of the options, which are never forgotten.
    fixed: HashSet<Address>,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    /// When each was named last.
    brokers: HashMap<Address, Instant>,
    ids: HashMap<[u8; 16], String>,
}

impl Cluster {
    /// Nothing is known but the options' brokers.
    pub(crate) fn new(bootstrap: Vec<Address>, others: &[Address]) -> Self {
        let fixed = bootstrap.iter().chain(others).cloned().collect();
        Self { bootstrap, fixed, learned: Mutex::default() }
    }

    /// Where the bridge itself begins.
    pub(crate) fn bootstrap(&self) -> &[Address] {
        &self.bootstrap
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client may be connected to this address.
    pub(crate) fn is_broker(&self, address: &Address) -> bool {
        self.knows(address, Instant::now())
    }

    fn knows(&self, address: &Address, now: Instant) -> bool {
        self.fixed.contains(address)
            || self.learned().brokers.get(address).is_some_and(|named| now - *named <= BELIEVED)
    }

    /// A broker of the cluster has named these.
    pub(crate) fn learn_brokers<'a>(&self, brokers: impl Iterator<Item = (&'a str, i64)>) {
        self.learn(brokers, Instant::now());
    }

    fn learn<'a>(&self, brokers: impl Iterator<Item = (&'a str, i64)>, now: Instant) {
        let known = &mut self.learned().brokers;
        known.retain(|_, named| now - *named <= BELIEVED);
        for (host, port) in brokers.take(MAX_BROKERS) {
            let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else { continue };
            let address = (host.to_owned(), port);
            if host.is_empty() || self.fixed.contains(&address) {
                continue;
            }
            if known.len() >= MAX_BROKERS && !known.contains_key(&address) {
                let oldest =
                    known.iter().min_by_key(|(_, named)| **named).map(|(address, _)| address.clone());
                oldest.map(|address| known.remove(&address));
            }
            known.insert(address, now);
        }
    }

    /// The id of an allowed topic.
    pub(crate) fn learn_id(&self, id: [u8; 16], name: &str) {
        let mut learned = self.learned();
        if learned.ids.len() >= MAX_IDS {
            learned.ids.clear();
        }
        learned.ids.insert(id, name.to_owned());
    }

    /// The allowed topic of this id, if it is known.
    pub(crate) fn name_of(&self, id: &[u8; 16]) -> Option<String> {
        self.learned().ids.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_or_learned_is_a_broker() {
        let address = |host: &str, port| (host.to_owned(), port);
        let cluster = Cluster::new(vec![address("a", 1)], &[address("b", 2)]);
        cluster.learn_brokers([("c", 3), ("d", 0), ("e", 65_536), ("", 5)].into_iter());
        for known in [("a", 1), ("b", 2), ("c", 3)] {
            assert!(cluster.is_broker(&address(known.0, known.1)));
        }
        for unknown in [("a", 2), ("d", 0), ("e", 0), ("A", 1)] {
            assert!(!cluster.is_broker(&address(unknown.0, unknown.1)));
        }
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let cluster = Cluster::new(Vec::new(), &[]);
        for n in 0..30_000_u32 {
            cluster.learn_brokers([(n.to_string().as_str(), 1)].into_iter());
            cluster.learn_id(u128::from(n).to_be_bytes(), "t");
        }
        let learned = cluster.learned();
        assert!(learned.brokers.len() <= MAX_BROKERS && learned.ids.len() <= MAX_IDS);
    }

    #[test]
    fn who_is_no_longer_named_is_forgotten_and_makes_room_for_who_is() {
        let cluster = Cluster::new(vec![("a".to_owned(), 1)], &[]);
        let knows = |host: &str, now| cluster.knows(&(host.to_owned(), 1), now);
        let start = Instant::now();
        let half = start + BELIEVED / 2;
        cluster.learn([("a", 1), ("stays", 1), ("goes", 1)].into_iter(), start);
        cluster.learn([("stays", 1)].into_iter(), half);
        assert!(knows("goes", start + BELIEVED), "a broker that is down is not named, and comes again");
        let late = start + BELIEVED + Duration::from_secs(1);
        assert_eq!(["a", "stays", "goes"].map(|host| knows(host, late)), [true, true, false]);
        cluster.learn([("new", 1)].into_iter(), late);
        assert_eq!(cluster.learned().brokers.len(), 2, "no memory is kept of it");
        assert_eq!(["a", "stays", "new"].map(|host| knows(host, late)), [true; 3]);
        let names: Vec<String> = (0..MAX_BROKERS).map(|n| n.to_string()).collect();
        cluster.learn(names.iter().map(|name| (name.as_str(), 1)), late + Duration::from_secs(1));
        let full = late + Duration::from_secs(2);
        assert_eq!(
            ["a", "0", "999", "stays", "new"].map(|host| knows(host, full)),
            [true, true, true, false, false]
        );
    }
}
