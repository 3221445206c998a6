//! Ports for servers that start a second later, in another process.
//!
//! Invariant: while a [`Port`] lives, no other user of this module on this machine is given its number. They
//! lie below the range the kernel takes for outgoing connections, which would otherwise steal one in between.
use crate::Failure;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A free loopback port, reserved for as long as this lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Reserves a free port of 127.0.0.1.
///
/// # Errors
/// All of them are taken, or the temp folder cannot be written.
pub fn free_port() -> Result<Port, Failure> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = folder();
    fs::create_dir_all(&folder).map_err(Failure::of(folder.display()))?;
    // Spread by process, so that parallel test binaries rarely meet at all.
    let start = std::process::id().wrapping_mul(37);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let Ok(number) = u16::try_from(FIRST + start.wrapping_add(step) % COUNT) else { continue };
        if let Some(port) = reserve(&folder, number)? {
            return Ok(port);
        }
    }
    Err(Failure::new("no free port of 127.0.0.1 between 20000 and 32000"))
}

fn reserve(folder: &std::path::Path, number: u16) -> Result<Option<Port>, Failure> {
    let path = folder.join(number.to_string());
    let lock = File::create(&path).map_err(Failure::of(path.display()))?;
    let free = lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok();
    Ok(free.then_some(Port { number, _lock: lock }))
}

/// One folder per user: a lock file of someone else could not be opened.
fn folder() -> PathBuf {
    let user = fs::metadata("/proc/self").map_or(0, |own| own.uid());
    std::env::temp_dir().join(format!("kurier-ports-{user}"))
}

#[cfg(test)]
mod tests {
    use super::free_port;

    #[test]
    fn no_port_is_given_twice_while_it_is_held() {
        let ports: Vec<_> = (0..20).map(|_| free_port().unwrap()).collect();
        let mut numbers: Vec<_> = ports.iter().map(super::Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
        assert!(super::reserve(&super::folder(), numbers[0]).unwrap().is_none());
    }
}
