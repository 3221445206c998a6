//! A Kafka producer on bare metal: the core's byte streams over [smoltcp]'s TCP sockets, without heap.
//!
//! [`Links`] holds one TCP socket for each of the producer's links, out of a `SocketSet` that its caller owns;
//! [`Links::on`] lends interface and sockets for one poll. It knows nothing of the device below the interface. Brokers
//! are named by their addresses; with the feature `dns` and `Links::with_dns` also by names, in the settings and in
//! what they advertise.
//!
//! One turn of a main loop:
//!
//! ```
//! # use kurier_core::{producer::Producer, sender::Wake};
//! # use kurier_smoltcp::Links;
//! # use smoltcp::{iface::{Interface, SocketSet}, phy::Device, time::Instant};
//! # fn turn<D: Device>(producer: &mut Producer, links: &mut Links<2>, interface: &mut Interface,
//! #     sockets: &mut SocketSet<'_>, device: &mut D, micros: u64) -> Option<smoltcp::time::Duration> {
//! let now = Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
//! interface.poll(now, device, sockets);                       // frames in, and what was queued out
//! let time = kurier_core::time::Instant::from_micros(micros);
//! let wake = producer.poll(time, &mut links.on(interface, sockets));
//! while let Some(delivery) = producer.next_delivery() { /* light a lamp */ }
//! // Sleep so long, or until the device says that a frame has come or can go.
//! kurier_smoltcp::sleep(wake, interface, sockets, now)
//! # }
//! ```
//!
//! Nothing has to be woken from outside: what a socket can do changes only in `interface.poll`, so the producer is
//! polled after it. Where another task polls the interface, `Links::register` (feature `async`) has the producer's
//! task woken by its sockets.
//!
//! Sizes: a socket's transmit buffer bounds what one write takes, its receive buffer is the window that the broker
//! sees; 1 KB each are enough, larger ones are faster. The initial sequence numbers of TCP come from the interface's
//! `random_seed`, the local ports from the seed given here: both should differ from boot to boot.
//!
//! [smoltcp]: https://docs.rs/smoltcp
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(not(any(feature = "proto-ipv4", feature = "proto-ipv6")))]
compile_error!(
    "kurier-smoltcp without `proto-ipv4` and `proto-ipv6` knows no addresses: name one of these features"
);

mod error;
#[cfg(feature = "dns")]
mod names;
mod net;
mod ports;
mod sleep;

pub use error::Error;
pub use net::{Links, Net};
pub use sleep::sleep;
