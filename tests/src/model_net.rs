//! The model broker as a [`Transport`]: no sockets, no threads, virtual time.
//!
//! Bytes that a producer writes are handled at once; answers wait until it reads them. Reads and writes can be
//! cut into small pieces, which no correct producer minds.
use kurier_broker::{Cluster, ConnectionId};
use kurier_core::transport::{Endpoint, LinkId, Transport};
use std::collections::HashMap;
use std::task::Poll;

/// A cluster within reach. Brokers are told apart by their ports.
pub struct ModelNet {
    /// The cluster itself.
    pub cluster: Cluster,
    /// Unix time in ms, as the cluster sees it.
    pub now: i64,
    /// At most so many bytes are taken in one write.
    pub write_limit: usize,
    /// At most so many bytes are given in one read.
    pub read_limit: usize,
    /// What was sent has not left this side yet.
    pub flush_waits: bool,
    /// Attempts to open a link.
    pub dials: u32,
    /// Broker id of each port.
    pub ports: HashMap<u16, i32>,
    /// Brokers, by their ports, that take so many bytes more and then none: a request to them is cut anywhere.
    pub room: HashMap<u16, usize>,
    links: HashMap<LinkId, ConnectionId>,
    ports_of: HashMap<LinkId, u16>,
}

impl ModelNet {
    /// A cluster whose brokers 1 to `brokers` listen on the ports 9091 and up.
    pub fn new(mut cluster: Cluster, brokers: u16) -> Self {
        let mut ports = HashMap::new();
        for n in 1..=brokers {
            cluster.add_broker(i32::from(n), "broker", 9090 + n);
            ports.insert(9090 + n, i32::from(n));
        }
        let (write_limit, read_limit) = (usize::MAX, usize::MAX);
        Self {
            cluster,
            now: 1_700_000_000_000,
            write_limit,
            read_limit,
            flush_waits: false,
            dials: 0,
            ports,
            room: HashMap::new(),
            links: HashMap::new(),
            ports_of: HashMap::new(),
        }
    }

    /// Cuts every link, as a network may.
    pub fn cut(&mut self) {
        for (_, connection) in self.links.drain() {
            self.cluster.close(connection);
        }
    }
}

impl embedded_io::ErrorType for ModelNet {
    type Error = embedded_io::ErrorKind;
}

impl Transport for ModelNet {
    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), Self::Error>> {
        self.dials += 1;
        self.ports_of.insert(link, to.port);
        let broker = self.ports.get(&to.port).copied();
        match broker.and_then(|broker| self.cluster.open(broker)) {
            Some(connection) => {
                self.links.insert(link, connection);
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(embedded_io::ErrorKind::ConnectionRefused)),
        }
    }

    fn send(&mut self, link: LinkId, bufs: &[&[u8]]) -> Poll<Result<usize, Self::Error>> {
        let Some(connection) = self.links.get(&link) else {
            return Poll::Ready(Err(embedded_io::ErrorKind::BrokenPipe));
        };
        let mut bytes = bufs.concat();
        bytes.truncate(self.write_limit);
        if let Some(room) = self.ports_of.get(&link).and_then(|port| self.room.get_mut(port)) {
            bytes.truncate(*room);
            *room -= bytes.len();
            if bytes.is_empty() {
                return Poll::Pending;
            }
        }
        // What the broker makes of it is seen at the next read.
        let _ = self.cluster.handle(*connection, &bytes, self.now);
        Poll::Ready(Ok(bytes.len()))
    }

    fn flush(&mut self, _link: LinkId) -> Poll<Result<(), Self::Error>> {
        if self.flush_waits { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn recv(&mut self, link: LinkId, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>> {
        let Some(connection) = self.links.get(&link).copied() else {
            return Poll::Ready(Err(embedded_io::ErrorKind::ConnectionReset));
        };
        let Some(output) = self.cluster.output(connection) else { return Poll::Ready(Ok(0)) };
        let count = output.len().min(buf.len()).min(self.read_limit);
        if count == 0 {
            return if self.cluster.closed(connection).is_some() {
                Poll::Ready(Ok(0))
            } else {
                Poll::Pending
            };
        }
        for (slot, byte) in buf.iter_mut().zip(output.drain(..count)) {
            *slot = byte;
        }
        Poll::Ready(Ok(count))
    }

    fn close(&mut self, link: LinkId) {
        if let Some(connection) = self.links.remove(&link) {
            self.cluster.close(connection);
        }
    }
}
