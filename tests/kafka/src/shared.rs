//! One broker for all tests that do not stop it.
//!
//! `KURIER_KAFKA=HOST:PORT` names one that runs, so that each test binary need not start its own;
//! `KURIER_KAFKA_LOGS` its log folder. Tests on it use topic names of their own, see [`Shared::topic`].
use crate::read::{self, Dumped};
use crate::{Admin, Failure, Kafka, Options, Release};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A running broker of the default release.
#[derive(Debug)]
pub struct Shared {
    bootstrap: String,
    own: Option<Kafka>,
    admin: Admin,
}

/// The broker of this process: the one that `KURIER_KAFKA` names, else one started at the first call. It ends
/// with the process.
///
/// # Errors
/// It does not start; so at every call.
pub fn shared() -> Result<&'static Shared, Failure> {
    static SHARED: OnceLock<Result<Shared, Failure>> = OnceLock::new();
    SHARED.get_or_init(Shared::start).as_ref().map_err(Clone::clone)
}

impl Shared {
    fn start() -> Result<Self, Failure> {
        let named = std::env::var("KURIER_KAFKA").ok().filter(|named| !named.is_empty());
        let own = if named.is_none() { Some(Kafka::start(Options::new())?) } else { None };
        let bootstrap = named.or_else(|| own.as_ref().map(Kafka::bootstrap)).unwrap_or_default();
        Ok(Self { admin: Admin::start(&bootstrap)?, bootstrap, own })
    }

    /// `HOST:PORT` of the broker.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Its admin client.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// A topic that no other test uses, with `partitions`; gives its name, which begins with `label`.
    ///
    /// # Errors
    /// What the broker says.
    pub fn topic(&self, label: &str, partitions: u32) -> Result<String, Failure> {
        let name = unique(label);
        self.admin.create(&name, partitions, 1, &[])?;
        Ok(name)
    }

    /// Dumps a partition of its log, see [`read::dump`].
    ///
    /// # Errors
    /// The tool failed, there is no such partition, or the folder of a named broker is not known.
    pub fn dump(&self, topic: &str, partition: u32, data: bool) -> Result<Vec<Dumped>, Failure> {
        let unknown = || Failure::new("where KURIER_KAFKA keeps its log is not known: set KURIER_KAFKA_LOGS");
        let files = read::segments(&self.log_dir().ok_or_else(unknown)?, topic, partition)?;
        read::dump(&Release::parse(Release::DEFAULT)?, &files, data)
    }

    /// The folder of its partitions, if it is known.
    pub fn log_dir(&self) -> Option<PathBuf> {
        let own = self.own.as_ref().map(|kafka| kafka.log_dir(1));
        own.or_else(|| std::env::var_os("KURIER_KAFKA_LOGS").map(PathBuf::from))
    }
}

fn unique(label: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.subsec_nanos());
    format!("{label}-{}-{}-{since}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
