//! Names to addresses. The system's resolver blocks, so each question runs on a short-lived thread and its answer
//! comes back by a channel and a wake-up; at most one question for a name is open at a time.
//!
//! What is kept of a name are its addresses and which comes next (`client.dns.lookup=use_all_dns_ips`): the next
//! at each failed attempt, asked anew when they are used up or after an established link was lost.
use mio::Waker;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Names remembered; more than any cluster has. One more, and those without an open question are forgotten.
const MAX_NAMES: usize = 4096;
/// `getaddrinfo` with its plugins needs more than the I/O thread does.
const STACK: usize = 512 * 1024;

type Name = (Box<str>, u16);
type Answer = (Name, io::Result<Vec<SocketAddr>>);

/// What there is for a name.
#[derive(Debug)]
enum Known {
    /// A thread asks.
    Asked,
    /// The last question failed; told once.
    Failed(io::Error),
    /// Addresses, and which is next.
    Addresses(Vec<SocketAddr>, usize),
}

/// What to do for a name.
#[derive(Debug)]
pub(super) enum Next {
    /// The answer is on its way.
    Wait,
    /// Try this one.
    Try(SocketAddr),
}

/// How a name is looked up; tests have their own.
type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// The names asked for so far.
#[derive(Debug)]
pub(super) struct Resolver {
    names: HashMap<Name, Known>,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
    waker: Arc<Waker>,
    lookup: Lookup,
}

fn system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self::with_lookup(waker, system)
    }

    pub(super) fn with_lookup(waker: Arc<Waker>, lookup: Lookup) -> Self {
        let (answer, answers) = channel();
        Self { names: HashMap::new(), answers, answer, waker, lookup }
    }

    /// The address to try now; asks the system if none is left.
    ///
    /// # Errors
    /// The name has no address, or the question could not be asked.
    pub(super) fn next(&mut self, host: &str, port: u16) -> io::Result<Next> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Next::Try(SocketAddr::new(ip, port)));
        }
        self.collect();
        let name: Name = (host.into(), port);
        match self.names.get(&name) {
            Some(Known::Asked) => return Ok(Next::Wait),
            Some(Known::Addresses(addresses, next)) => {
                if let Some(address) = addresses.get(*next) {
                    return Ok(Next::Try(*address));
                }
            }
            Some(Known::Failed(_)) => {
                if let Some(Known::Failed(error)) = self.names.remove(&name) {
                    return Err(error);
                }
            }
            None => (),
        }
        self.ask(name)?;
        Ok(Next::Wait)
    }

    /// The address that [`next`](Self::next) gave did not serve. Answers whether another is left to try at once.
    pub(super) fn failed(&mut self, host: &str, port: u16) -> bool {
        if let Some(Known::Addresses(addresses, next)) = self.names.get_mut(&(host.into(), port)) {
            *next += 1;
            return *next < addresses.len();
        }
        false
    }

    /// An established link was lost: the name may lead elsewhere by now.
    pub(super) fn forget(&mut self, host: &str, port: u16) {
        let name: Name = (host.into(), port);
        if matches!(self.names.get(&name), Some(Known::Addresses(..))) {
            self.names.remove(&name);
        }
    }

    fn ask(&mut self, name: Name) -> io::Result<()> {
        if self.names.len() >= MAX_NAMES {
            self.names.retain(|_, known| matches!(known, Known::Asked));
        }
        let (answer, waker, asked, lookup) =
            (self.answer.clone(), Arc::clone(&self.waker), name.clone(), self.lookup);
        std::thread::Builder::new().name("kurier-resolve".into()).stack_size(STACK).spawn(move || {
            let addresses = lookup(&asked.0, asked.1);
            // A producer that is gone by now neither reads the answer nor wakes.
            if answer.send((asked, addresses)).is_ok()
                && let Err(error) = waker.wake()
            {
                log::error!("cannot wake the I/O thread: {error}");
            }
        })?;
        self.names.insert(name, Known::Asked);
        Ok(())
    }

    fn collect(&mut self) {
        while let Ok((name, answer)) = self.answers.try_recv() {
            let known = match answer {
                Ok(addresses) if addresses.is_empty() => {
                    Known::Failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
                }
                Ok(addresses) => {
                    log::debug!("{}:{} has addresses {addresses:?}", name.0, name.1);
                    Known::Addresses(addresses, 0)
                }
                Err(error) => Known::Failed(error),
            };
            self.names.insert(name, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, Token};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    static ASKED: AtomicU32 = AtomicU32::new(0);

    fn two(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        ASKED.fetch_add(1, Ordering::SeqCst);
        match host {
            "two" => Ok((1..3).map(|n| SocketAddr::from(([127, 0, 0, n], port))).collect()),
            "none" => Ok(Vec::new()),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    fn answered(poll: &mut Poll, resolver: &mut Resolver, host: &str) -> io::Result<SocketAddr> {
        let mut events = Events::with_capacity(4);
        loop {
            match resolver.next(host, 9)? {
                Next::Try(address) => return Ok(address),
                Next::Wait => poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap(),
            }
        }
    }

    #[test]
    fn addresses_are_tried_in_turn_and_asked_for_again_when_used_up_or_forgotten() {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let mut resolver = Resolver::with_lookup(waker, two);
        let first = answered(&mut poll, &mut resolver, "two").unwrap();
        assert_eq!(first.to_string(), "127.0.0.1:9");
        assert_eq!(answered(&mut poll, &mut resolver, "two").unwrap(), first);
        assert!(resolver.failed("two", 9));
        assert_eq!(answered(&mut poll, &mut resolver, "two").unwrap().to_string(), "127.0.0.2:9");
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        assert!(!resolver.failed("two", 9));
        assert_eq!(answered(&mut poll, &mut resolver, "two").unwrap(), first);
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
        resolver.forget("two", 9);
        assert_eq!(answered(&mut poll, &mut resolver, "two").unwrap(), first);
        assert_eq!(ASKED.load(Ordering::SeqCst), 3);
        for (host, kind) in [("none", io::ErrorKind::NotFound), ("bad", io::ErrorKind::PermissionDenied)] {
            assert_eq!(answered(&mut poll, &mut resolver, host).unwrap_err().kind(), kind);
        }
        let literal = resolver.next("::1", 9).unwrap();
        assert!(matches!(literal, Next::Try(address) if address.is_ipv6()));
        assert_eq!(ASKED.load(Ordering::SeqCst), 5);
    }
}
