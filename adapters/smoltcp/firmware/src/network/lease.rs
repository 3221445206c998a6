//! The device's address: leased, lost, and leased again.
use super::Network;
use crate::board::Board;
use smoltcp::socket::dhcpv4::{self, Event};
use smoltcp::socket::dns;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

/// Microseconds between two complaints about having no address.
const COMPLAIN: u64 = 5_000_000;

impl Network {
    /// What DHCP has to tell; and that it tells nothing.
    pub(super) fn lease(&mut self, board: &Board, now: u64) {
        let (Some(dhcp), was_up) = (self.dhcp, self.is_up()) else { return };
        if was_up {
            self.complained = now;
        } else if now - self.complained >= COMPLAIN {
            self.complained = now;
            board.say(format_args!("trouble: no address: DHCP does not answer; is the cable in?"));
        }
        match self.sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll() {
            None => {}
            Some(Event::Configured(lease)) => {
                let (address, router) = (lease.address, lease.router);
                let mut servers = heapless::Vec::<IpAddress, 3>::new();
                servers.extend(lease.dns_servers.iter().take(3).map(|server| IpAddress::Ipv4(*server)));
                self.sockets.get_mut::<dns::Socket<'_>>(self.dns).update_servers(&servers);
                self.take_address(board, address, router);
            }
            // Told at the start, too.
            Some(Event::Deconfigured) if !was_up => {}
            Some(Event::Deconfigured) => {
                // Lost: streams without an address break, and are opened again when there is one.
                board.say(format_args!("network: no lease"));
                self.interface.update_ip_addrs(|addresses| addresses.clear());
                self.interface.routes_mut().remove_default_ipv4_route();
            }
        }
    }

    pub(super) fn take_address(&mut self, board: &Board, address: Ipv4Cidr, router: Option<Ipv4Address>) {
        board.say(format_args!("network: {address}"));
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            let _ = addresses.push(IpCidr::Ipv4(address));
        });
        match router {
            // There is room for one: no other is ever set.
            Some(router) => drop(self.interface.routes_mut().add_default_ipv4_route(router)),
            None => drop(self.interface.routes_mut().remove_default_ipv4_route()),
        }
    }
}
