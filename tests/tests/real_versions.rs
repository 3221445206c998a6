//! Every release that is under test starts here, takes records from kcat and gives them back.
//!
//! Not about our producer: it shows that a failure of the producer on an old release is the producer's.
#![cfg(feature = "real-kafka")]

use kurier_tests::kafka::{Failure, Kafka, Options, Release, read};

#[test]
fn each_release_starts_and_keeps_records() {
    for version in Release::under_test() {
        let started = std::time::Instant::now();
        round_trip(&version).unwrap_or_else(|failure| panic!("Kafka {version}: {failure}"));
        println!("Kafka {version}: {:?}", started.elapsed());
    }
}

fn round_trip(version: &str) -> Result<(), Failure> {
    let kafka = Kafka::start(Options::new().version(version))?;
    kafka.create_topic("old", 2, 1)?;
    let release = kafka.release();
    let silent = ["-X", "api.version.request=false", "-X", "broker.version.fallback=0.9.0.1"];
    let arguments: &[&str] = if release.answers_api_versions() { &[] } else { &silent };
    read::produce(&kafka.bootstrap(), "old", b"one\ntwo\n", &[&["-p", "1"], arguments].concat())?;
    let back = read::formatted(&kafka.bootstrap(), "old", "%p %o %s\\n", arguments)?;
    assert_eq!(String::from_utf8_lossy(&back), "1 0 one\n1 1 two\n", "Kafka {version}");
    assert!(!kafka.dump(1, "old", 1, true)?.is_empty(), "the dump of Kafka {version}");
    Ok(())
}
