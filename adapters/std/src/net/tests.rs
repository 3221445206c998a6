//! The transport over real sockets on loopback.
use super::*;
use mio::{Events, Poll as Sleep};
use std::net::{TcpListener, TcpStream as Peer};
use std::time::{Duration, Instant};

struct Net {
    sleep: Sleep,
    events: Events,
    sockets: Sockets,
}

const LINK: LinkId = LinkId(1);

impl Net {
    fn new() -> Self {
        let sleep = Sleep::new().unwrap();
        let waker = Arc::new(Waker::new(sleep.registry(), WAKER).unwrap());
        let registry = sleep.registry().try_clone().unwrap();
        let options = SocketOptions { send_buffer: Some(16 * 1024), receive_buffer: None };
        Self { events: Events::with_capacity(8), sockets: Sockets::new(registry, waker, options), sleep }
    }

    fn turn(&mut self) {
        self.sleep.poll(&mut self.events, Some(Duration::from_millis(20))).unwrap();
        for event in &self.events {
            self.sockets.handle(event);
        }
    }

    fn until<T>(&mut self, mut step: impl FnMut(&mut Sockets) -> Poll<T>) -> T {
        let started = Instant::now();
        loop {
            if let Poll::Ready(done) = step(&mut self.sockets) {
                return done;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "nothing happens");
            self.turn();
        }
    }

    fn connect(&mut self, link: LinkId, host: &str, port: u16) -> io::Result<()> {
        self.until(|sockets| sockets.connect(link, Endpoint { host, port }))
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn bytes_go_both_ways_and_the_end_is_seen() {
    let (listener, port) = listener();
    let mut net = Net::new();
    net.connect(LINK, "127.0.0.1", port).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(net.until(|s| s.send(LINK, &[b"ab", b"", b"cd"])).unwrap(), 4);
    let mut got = [0; 4];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"abcd");
    let mut buf = [0; 8];
    assert!(net.sockets.recv(LINK, &mut buf).is_pending());
    // Data and the end arrive together: the end must not hide behind the short read.
    peer.write_all(b"xyz").unwrap();
    drop(peer);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(net.until(|s| s.recv(LINK, &mut buf)).unwrap(), 3);
    assert_eq!(&buf[..3], b"xyz");
    assert_eq!(net.until(|s| s.recv(LINK, &mut buf)).unwrap(), 0);
    net.sockets.close(LINK);
    net.sockets.close(LINK);
    assert!(matches!(net.sockets.recv(LINK, &mut buf), Poll::Ready(Err(_))));
}

#[test]
fn a_full_socket_is_pending_and_goes_on_when_the_peer_reads() {
    let (listener, port) = listener();
    let mut net = Net::new();
    net.connect(LINK, "127.0.0.1", port).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let data: Vec<u8> = (0..8_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut sent = 0;
    let mut pending = 0;
    while pending < 3 {
        let (one, two) = data[sent..].split_at((data.len() - sent) / 2);
        match net.sockets.send(LINK, &[one, two]) {
            Poll::Ready(taken) => sent += taken.unwrap(),
            Poll::Pending => {
                pending += 1;
                net.turn();
            }
        }
    }
    assert!(sent < data.len());
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    while sent < data.len() {
        let rest = &data[sent..];
        let pieces: Vec<&[u8]> = rest.chunks(1000).take(200).collect();
        sent += net.until(|s| s.send(LINK, &pieces)).unwrap();
    }
    net.sockets.close(LINK);
    assert_eq!(reader.join().unwrap(), data);
}

#[test]
fn a_closed_port_is_refused_and_a_name_is_resolved_on_the_side() {
    let (listener, port) = listener();
    let mut net = Net::new();
    // The system may know an IPv6 address first, where nobody listens: the next one is tried at once.
    net.connect(LINK, "localhost", port).unwrap();
    drop(listener);
    net.sockets.close(LINK);
    let refused = net.connect(LINK, "127.0.0.1", port).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let refused = net.connect(LINK, "localhost", port).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(net.connect(LINK, "no-such-host.invalid", 9092).is_err());
}

#[test]
fn a_reopened_slot_does_not_see_its_former_stream() {
    let (listener, port) = listener();
    let mut net = Net::new();
    net.connect(LINK, "127.0.0.1", port).unwrap();
    let (mut old, _) = listener.accept().unwrap();
    old.write_all(b"late").unwrap();
    // The event is fetched, and its link reopened before it is handled.
    std::thread::sleep(Duration::from_millis(20));
    net.sleep.poll(&mut net.events, Some(Duration::from_millis(100))).unwrap();
    net.sockets.close(LINK);
    assert!(net.sockets.connect(LINK, Endpoint { host: "127.0.0.1", port }).is_pending());
    for event in &net.events {
        net.sockets.handle(event);
    }
    assert!(!net.sockets.link(LINK).stream.as_ref().unwrap().readable);
    net.connect(LINK, "127.0.0.1", port).unwrap();
    let (mut new, _) = listener.accept().unwrap();
    new.write_all(b"new").unwrap();
    let mut buf = [0; 8];
    assert_eq!(net.until(|s| s.recv(LINK, &mut buf)).unwrap(), 3);
    assert_eq!(&buf[..3], b"new");
    drop::<Peer>(old);
}

#[test]
fn the_options_are_set_before_the_connection() {
    let (_listener, port) = listener();
    let mut net = Net::new();
    net.connect(LINK, "127.0.0.1", port).unwrap();
    let link = net.sockets.link(LINK);
    let socket = socket2::SockRef::from(&link.stream.as_ref().unwrap().socket);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert!((16 * 1024..=64 * 1024).contains(&socket.send_buffer_size().unwrap()));
}

#[test]
#[cfg(debug_assertions)]
fn a_system_call_under_the_append_lock_is_caught_in_debug_builds() {
    let (_listener, port) = listener();
    let mut net = Net::new();
    net.connect(LINK, "127.0.0.1", port).unwrap();
    let lock = crate::lock::AppendLock::new(());
    let held = lock.lock();
    let sockets = std::panic::AssertUnwindSafe(&mut net.sockets);
    let caught = std::panic::catch_unwind(move || {
        let std::panic::AssertUnwindSafe(sockets) = { sockets };
        sockets.send(LINK, &[b"x"]).is_ready()
    });
    assert!(caught.is_err());
    drop(held);
}
