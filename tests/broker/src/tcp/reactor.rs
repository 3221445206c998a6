//! The server's thread: sockets to the cluster and back.
//!
//! A connection is read only while the cluster would look at its bytes and everything it answered was taken by the
//! socket, as a broker does; so nothing piles up here. Invariant: a peer that may have unread bytes is in `unread`.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::{Server, Shared};
use crate::cluster::ConnectionId;
use crate::state::Running;

pub(super) const WAKER: Token = Token(0);
/// Tokens of listeners are the broker ids, those of connections begin here.
const FIRST_PEER: usize = 1 << 20;
/// Bytes read at once.
const READ: usize = 128 * 1024;

struct Listener {
    broker: i32,
    address: SocketAddr,
    /// None while the broker is down.
    socket: Option<TcpListener>,
}

struct Peer {
    stream: TcpStream,
    id: ConnectionId,
    /// What the socket did not take yet, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// The end of the stream is there, behind the unread bytes.
    ends: bool,
}

pub(super) struct Reactor {
    poll: Poll,
    listeners: Vec<Listener>,
    peers: BTreeMap<usize, Peer>,
    tokens: BTreeMap<ConnectionId, usize>,
    next_token: usize,
    unread: BTreeSet<usize>,
    buffer: Box<[u8]>,
    last_now: i64,
}

impl Reactor {
    pub(super) fn new(poll: Poll) -> Self {
        Self {
            poll,
            listeners: Vec::new(),
            peers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_token: FIRST_PEER,
            unread: BTreeSet::new(),
            buffer: vec![0; READ].into_boxed_slice(),
            last_now: 0,
        }
    }

    pub(super) fn listen(&mut self, broker: i32, address: SocketAddr) -> io::Result<SocketAddr> {
        let mut listener = Listener { broker, address, socket: None };
        listener.open(&self.poll)?;
        let address = listener.address;
        self.listeners.push(listener);
        Ok(address)
    }

    pub(super) fn run(mut self, shared: &Shared) {
        let mut events = Events::with_capacity(256);
        while !shared.is_stopped() {
            let timeout = self.timeout(shared);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return,
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKER => self.follow(shared),
                    Token(token) if token < FIRST_PEER => self.accept(token, shared),
                    Token(token) => {
                        if event.is_writable() {
                            self.flush(token, shared);
                        }
                        if event.is_readable() || event.is_read_closed() || event.is_error() {
                            self.unread.insert(token);
                        }
                        if let (true, Some(peer)) = (event.is_read_closed(), self.peers.get_mut(&token)) {
                            peer.ends = true;
                        }
                    }
                }
            }
            self.read_all(shared);
            let now = self.now();
            let changed = {
                let mut cluster = shared.cluster();
                cluster.poll(now);
                cluster.take_changed()
            };
            for id in changed {
                if let Some(&token) = self.tokens.get(&id) {
                    self.flush(token, shared);
                }
            }
        }
    }

    fn now(&mut self) -> i64 {
        self.last_now = Server::now_ms().max(self.last_now);
        self.last_now
    }

    fn timeout(&mut self, shared: &Shared) -> Option<Duration> {
        let now = self.now();
        let cluster = shared.cluster();
        let readable = |token: &usize| {
            self.peers.get(token).is_some_and(|peer| peer.out.is_empty() && cluster.is_reading(peer.id))
        };
        if self.unread.iter().any(readable) {
            return Some(Duration::ZERO);
        }
        let until = cluster.next_deadline()?.saturating_sub(now);
        Some(Duration::from_millis(u64::try_from(until).unwrap_or(0)))
    }

    /// Opens and closes listeners as brokers come and go.
    fn follow(&mut self, shared: &Shared) {
        for listener in &mut self.listeners {
            let down = shared.cluster().running(listener.broker) == Some(Running::Down);
            if down {
                listener.socket = None;
            } else if listener.socket.is_none() {
                // The port may still be held by a dying connection; the next wake tries again.
                let _ = listener.open(&self.poll);
            }
        }
    }

    fn accept(&mut self, token: usize, shared: &Shared) {
        let Some(listener) = self.listeners.iter().find(|listener| listener.token() == Token(token)) else {
            return;
        };
        let broker = listener.broker;
        while let Some(Ok((mut stream, _))) = listener.socket.as_ref().map(TcpListener::accept) {
            let Some(id) = shared.cluster().open(broker) else { continue };
            let token = self.next_token;
            let both = Interest::READABLE | Interest::WRITABLE;
            let _ = stream.set_nodelay(true);
            if self.poll.registry().register(&mut stream, Token(token), both).is_err() {
                shared.cluster().close(id);
                continue;
            }
            self.next_token += 1;
            self.peers.insert(token, Peer { stream, id, out: Vec::new(), sent: 0, ends: false });
            self.tokens.insert(id, token);
            self.unread.insert(token);
        }
    }

    /// One read of every connection that has unread bytes and may be read.
    fn read_all(&mut self, shared: &Shared) {
        let mut next = 0;
        while let Some(&token) = self.unread.range(next..).next() {
            next = token + 1;
            self.read(token, shared);
        }
    }

    fn read(&mut self, token: usize, shared: &Shared) {
        let now = self.now();
        let Some(peer) = self.peers.get_mut(&token) else {
            self.unread.remove(&token);
            return;
        };
        if !peer.out.is_empty() || !shared.cluster().is_reading(peer.id) {
            return;
        }
        match peer.stream.read(&mut self.buffer) {
            Ok(0) => self.drop_peer(token, shared),
            Ok(len) => {
                let bytes = self.buffer.get(..len).unwrap_or_default();
                // A refusal shows in `closed`, after its output was sent.
                let _ = shared.cluster().handle(peer.id, bytes, now);
                if len < READ && !peer.ends {
                    // A short read has emptied the socket, and more bytes are a new event.
                    self.unread.remove(&token);
                }
                self.flush(token, shared);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.unread.remove(&token);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.drop_peer(token, shared),
        }
    }

    /// Sends what there is, and ends the connection if the cluster did.
    fn flush(&mut self, token: usize, shared: &Shared) {
        let Some(peer) = self.peers.get_mut(&token) else { return };
        if let Some(output) = shared.cluster().output(peer.id).filter(|output| !output.is_empty()) {
            if peer.out.is_empty() {
                std::mem::swap(&mut peer.out, output);
            } else {
                peer.out.append(output);
            }
        }
        while let Some(rest) = peer.out.get(peer.sent..).filter(|rest| !rest.is_empty()) {
            match peer.stream.write(rest) {
                Ok(0) => return self.drop_peer(token, shared),
                Ok(written) => peer.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.drop_peer(token, shared),
            }
        }
        peer.out.clear();
        peer.sent = 0;
        if shared.cluster().closed(peer.id).is_some() {
            self.drop_peer(token, shared);
        }
    }

    fn drop_peer(&mut self, token: usize, shared: &Shared) {
        self.unread.remove(&token);
        if let Some(peer) = self.peers.remove(&token) {
            self.tokens.remove(&peer.id);
            shared.cluster().close(peer.id);
        }
    }
}

impl Listener {
    fn token(&self) -> Token {
        Token(usize::try_from(self.broker).unwrap_or(FIRST_PEER - 1))
    }

    fn open(&mut self, poll: &Poll) -> io::Result<()> {
        let mut socket = TcpListener::bind(self.address)?;
        poll.registry().register(&mut socket, self.token(), Interest::READABLE)?;
        self.address = socket.local_addr()?;
        self.socket = Some(socket);
        Ok(())
    }
}
