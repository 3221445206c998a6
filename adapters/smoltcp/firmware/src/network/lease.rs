//! The device's address: leased, lost, and leased again.
use super::{COMPLAIN, Network, interface};
use crate::board::Board;
use smoltcp::socket::dhcpv4::{self, Event};
use smoltcp::socket::dns;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

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
                let servers = lease.dns_servers.clone();
                self.reseed(board, address, now);
                self.take_servers(&servers);
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

    /// When a lease comes is chance, and nothing has been sent but to get it: sequence numbers and ports begin anew.
    fn reseed(&mut self, board: &Board, address: Ipv4Cidr, now: u64) {
        let HardwareAddress::Ethernet(mac) = self.interface.hardware_addr();
        if !self.seeded && board.stir(address.address().to_bits()) {
            let seed = board.seed(self.number);
            self.interface = interface(mac.0, seed, &mut self.device, now);
            self.links.reseed(seed);
        }
        self.seeded = true;
    }

    /// Who is asked for names, one after another: the next when one was silent for ten seconds. As many as smoltcp's feature
    /// `dns-max-server-count-3` has room for.
    pub(super) fn take_servers(&mut self, servers: &[Ipv4Address]) {
        let mut addresses = heapless::Vec::<IpAddress, 3>::new();
        addresses.extend(servers.iter().take(3).map(|server| IpAddress::Ipv4(*server)));
        self.sockets.get_mut::<dns::Socket<'_>>(self.dns).update_servers(&addresses);
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
