//! Names, keep-alive and wakers: what the adapter does beside the plain contract, on a loopback interface.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test
use embedded_io::{Error as _, ErrorKind};
use kurier_core::sender::Wake;
use kurier_core::transport::{Endpoint, LinkId, Transport};
use kurier_smoltcp::{Error, Links};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::{dns, tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};

const A: LinkId = LinkId(0);
const B: LinkId = LinkId(1);
const NAMED: Endpoint<'static> = Endpoint { host: "broker.example", port: 9092 };

/// An interface with a name server, a broker's listening socket, and two links.
struct Bench {
    interface: Interface,
    device: Loopback,
    sockets: SocketSet<'static>,
    links: Links<2>,
    names: SocketHandle,
    server: SocketHandle,
    listening: Vec<SocketHandle>,
    asked: u32,
    now: Instant,
}

fn tcp_socket() -> tcp::Socket<'static> {
    tcp::Socket::new(tcp::SocketBuffer::new(vec![0; 64]), tcp::SocketBuffer::new(vec![0; 64]))
}

fn udp_socket() -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 2048]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(53).unwrap();
    socket
}

impl Bench {
    fn new(query_slots: usize) -> Self {
        let mut device = Loopback::new(Medium::Ip);
        let now = Instant::from_millis(1);
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, now);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8)).unwrap();
            addresses.push(IpCidr::new(IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 1), 128)).unwrap();
        });
        let mut sockets = SocketSet::new(vec![]);
        let handles = [sockets.add(tcp_socket()), sockets.add(tcp_socket())];
        let slots: &'static mut [Option<dns::DnsQuery>] =
            Box::leak((0..query_slots).map(|_| None).collect::<Vec<_>>().into_boxed_slice());
        let names = sockets.add(dns::Socket::new(&[IpAddress::v4(127, 0, 0, 1)], slots));
        let server = sockets.add(udp_socket());
        let listening = (0..2)
            .map(|_| {
                let mut socket = tcp_socket();
                socket.listen(NAMED.port).unwrap();
                sockets.add(socket)
            })
            .collect();
        let links = Links::new(handles, 42).with_dns(names);
        Self { interface, device, sockets, links, names, server, listening, asked: 0, now }
    }

    fn connect(&mut self, link: LinkId, to: Endpoint<'_>) -> Poll<Result<(), Error>> {
        self.links.on(&mut self.interface, &mut self.sockets).connect(link, to)
    }

    fn turn(&mut self) {
        self.interface.poll(self.now, &mut self.device, &mut self.sockets);
        self.now += Duration::from_millis(5);
    }

    /// Answers each question with the address of its kind, or with none.
    fn serve(&mut self, ipv4: bool, ipv6: bool) {
        let server = self.sockets.get_mut::<udp::Socket<'_>>(self.server);
        while let Ok((question, from)) = server.recv() {
            self.asked += 1;
            let is_v6 = question[question.len() - 4..] == [0, 28, 0, 1];
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            let address: Option<Vec<u8>> = match is_v6 {
                false if ipv4 => Some(vec![127, 0, 0, 1]),
                true if ipv6 => Some([vec![0; 15], vec![1]].concat()),
                _ => None,
            };
            if let Some(address) = address {
                answer[7] = 1;
                let length = u8::try_from(address.len()).unwrap();
                answer.extend([0xC0, 12, 0, if is_v6 { 28 } else { 1 }, 0, 1, 0, 0, 0, 60, 0, length]);
                answer.extend(address);
            } else {
                answer[3] = 0x83; // no such name
            }
            server.send_slice(&answer, from.endpoint).unwrap();
        }
    }

    /// Opens a link while the name server answers so.
    fn open(&mut self, link: LinkId, (ipv4, ipv6): (bool, bool)) -> Result<(), Error> {
        for _ in 0..60 {
            if let Poll::Ready(result) = self.connect(link, NAMED) {
                return result;
            }
            self.turn();
            self.serve(ipv4, ipv6);
        }
        panic!("neither open nor refused");
    }
}

