//! Why a stream could not be opened, or broke.
use core::fmt;
use embedded_io::ErrorKind;

/// Why a stream could not be opened, or broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The broker is named by something that is no address of a kind that is compiled in, and that cannot be asked of
    /// DNS: no feature `dns`, no `Links::with_dns`, or no possible name.
    NotAnAddress,
    /// DNS has no address for the broker's name, no server answered within ten seconds each, or none is known.
    UnknownHost,
    /// The interface has no address to reach the broker from, or the broker's address or port is 0; with
    /// [`Links::with_routes`](crate::Links::with_routes) also: the broker is in another network, and no router leads there.
    Unreachable,
    /// There is no TCP socket for this link: the producer's storage has more links than [`Links`](crate::Links).
    NoSocket,
    /// Nobody listens at the broker's port.
    Refused,
    /// The stream is over: the broker reset it, or it never was open.
    Reset,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnAddress => {
                "the broker's name is no IP address and cannot be asked of DNS (feature `dns`, Links::with_dns)"
            }
            Self::UnknownHost => "DNS gives no address for the broker's name: is its server right?",
            Self::Unreachable => {
                "no route to the broker: the interface has no address, or no router leads out of its network"
            }
            Self::NoSocket => "more links in the storage than TCP sockets",
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotAnAddress => ErrorKind::Unsupported,
            Self::UnknownHost => ErrorKind::NotFound,
            Self::Unreachable => ErrorKind::AddrNotAvailable,
            Self::NoSocket => ErrorKind::InvalidInput,
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Reset => ErrorKind::ConnectionReset,
        }
    }
}
