//! How long a main loop may sleep.
use kurier_core::sender::Wake;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::time::{Duration, Instant};

/// How long a loop may sleep that has polled interface and producer at `now`: until the earlier of what the producer
/// asked for and what the network has to do (retransmissions, delayed acknowledgements, leases). `None` is until the
/// device says that a frame has come or can go. A frame that comes, and a record to send, end every sleep.
pub fn sleep(
    wake: Wake,
    interface: &mut Interface,
    sockets: &SocketSet<'_>,
    now: Instant,
) -> Option<Duration> {
    let producer = match wake {
        Wake::Now => return Some(Duration::ZERO),
        Wake::At(at) => {
            let at = Instant::from_micros(i64::try_from(at.as_micros()).unwrap_or(i64::MAX));
            Some(if at > now { at - now } else { Duration::ZERO })
        }
        Wake::OnIo => None,
    };
    let network = interface.poll_delay(now, sockets);
    match (producer, network) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