#[test]
fn a_name_leads_to_its_broker_and_is_asked_again_for_the_next_stream() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.open(A, (true, true)), Ok(()));
    assert_eq!(bench.asked, 1);
    bench.links.on(&mut bench.interface, &mut bench.sockets).close(A);
    assert_eq!(bench.open(A, (true, true)), Ok(()));
    assert_eq!(bench.asked, 2);
}

#[test]
fn a_name_without_ipv4_is_asked_for_ipv6() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.open(A, (false, true)), Ok(()));
    let listening = bench.sockets.get::<tcp::Socket<'_>>(bench.listening[0]);
    assert!(matches!(listening.local_endpoint().unwrap().addr, IpAddress::Ipv6(_)));
    assert_eq!(bench.asked, 2);
}

#[test]
fn a_name_that_nobody_knows_is_an_error_and_may_be_asked_again() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.open(A, (false, false)), Err(Error::UnknownHost));
    assert_eq!(Error::UnknownHost.kind(), ErrorKind::NotFound);
    assert_eq!(bench.open(A, (true, false)), Ok(()));
}

#[test]
fn a_name_server_that_is_silent_or_missing_is_an_error_in_the_end() {
    let mut bench = Bench::new(1);
    let started = bench.now;
    let error = loop {
        if let Poll::Ready(result) = bench.connect(A, NAMED) {
            break result;
        }
        bench.turn();
        bench.now += Duration::from_millis(100);
    };
    assert_eq!(error, Err(Error::UnknownHost));
    assert!(bench.now - started >= Duration::from_secs(10), "a server has ten seconds");
    bench.sockets.get_mut::<dns::Socket<'_>>(bench.names).update_servers(&[]);
    assert_eq!(bench.open(A, (true, true)), Err(Error::UnknownHost));
}

#[test]
fn links_wait_for_a_free_question() {
    let mut bench = Bench::new(1);
    assert!(bench.connect(A, NAMED).is_pending());
    assert!(bench.connect(B, NAMED).is_pending());
    assert_eq!(bench.open(A, (true, false)), Ok(()));
    assert_eq!(bench.open(B, (true, false)), Ok(()));
    assert_eq!(bench.asked, 2);
}

#[test]
fn a_link_that_is_closed_gives_its_question_up() {
    let mut bench = Bench::new(1);
    for _ in 0..5 {
        assert!(bench.connect(A, NAMED).is_pending());
        let mut net = bench.links.on(&mut bench.interface, &mut bench.sockets);
        net.close(A);
        net.close(A);
    }
    assert_eq!(bench.open(B, (true, false)), Ok(()), "no slot was left in use");
}

#[test]
fn what_cannot_be_a_name_is_never_asked() {
    let mut bench = Bench::new(1);
    for host in ["", "a..b", &"x".repeat(64), &"ab.".repeat(100)] {
        let to = Endpoint { host, ..NAMED };
        assert_eq!(bench.connect(A, to), Poll::Ready(Err(Error::NotAnAddress)), "{host}");
    }
}

/// Polls for so long, and answers how many frames the device sent meanwhile.
fn frames_within(bench: &mut Bench, time: Duration) -> u32 {
    let until = bench.now + time;
    let mut frames = 0;
    while bench.now < until {
        let sent = bench.interface.poll_egress(bench.now, &mut bench.device, &mut bench.sockets);
        frames += u32::from(matches!(sent, smoltcp::iface::PollResult::SocketStateChanged));
        bench.turn();
    }
    frames
}

