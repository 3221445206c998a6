//! Places among the connections: so many in all, so many of one address.
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections above a limit that are told so; more are closed without a word.
const MAX_TURNED_AWAY: usize = 64;

/// Who is connected. Invariant: no address has a count of 0.
#[derive(Debug)]
pub(crate) struct Places {
    /// Connections by address, those that are turned away included.
    clients: Mutex<HashMap<IpAddr, usize>>,
    max: usize,
    max_per_client: usize,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    /// Whose it is.
    pub(crate) address: IpAddr,
}

impl Places {
    /// So many places, all free.
    pub(crate) fn new(max: usize, max_per_client: usize) -> Self {
        Self { clients: Mutex::default(), max, max_per_client }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.clients().values().sum()
    }

    /// A place, and whether it is one to be served on. `None`: not even one to be turned away on.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<(Place, bool)> {
        let address = client(address);
        let mut clients = self.clients();
        let all: usize = clients.values().sum();
        let own = clients.get(&address).copied().unwrap_or(0);
        let served = all < self.max && own < self.max_per_client;
        if !served
            && (all >= self.max.saturating_add(MAX_TURNED_AWAY)
                || own >= self.max_per_client.saturating_add(MAX_TURNED_AWAY))
        {
            return None;
        }
        clients.insert(address, own + 1);
        Some((Place { places: Arc::clone(self), address }, served))
    }
}

/// Whom an address counts for: one network of IPv6 is one client, who has 2^64 addresses in it.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0]).into()
        }
        address => address,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.places.clients();
        if let Some(count) = clients.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_no_more_than_its_share_and_leaves_no_trace() {
        let places = Arc::new(Places::new(1_000, 3));
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let taken: Vec<_> = (0..200).filter_map(|_| places.take(one)).collect();
        assert_eq!(taken.iter().filter(|(_, served)| *served).count(), 3);
        assert_eq!(taken.len(), 3 + MAX_TURNED_AWAY);
        assert!(places.take(other).is_some_and(|(_, served)| served));
        drop(taken);
        assert_eq!(places.taken(), 0);
        assert!(places.clients().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_so_is_an_ipv4_address_in_either_form() {
        let places = Arc::new(Places::new(1_000, 1));
        let is_served = |address: &str| {
            let place = places.take(address.parse().unwrap());
            place.map(|(place, served)| (std::mem::forget(place), served).1)
        };
        for first in ["2001:db8:1:2::1", "2001:db8:1:3::1", "10.0.0.1", "::1"] {
            assert_eq!(is_served(first), Some(true), "{first}");
        }
        for again in ["2001:db8:1:2:3:4:5:6", "::ffff:10.0.0.1", "::1"] {
            assert_eq!(is_served(again), Some(false), "{again}");
        }
    }

    #[test]
    fn who_finds_no_place_leaves_no_trace_either() {
        let places = Arc::new(Places::new(1, 1));
        let all: Vec<_> = (0..=255).map_while(|n| places.take(IpAddr::from([10, 0, 0, n]))).collect();
        assert_eq!(all.len(), 1 + MAX_TURNED_AWAY);
        assert!(places.take(IpAddr::from([10, 0, 1, 0])).is_none());
        assert_eq!(places.clients().len(), all.len());
    }
}
