//! A stretch of the way to a broker on which every question about topics becomes one about all topics there are: so the
//! broker itself makes the answer giant.
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Metadata's key.
const METADATA: [u8; 2] = [0, 3];
/// The oldest version in which arrays are compact, and the oldest that also asks for a topic's operations but not a cluster's.
const COMPACT: i16 = 9;
const NO_CLUSTER: i16 = 11;

/// A listener on loopback, until the process ends.
#[derive(Debug)]
pub struct AskAll {
    /// Where it listens.
    pub address: SocketAddr,
    largest: Arc<AtomicU64>,
}

impl AskAll {
    /// In front of the broker at `to`.
    ///
    /// # Errors
    /// It cannot listen.
    pub fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let largest = Arc::new(AtomicU64::new(0));
        let seen = largest.clone();
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                // Streams that cannot be opened or break are closed on both sides: the producer comes again.
                if let Ok(far) = TcpStream::connect(to) {
                    let pair = near.try_clone().and_then(|near| Ok((near, far.try_clone()?)));
                    let Ok((near_down, far_down)) = pair else { continue };
                    let seen = seen.clone();
                    thread::spawn(move || requests(near, far));
                    thread::spawn(move || answers(far_down, near_down, &seen));
                }
            }
        });
        Ok(Self { address, largest })
    }

    /// Bytes of the largest answer so far.
    pub fn largest_answer(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }
}

/// A frame without its size.
fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut size = [0; 4];
    from.read_exact(&mut size)?;
    let mut frame = vec![0; u32::from_be_bytes(size) as usize];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn put(to: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let size = u32::try_from(frame.len()).map_err(io::Error::other)?;
    to.write_all(&size.to_be_bytes())?;
    to.write_all(frame)
}

fn requests(mut near: TcpStream, mut far: TcpStream) {
    while let Ok(frame) = frame(&mut near) {
        let asked = all_topics(&frame).unwrap_or(frame);
        if put(&mut far, &asked).is_err() {
            break;
        }
    }
    // The other direction ends with it.
    let _ = far.shutdown(std::net::Shutdown::Both);
}

fn answers(mut far: TcpStream, mut near: TcpStream, largest: &AtomicU64) {
    while let Ok(frame) = frame(&mut far) {
        largest.fetch_max(frame.len() as u64, Ordering::Relaxed);
        if put(&mut near, &frame).is_err() {
            break;
        }
    }
    let _ = near.shutdown(std::net::Shutdown::Both);
}

/// The same question about all topics, if it is one about topics.
fn all_topics(frame: &[u8]) -> Option<Vec<u8>> {
    let (key, rest) = frame.split_at_checked(2)?;
    let version = i16::from_be_bytes(*rest.first_chunk()?);
    // Key, version, correlation id, client id.
    let client = usize::from(u16::from_be_bytes(*frame.get(8..)?.first_chunk()?));
    let mut asked = frame.get(..10 + client)?.to_vec();
    if key != METADATA || version < 4 {
        return None;
    }
    if version >= COMPACT {
        // No tags; no list; do not create; nobody's operations; no tags.
        let operations = if version < NO_CLUSTER { 2 } else { 1 };
        asked.extend([0, 0, 0].into_iter().chain(std::iter::repeat_n(0, operations)).chain([0]));
    } else {
        asked.extend([0xFF; 4]);
        asked.extend(std::iter::repeat_n(0, if version >= 8 { 3 } else { 1 }));
    }
    Some(asked)
}
