//! A broker's name, asked of smoltcp's DNS socket.
//!
//! IPv4 is asked for first where it is compiled in, IPv6 if that has no answer. Of several addresses the first is taken:
//! DNS servers rotate them. Nothing is kept: names are asked again for each stream, so that an address may change.
//!
//! Invariant: a `Question` stands for a query slot that is in use; who frees the slot drops the question, since smoltcp
//! panics when a free slot is asked about.
use crate::Error;
use smoltcp::iface::{Context, SocketHandle, SocketSet};
use smoltcp::socket::{AnySocket, dns};
use smoltcp::wire::{DnsQueryType, IpAddress};

/// The kinds of addresses that are compiled in, in the order in which they are asked for.
const KINDS: &[DnsQueryType] = &[
    #[cfg(feature = "proto-ipv4")]
    DnsQueryType::A,
    #[cfg(feature = "proto-ipv6")]
    DnsQueryType::Aaaa,
];

/// A query under way.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    query: dns::QueryHandle,
    /// Index into [`KINDS`].
    kind: u8,
}

/// What a question came to.
pub(crate) enum Answer {
    /// Nothing yet, perhaps another question.
    Wait(Question),
    /// An address.
    Address(IpAddress),
    /// There is no free slot for the question about the next kind.
    Again,
}

impl core::fmt::Debug for Question {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Question").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The DNS socket by its handle.
fn socket<'a, 's>(sockets: &'a mut SocketSet<'s>, handle: SocketHandle) -> Option<&'a mut dns::Socket<'s>> {
    let (_, socket) = sockets.iter_mut().find(|(known, _)| *known == handle)?;
    dns::Socket::downcast_mut(socket)
}

impl Question {
    /// Begins to ask. `None` if all slots are in use.
    pub(crate) fn ask(
        sockets: &mut SocketSet<'_>,
        names: SocketHandle,
        context: &mut Context,
        host: &str,
    ) -> Result<Option<Self>, Error> {
        Self::ask_for(0, socket(sockets, names).ok_or(Error::NotAnAddress)?, context, host)
    }

    fn ask_for(
        kind: u8,
        names: &mut dns::Socket<'_>,
        context: &mut Context,
        host: &str,
    ) -> Result<Option<Self>, Error> {
        let asked_for = KINDS.get(usize::from(kind)).ok_or(Error::UnknownHost)?;
        match names.start_query(context, host, *asked_for) {
            Ok(query) => Ok(Some(Self { query, kind })),
            Err(dns::StartQueryError::NoFreeSlot) => Ok(None),
            Err(dns::StartQueryError::InvalidName | dns::StartQueryError::NameTooLong) => {
                Err(Error::NotAnAddress)
            }
        }
    }

    /// What it came to. The question is over unless it is given back.
    pub(crate) fn answer(
        self,
        sockets: &mut SocketSet<'_>,
        names: SocketHandle,
        context: &mut Context,
        host: &str,
    ) -> Result<Answer, Error> {
        let names = socket(sockets, names).ok_or(Error::NotAnAddress)?;
        match names.get_query_result(self.query) {
            Err(dns::GetQueryResultError::Pending) => Ok(Answer::Wait(self)),
            Ok(addresses) if !addresses.is_empty() => {
                addresses.first().copied().map(Answer::Address).ok_or(Error::UnknownHost)
            }
            Ok(_) | Err(dns::GetQueryResultError::Failed) => {
                let next = Self::ask_for(self.kind + 1, names, context, host)?;
                Ok(next.map_or(Answer::Again, Answer::Wait))
            }
        }
    }

    /// Frees its slot.
    pub(crate) fn forget(self, sockets: &mut SocketSet<'_>, names: SocketHandle) {
        if let Some(names) = socket(sockets, names) {
            names.cancel_query(self.query);
        }
    }

    /// Wakes when it is over.
    #[cfg(feature = "async")]
    pub(crate) fn register(
        self,
        sockets: &mut SocketSet<'_>,
        names: SocketHandle,
        waker: &core::task::Waker,
    ) {
        if let Some(names) = socket(sockets, names) {
            names.register_query_waker(self.query, waker);
        }
    }
}
