//! What the bridge has learned of its cluster, shared by all connections: which addresses are brokers, and which
//! topics the ids stand for.
//!
//! Invariant: addresses and ids come from the options and from brokers' answers, never from a client.
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Brokers that are remembered beside those of the options.
const MAX_BROKERS: usize = 1_000;
/// Ids that are remembered, of allowed topics only. At the limit all are forgotten, and learned anew from metadata.
const MAX_IDS: usize = 10_000;

/// A host and a port, as clients are told it.
pub(crate) type Address = (String, u16);

/// What is known.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// From the options: tried in turn by the bridge itself.
    bootstrap: Vec<Address>,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    brokers: HashSet<Address>,
    ids: HashMap<[u8; 16], String>,
}

impl Cluster {
    /// Nothing is known but the options' brokers.
    pub(crate) fn new(bootstrap: Vec<Address>, others: &[Address]) -> Self {
        let brokers = bootstrap.iter().chain(others).cloned().collect();
        Self { bootstrap, learned: Mutex::new(Learned { brokers, ids: HashMap::new() }) }
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
        self.learned().brokers.contains(address)
    }

    /// A broker of the cluster has named this one.
    pub(crate) fn learn_broker(&self, host: &str, port: i64) {
        let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else { return };
        let mut learned = self.learned();
        if learned.brokers.len() < MAX_BROKERS && !host.is_empty() {
            learned.brokers.insert((host.to_owned(), port));
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
        cluster.learn_broker("c", 3);
        cluster.learn_broker("d", 0);
        cluster.learn_broker("e", 65_536);
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
            cluster.learn_broker(&n.to_string(), 1);
            cluster.learn_id(u128::from(n).to_be_bytes(), "t");
        }
        let learned = cluster.learned();
        assert!(learned.brokers.len() <= MAX_BROKERS && learned.ids.len() <= MAX_IDS);
    }
}