#[test]
fn a_silent_stream_is_probed_only_where_that_was_asked_for() {
    let to = Endpoint { host: "127.0.0.1", ..NAMED };
    for (interval, probes) in [(0, 0..=0), (1000, 9..=25)] {
        let mut bench = Bench::new(1);
        bench.links = bench.links.with_keep_alive(interval);
        assert!(bench.connect(A, to).is_pending());
        (0..10).for_each(|_| bench.turn());
        assert_eq!(bench.connect(A, to), Poll::Ready(Ok(())));
        let frames = frames_within(&mut bench, Duration::from_secs(10));
        assert!(probes.contains(&frames), "{frames} frames in ten seconds, every {interval} ms");
        let read = bench.links.on(&mut bench.interface, &mut bench.sockets).recv(A, &mut [0; 8]);
        assert!(read.is_pending(), "the broker answered");
    }
}

#[test]
fn a_broker_that_answers_no_probe_is_given_up() {
    let to = Endpoint { host: "127.0.0.1", ..NAMED };
    let mut bench = Bench::new(1);
    bench.links = bench.links.with_keep_alive(1000);
    assert!(bench.connect(A, to).is_pending());
    (0..10).for_each(|_| bench.turn());
    assert_eq!(bench.connect(A, to), Poll::Ready(Ok(())));
    // Its machine is gone: no reset, nothing. Frames to it lead nowhere.
    for handle in bench.listening.clone() {
        bench.sockets.remove(handle);
    }
    let mut nowhere = Loopback::new(Medium::Ip);
    let until = bench.now + Duration::from_secs(6);
    while bench.now < until {
        bench.interface.poll_egress(bench.now, &mut nowhere, &mut bench.sockets);
        nowhere = Loopback::new(Medium::Ip);
        bench.now += Duration::from_millis(50);
    }
    let read = bench.links.on(&mut bench.interface, &mut bench.sockets).recv(A, &mut [0; 8]);
    assert_eq!(read, Poll::Ready(Err(Error::Reset)));
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_executor_is_woken_by_each_step_of_a_stream_and_not_without_one() {
    let mut bench = Bench::new(1);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let (mut polls, mut seen) = (0, 0);
    let mut open = false;
    for turn in 0..60 {
        // The first poll is the executor's own, all others must be asked for.
        if turn == 0 || bell.0.load(Ordering::Relaxed) > seen {
            seen = bell.0.load(Ordering::Relaxed);
            polls += 1;
            open = bench.connect(A, NAMED) == Poll::Ready(Ok(()));
            bench.links.register(&mut bench.sockets, &waker);
        }
        bench.turn();
        bench.serve(true, false);
    }
    assert!(open, "woken {seen} times, polled {polls} times");
    assert!(polls <= 8, "{polls} polls for a name and a handshake");
    let before = bell.0.load(Ordering::Relaxed);
    (0..20).for_each(|_| bench.turn());
    assert_eq!(bell.0.load(Ordering::Relaxed), before, "nothing happened");
    bench.sockets.get_mut::<tcp::Socket<'_>>(bench.listening[0]).send_slice(b"answer").unwrap();
    (0..4).for_each(|_| bench.turn());
    assert!(bell.0.load(Ordering::Relaxed) > before, "bytes came");
}

#[test]
fn a_loop_sleeps_until_the_earlier_of_producer_and_network() {
    let mut bench = Bench::new(1);
    let now = bench.now;
    let mut sleep = |wake| kurier_smoltcp::sleep(wake, &mut bench.interface, &bench.sockets, now);
    let at = |ms: u64| Wake::At(kurier_core::time::Instant::from_millis(ms));
    assert_eq!(sleep(Wake::Now), Some(Duration::ZERO));
    assert_eq!(sleep(Wake::OnIo), None, "nothing to do until a frame comes");
    assert_eq!(sleep(at(251)), Some(Duration::from_millis(250)));
    assert_eq!(sleep(at(0)), Some(Duration::ZERO), "what has passed is now");
    assert!(bench.connect(A, Endpoint { host: "127.0.0.1", ..NAMED }).is_pending());
    let mut sleep = |wake| kurier_smoltcp::sleep(wake, &mut bench.interface, &bench.sockets, now);
    assert_eq!(sleep(at(251)), Some(Duration::ZERO), "a handshake to send");
    assert_eq!(sleep(Wake::OnIo), Some(Duration::ZERO));
}
