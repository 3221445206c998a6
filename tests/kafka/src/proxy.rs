//! A TCP proxy before one broker that breaks links where a test wants it: between frames, within a request, within an
//! answer, or after the request and before its answer.
//!
//! It reads nothing but the four bytes of length before each Kafka frame. Two threads serve a link, one each way.
//!
//! Invariant: bytes that are passed on are passed on unchanged and in order; a link that is cut passes no more.
mod frames;

use crate::Failure;
use frames::{Frames, Target};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a held link looks whether it may go on.
const LOOK: Duration = Duration::from_millis(5);

/// One of the two directions of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the broker.
    Requests,
    /// From the broker to the client.
    Answers,
}

/// A proxy on a loopback port of its own; dropped, it closes all its links.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The broker's port; 0 until it is known, and nobody is let in before.
    broker: AtomicU16,
    over: AtomicBool,
    refusing: AtomicBool,
    requests: Valve,
    answers: Valve,
    links: Mutex<Vec<Weak<Link>>>,
    /// Links that were cut while they lived.
    cut: AtomicU64,
}

/// What happens to bytes that go one way.
#[derive(Debug, Default)]
struct Valve {
    held: AtomicBool,
    delay_ms: AtomicU64,
    armed: Mutex<Option<Target>>,
    /// Links that ended at the place a test asked for.
    cut: AtomicU64,
}

#[derive(Debug)]
struct Link {
    client: TcpStream,
    broker: TcpStream,
    over: AtomicBool,
}

impl Proxy {
    /// Listens; links are refused until [`Self::lead_to`] names the broker.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Failure::of("a proxy cannot listen"))?;
        let port = listener.local_addr().map_err(Failure::of("a proxy has no address"))?.port();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let accepting = std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || accept(&listener, &theirs))
            .map_err(Failure::of("a proxy has no thread"))?;
        Ok(Self { port, shared, accepting: Some(accepting) })
    }

    /// The port of 127.0.0.1 it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Names the broker: a port of 127.0.0.1.
    pub fn lead_to(&self, broker: u16) {
        self.shared.broker.store(broker, Ordering::Relaxed);
    }

    /// Ends every link now, wherever its bytes are; answers how many there were.
    pub fn cut_all(&self) -> u64 {
        let links: Vec<_> = self.shared.links().drain(..).filter_map(|link| link.upgrade()).collect();
        links.iter().filter(|link| link.cut(&self.shared.cut)).count() as u64
    }

    /// The next frame `way` of at least `least` bytes is passed on up to `percent` of its bytes, and then its link ends:
    /// 0 is before it, 100 after all of it.
    pub fn cut_within(&self, way: Way, percent: u8, least: u32) {
        *self.shared.valve(way).armed() = Some(Target { percent: percent.min(100), least });
    }

    /// Forgets what was asked for with [`Self::cut_within`] and has not happened; answers whether there was such.
    pub fn disarm(&self) -> bool {
        [Way::Requests, Way::Answers]
            .into_iter()
            .filter(|way| self.shared.valve(*way).armed().take().is_some())
            .count()
            > 0
    }

    /// Whether a cut that was asked for is still to come.
    pub fn armed(&self, way: Way) -> bool {
        self.shared.valve(way).armed().is_some()
    }

    /// Passes on everything `way` only after `delay`; zero ends it.
    pub fn delay(&self, way: Way, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.valve(way).delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Passes nothing on `way` while `held`, and keeps the links open: a black hole in one direction.
    pub fn hold(&self, way: Way, held: bool) {
        self.shared.valve(way).held.store(held, Ordering::Relaxed);
    }

    /// Closes new links at once while `refusing`.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::Relaxed);
    }

    /// Links that were cut while they lived: at a place within requests, within answers, and anywhere.
    pub fn cuts(&self) -> [u64; 3] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [of(&self.shared.requests.cut), of(&self.shared.answers.cut), of(&self.shared.cut)]
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
        self.cut_all();
    }
}

impl Shared {
    fn valve(&self, way: Way) -> &Valve {
        match way {
            Way::Requests => &self.requests,
            Way::Answers => &self.answers,
        }
    }

