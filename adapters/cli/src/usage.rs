//! What this process has used: processor time and the most memory it ever held, by getrusage(2). The only
//! unsafe code of the command, for one system call.
#![allow(unsafe_code)]

/// Processor time and memory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds in the process's own code.
    pub user: f64,
    /// Seconds in the system on its behalf.
    pub system: f64,
    /// The most memory that was resident at a time, bytes.
    pub max_rss: u64,
}

impl Usage {
    /// Of all threads since the process began; zeros if the system does not tell.
    pub(crate) fn now() -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to a whole `rusage`, which the call fills and does not keep.
        let told = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } == 0;
        // SAFETY: all fields are integers, for which zero bits are a value; so it is initialised either way.
        let usage = unsafe { usage.assume_init() };
        if !told {
            return Self::default();
        }
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        // Linux counts in KiB, macOS in bytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        Self {
            user: seconds(usage.ru_utime),
            system: seconds(usage.ru_stime),
            max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit,
        }
    }

    /// Time since `earlier`; memory as it is.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time_and_memory() {
        let before = Usage::now();
        let mut held = vec![0u64; 4 << 20];
        let start = std::time::Instant::now();
        while start.elapsed() < std::time::Duration::from_millis(200) {
            for (index, slot) in held.iter_mut().enumerate() {
                *slot = slot.wrapping_mul(31).wrapping_add(index as u64);
            }
        }
        assert!(held.iter().any(|slot| *slot != 0));
        let used = Usage::now().since(&before);
        assert!(used.user + used.system > 0.02, "{used:?}");
        assert!(used.max_rss > 32 << 20, "{used:?}");
    }
}
