//! The sink as a process: prints its address, then serves topics `p1` and `p12` of one and of twelve partitions.
use kurier_bench::sink;
use kurier_broker::{Cluster, Settings, TopicConfig};
use std::io;
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let mut cluster = Cluster::new(Settings::default());
    cluster.add_broker(1, "127.0.0.1", address.port());
    for (topic, partitions) in [("p1", 1), ("p12", 12)] {
        let created = cluster.create_topic(topic, partitions, TopicConfig::default());
        created.map_err(|error| io::Error::other(format!("{topic}: {error:?}")))?;
    }
    println!("{address}");
    sink::serve(&listener, cluster)
}
