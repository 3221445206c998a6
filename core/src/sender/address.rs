//! Where brokers are: an address is kept with the broker's link, or aside while it waits for one.
use super::Sender;
use crate::connection::Lifecycle;
use crate::connection::link::NOBODY;
use crate::host::{Host, Text};
use crate::time::Millis;

/// A broker's address that is kept aside until a link slot is free for it.
pub(super) struct Address<T> {
    pub(super) node: i32,
    pub(super) host: T,
    pub(super) port: u16,
}

impl<T: Text> Address<T> {
    pub(super) fn nowhere() -> Self {
        Self { node: NOBODY, host: T::default(), port: 0 }
    }
}

/// Where an address is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// With a link.
    Link(u16),
    /// Aside.
    Aside,
}

impl<H: Host> Sender<'_, H> {
    /// A link for a broker that leads something: its own, or a free one once it is known where the broker is. While
    /// there is neither, its address is asked for, and one of the others makes room.
    pub(super) fn wanted_link(&mut self, node: i32, now: Millis) -> Option<u16> {
        if let Some(own) = self.find_link(node) {
            return Some(own);
        }
        if self.spare.node == NOBODY {
            self.spare.node = node;
            self.spare.port = 0;
            self.refresh.need_in_a_hurry();
        }
        if self.spare.node != node {
            return None;
        }
        self.spare_wanted = true;
        if self.spare.port == 0 {
            self.refresh.need();
            return None;
        }
        let index = self.place_spare(now);
        self.crowded |= index.is_none();
        index
    }

    /// Gives a free slot to the broker whose address waits aside.
    pub(super) fn place_spare(&mut self, now: Millis) -> Option<u16> {
        if self.spare.port == 0 {
            return None;
        }
        let index = self.free_link(self.spare.node)?;
        let address = core::mem::replace(&mut self.spare, Address::nowhere());
        let slot = self.link_mut(index)?;
        slot.link.host = address.host;
        slot.link.port = address.port;
        slot.link.used = Some(now);
        // An answer has told where it is; the end of that answer, if it is still being read, must not take it for
        // a broker that is gone.
        slot.listed = true;
        Some(index)
    }

    /// Where the address of a broker is kept that an answer is about to tell: with its own link, or a free one, or
    /// aside because it is waited for; or nowhere.
    pub(super) fn address_of(&mut self, node: i32) -> Option<At> {
        if node < 0 {
            return None;
        }
        let link = self.find_link(node).or_else(|| self.free_link(node)).map(At::Link);
        link.or_else(|| (self.spare.node == node).then_some(At::Aside))
    }

    /// Adds a piece of the host name of `node`, which is ASCII; whatever is not shows as `?`.
    pub(super) fn put_host(&mut self, at: Option<At>, node: i32, chunk: &[u8], first: bool) {
        let Some((host, port)) = self.address(at, node) else { return };
        if first {
            // Not to be dialled before all of it has come.
            host.clear();
            *port = 0;
        } else if *port != 0 || host.as_str().is_empty() {
            // Its beginning came when it could not be kept.
            return;
        }
        host.push_ascii(chunk);
    }

    /// Takes note of the port, which comes last, if the host was kept.
    pub(super) fn put_port(&mut self, at: Option<At>, node: i32, port: i32) {
        if let Some((host, known)) = self.address(at, node)
            && *known == 0
            && !host.as_str().is_empty()
        {
            *known = u16::try_from(port).unwrap_or(0);
        }
    }

    /// Where the address of `node` is kept, if it may change: not while the link is open, since a dial under way goes
    /// on to where it began, and a link that is lost asks for metadata anyway. An answer may take many passes to
    /// come, so the place may be another broker's by now.
    fn address(&mut self, at: Option<At>, node: i32) -> Option<(&mut H::Text, &mut u16)> {
        match at? {
            At::Link(index) => {
                let link = &mut self.link_mut(index)?.link;
                (link.state == Lifecycle::Down && link.node == node)
                    .then_some((&mut link.host, &mut link.port))
            }
            At::Aside => {
                let spare = &mut self.spare;
                (spare.node == node).then_some((&mut spare.host, &mut spare.port))
            }
        }
    }
}
