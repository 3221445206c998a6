//! The bridge's own look at its cluster: after a restart it knows the options' brokers only, while its clients know all.
use crate::cluster::{Address, Cluster};
use kurier_broker::codec::{self, Direction, object};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Metadata in the oldest version that any broker of today speaks beside the newest of yesterday.
const VERSION: i16 = 4;
/// The largest list of brokers that is taken.
const MAX_ANSWER: u32 = 1 << 20;

/// Time between two looks: addresses that are no brokers cost the cluster no more than that.
const PAUSE: Duration = Duration::from_secs(1);

/// One look at a time.
#[derive(Debug, Default)]
pub(crate) struct Lookup(Mutex<Option<Instant>>);

impl Lookup {
    /// Whether this is a broker, after asking the cluster unless that was done just now.
    pub(crate) async fn is_broker(&self, cluster: &Cluster, address: &Address, patience: Duration) -> bool {
        // Who waits here finds what the one before has learned.
        let mut last = self.0.lock().await;
        if cluster.is_broker(address) || last.is_some_and(|last| last.elapsed() < PAUSE) {
            return cluster.is_broker(address);
        }
        for (host, port) in cluster.bootstrap() {
            match timeout(patience, ask(cluster, host, *port)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => log::warn!("{host}:{port} does not say who its brokers are: {error}"),
                Err(_) => log::warn!("{host}:{port} does not answer"),
            }
        }
        *last = Some(Instant::now());
        cluster.is_broker(address)
    }
}

async fn ask(cluster: &Cluster, host: &str, port: u16) -> io::Result<()> {
    let unreadable = |_| io::Error::from(io::ErrorKind::InvalidData);
    let nothing =
        object([("topics", Vec::<codec::Value>::new().into()), ("allowAutoTopicCreation", false.into())]);
    let body = codec::encode(3, VERSION, Direction::Request, &nothing).map_err(unreadable)?;
    let mut stream = TcpStream::connect((host, port)).await?;
    let header = [0, 3, 0, 4, 0, 0, 0, 1, 0xff, 0xff];
    stream.write_all(&codec::frame(&[&header, body.as_slice()].concat())).await?;
    let size = stream.read_u32().await?;
    if !(4..=MAX_ANSWER).contains(&size) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut answer = Vec::new();
    stream.take(size.into()).read_to_end(&mut answer).await?;
    let body = answer.get(4..).unwrap_or_default();
    let value = codec::decode(3, VERSION, Direction::Response, body).map_err(unreadable)?;
    cluster
        .learn_brokers(value.list("brokers").iter().map(|broker| (broker.text("host"), broker.int("port"))));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_not_asked_for_each_unknown_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cluster = Cluster::new(vec![("127.0.0.1".to_owned(), port)], &[]);
        let lookup = Lookup::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wants = |host: &str| {
            let address = (host.to_owned(), 1);
            runtime.block_on(lookup.is_broker(&cluster, &address, Duration::from_millis(20)))
        };
        // It takes the question and does not answer.
        assert!(["x", "y", "z"].iter().all(|host| !wants(host)));
        assert!(listener.accept().is_ok());
        assert!(listener.accept().is_err(), "asked again at once");
        std::thread::sleep(PAUSE);
        assert!(!wants("x"));
        assert!(listener.accept().is_ok(), "never asked again");
    }
}