    fn links(&self) -> MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Valve {
    fn armed(&self) -> MutexGuard<'_, Option<Target>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Ends both directions; counted before anybody can see it, if it lived.
    fn cut(&self, cuts: &AtomicU64) -> bool {
        let lived = !self.over.swap(true, Ordering::Relaxed);
        cuts.fetch_add(lived.into(), Ordering::Relaxed);
        // The other side may have ended it already.
        let _client = self.client.shutdown(Shutdown::Both);
        let _broker = self.broker.shutdown(Shutdown::Both);
        lived
    }

    /// Ends both directions because one has ended.
    fn end(&self) {
        self.cut(&AtomicU64::new(0));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let broker = shared.broker.load(Ordering::Relaxed);
        if broker == 0 || shared.refusing.load(Ordering::Relaxed) {
            continue;
        }
        // A broker that is gone refuses, and its proxy closes what it has taken.
        if let (Ok(client), Ok(broker)) = (client, TcpStream::connect(("127.0.0.1", broker))) {
            serve(client, broker, shared);
        }
    }
}

fn serve(client: TcpStream, broker: TcpStream, shared: &Arc<Shared>) {
    // A link without this is only slower.
    let _quick = client.set_nodelay(true).and_then(|()| broker.set_nodelay(true));
    let link = Arc::new(Link { client, broker, over: AtomicBool::new(false) });
    {
        let mut links = shared.links();
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&link));
    }
    for way in [Way::Requests, Way::Answers] {
        let (theirs, shared) = (Arc::clone(&link), Arc::clone(shared));
        let pump = move || {
            pump(&theirs, way, shared.valve(way));
            theirs.end();
        };
        if std::thread::Builder::new().name("proxy-link".to_owned()).spawn(pump).is_err() {
            link.end();
        }
    }
}

/// Passes bytes on until either side ends or the valve says so.
fn pump(link: &Link, way: Way, valve: &Valve) {
    let (mut from, mut to) = match way {
        Way::Requests => (&link.client, &link.broker),
        Way::Answers => (&link.broker, &link.client),
    };
    let mut frames = Frames::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer) else { return };
        std::thread::sleep(Duration::from_millis(valve.delay_ms.load(Ordering::Relaxed)));
        while valve.held.load(Ordering::Relaxed) && !link.over.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        let Some(bytes) = buffer.get(..length) else { return };
        let end = frames.pass(bytes, &mut valve.armed());
        let passed = end.map_or(bytes, |end| bytes.get(..end).unwrap_or(bytes));
        if link.over.load(Ordering::Relaxed) || to.write_all(passed).is_err() {
            return;
        }
        if end.is_some() {
            link.cut(&valve.cut);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo server, a proxy before it, and a client of the proxy.
    fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::start().unwrap();
        proxy.lead_to(listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (proxy, client)
    }

    fn frame(size: u8) -> Vec<u8> {
        [&[0, 0, 0, size][..], &vec![size; size.into()]].concat()
    }

    #[test]
    fn an_answer_is_cut_where_it_was_asked_for_and_the_next_link_is_whole() {
        let (proxy, mut client) = echo();
        client.write_all(&frame(10)).unwrap();
        let mut whole = [0; 14];
        client.read_exact(&mut whole).unwrap();
        assert_eq!(whole[..], frame(10));
        proxy.cut_within(Way::Answers, 50, 20);
        client.write_all(&[frame(10), frame(96)].concat()).unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [&frame(10)[..], &frame(96)[..50]].concat());
        assert_eq!((proxy.cuts(), proxy.armed(Way::Answers)), ([0, 1, 0], false));

        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        client.write_all(&frame(10)).unwrap();
        client.read_exact(&mut whole).unwrap();
        assert_eq!(proxy.cut_all(), 1);
        assert_eq!(client.read(&mut whole).unwrap_or(0), 0);
    }

    #[test]
    fn a_black_hole_keeps_the_link_and_lets_go_of_what_it_has() {
        let (proxy, mut client) = echo();
        proxy.hold(Way::Answers, true);
        client.write_all(&frame(5)).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut whole = [0; 9];
        assert!(client.read(&mut whole).is_err());
        proxy.hold(Way::Answers, false);
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.read_exact(&mut whole).unwrap();
        assert_eq!(whole[..], frame(5));
    }

    #[test]
    fn a_proxy_that_refuses_closes_new_links_only() {
        let (proxy, mut client) = echo();
        client.write_all(&frame(1)).unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        proxy.refuse(true);
        let mut other = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        assert_eq!(other.read(&mut [0; 5]).unwrap_or(0), 0);
        client.write_all(&frame(1)).unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        assert!(!proxy.disarm());
    }
}
