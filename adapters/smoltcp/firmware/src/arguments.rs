//! What the device is told when it starts, as words `name=value`: here by semihosting, elsewhere out of its flash.
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// How to say it.
pub const USAGE: &str = "bootstrap=HOST:PORT topic=NAME [records=N] [every=MS] [full=refuse|drop] [linger=MS] [delivery=MS] [naps=N] [seed=N] [address=A.B.C.D[/LEN] [router=A.B.C.D] [dns=A.B.C.D]]";

/// What to send where.
#[derive(Debug, Clone, Copy)]
pub struct Arguments {
    /// Host name or address of a broker.
    pub host: &'static str,
    /// Its port.
    pub port: u16,
    /// The topic.
    pub topic: &'static str,
    /// How many records to send before the end; 0 is without end.
    pub records: u32,
    /// Milliseconds from one sample to the next; 0 is as fast as there is room.
    pub every: u32,
    /// When there is no room: the oldest batch that was never sent is dropped, or else the newest sample refused.
    pub drop_oldest: bool,
    /// `linger.ms`.
    pub linger: u32,
    /// `delivery.timeout.ms`; 0 is Kafka's default.
    pub delivery: u32,
    /// After its records the device sleeps, loses its memory and begins again, so many times.
    pub naps: u32,
    /// Another one for each device; the boots are counted beside it.
    pub seed: u32,
    /// The device's own address and how many bits of it are the network's, 24 if it is not said; without it DHCP is asked.
    pub address: Option<Ipv4Cidr>,
    /// Beside an own address: who leads out of its network; without one nobody does.
    pub router: Option<Ipv4Address>,
    /// Beside an own address: who knows names; without one nobody does.
    pub dns: Option<Ipv4Address>,
    /// How much is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`.
    #[cfg(feature = "log")]
    pub log: log::LevelFilter,
}

impl Arguments {
    /// `None` if the words are not as [`USAGE`] says.
    pub fn parse(line: &'static str) -> Option<Self> {
        let mut parsed = Self {
            host: "",
            port: 0,
            topic: "",
            records: 0,
            every: 0,
            drop_oldest: false,
            linger: 5,
            delivery: 0,
            naps: 0,
            seed: 1,
            address: None,
            router: None,
            dns: None,
            #[cfg(feature = "log")]
            log: log::LevelFilter::Info,
        };
        // The first word is the program's name.
        for word in line.split_ascii_whitespace().skip(1) {
            let (name, value) = word.split_once('=')?;
            match name {
                "bootstrap" => {
                    let (host, port) = value.rsplit_once(':')?;
                    (parsed.host, parsed.port) = (host, port.parse().ok()?);
                }
                "topic" => parsed.topic = value,
                "records" => parsed.records = value.parse().ok()?,
                "every" => parsed.every = value.parse().ok()?,
                "full" if matches!(value, "refuse" | "drop") => parsed.drop_oldest = value == "drop",
                "linger" => parsed.linger = value.parse().ok()?,
                "delivery" => parsed.delivery = value.parse().ok()?,
                "naps" => parsed.naps = value.parse().ok()?,
                "seed" => parsed.seed = value.parse().ok()?,
                #[cfg(feature = "log")]
                "log" => parsed.log = value.parse().ok()?,
                "address" => parsed.address = Some(network(value)?),
                "router" => parsed.router = Some(host(value)?),
                "dns" => parsed.dns = Some(host(value)?),
                _ => return None,
            }
        }
        // A lease brings its own.
        let stray = parsed.address.is_none() && (parsed.router.is_some() || parsed.dns.is_some());
        (!parsed.host.is_empty() && !parsed.topic.is_empty() && !stray).then_some(parsed)
    }
}

/// The address of one host; smoltcp stops at others.
fn host(word: &str) -> Option<Ipv4Address> {
    let address: Ipv4Address = word.parse().ok()?;
    matches!(address.octets()[0], 1..=223).then_some(address)
}

/// A host's address and its network's length.
fn network(word: &str) -> Option<Ipv4Cidr> {
    let (address, length) = word.split_once('/').unwrap_or((word, "24"));
    let length = length.parse().ok().filter(|length| *length <= 32)?;
    Some(Ipv4Cidr::new(host(address)?, length))
}
