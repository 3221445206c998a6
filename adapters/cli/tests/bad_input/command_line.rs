//! Usage and configuration: exit status 2, and nothing is sent.
use crate::common::{broker, kurier, values};

#[test]
fn bad_input_unknown_property_names_the_nearest() {
    for command in [
        &["produce", "-t", "t"][..],
        &["metadata"],
        &["perf", "-t", "t", "--num-records", "1", "--record-size", "1"],
    ] {
        let done = kurier(&[command, &["-b", "127.0.0.1:1", "-X", "linger.mss=5"]].concat(), "a\n").expect(2);
        done.says(&["linger.mss", "did you mean `linger.ms`"]);
    }
}

#[test]
fn bad_input_value_names_key_value_and_range() {
    let produce =
        |property: &str| kurier(&["produce", "-b", "127.0.0.1:1", "-t", "t", "-X", property], "a\n");
    produce("linger.ms=soon").expect(2).says(&["linger.ms=soon", "a whole number from 0"]);
    produce("acks=2").expect(2).says(&["acks=2", "all, -1, 0, 1"]);
    produce("batch.size=-1").expect(2).says(&["batch.size=-1", "from 0"]);
    produce("linger.ms").expect(2).says(&["NAME=VALUE"]);
    kurier(&["produce", "-b", "127.0.0.1", "-t", "t"], "")
        .expect(2)
        .says(&["bootstrap.servers=127.0.0.1: allowed is a list", "`127.0.0.1` has no port"]);
    kurier(&["produce", "-t", "t"], "").expect(2).says(&["-b HOST:PORT"]);
}

#[test]
fn bad_input_conflicting_properties_name_both() {
    let produce = |properties: &[&str]| {
        kurier(&[&["produce", "-b", "127.0.0.1:1", "-t", "t"], properties].concat(), "a\n")
    };
    produce(&["-X", "acks=1", "-X", "enable.idempotence=true"])
        .expect(2)
        .says(&["acks=1 is in conflict with enable.idempotence=true", "must be all"]);
    produce(&["-X", "max.in.flight.requests.per.connection=6"])
        .expect(2)
        .says(&["max.in.flight.requests.per.connection=6", "1 to 5"]);
    produce(&["-X", "delivery.timeout.ms=10"]).expect(2).says(&["delivery.timeout.ms=10", "linger.ms=5"]);
}

#[test]
fn bad_input_features_not_built_yet() {
    let produce =
        |more: &[&str]| kurier(&[&["produce", "-b", "127.0.0.1:1", "-t", "t"], more].concat(), "a\n");
    produce(&["-z", "zstd"]).expect(2).says(&["compression.type=zstd", "not built yet"]);
    produce(&["-z", "lzma"]).expect(2).says(&["compression.type=lzma", "none, gzip, snappy, lz4, zstd"]);
    produce(&["-X", "security.protocol=SSL"]).expect(2).says(&["security.protocol=SSL", "not built yet"]);
    produce(&["-X", "transactional.id=x"]).expect(2).says(&["transactional.id=x", "not built yet"]);
}

#[test]
fn bad_input_usage_is_two_and_sends_nothing() {
    let server = broker(1);
    let bootstrap = server.bootstrap();
    for (args, part) in [
        (&["-t", "a b"][..], "topic `a b`"),
        (&["-t", "t", "-p", "-1"], "-1 is not in 0..=2147483647"),
        (&["-t", "t", "-K", ""], "must not be empty"),
        (&["-t", "t", "-D", "\\q"], "a backslash is followed by"),
        (&["-t", "t", "-H", "novalue"], "NAME=VALUE"),
        (&["-t", "t", "--rate", "0"], "above 0"),
        (&["-t", "t", "--format", "xml"], "xml"),
        (&["-t", "t", "--format", "json", "-K", ":"], "-K"),
        (&["-t", "t", "no/such/file"], "no/such/file"),
        (&["-t", "t", "/"], "it is a directory"),
        (&["-t", "t", "--config", "no/such/file"], "no/such/file"),
        (&["-t", "t", "--report", "no/such/folder/report"], "no/such/folder/report"),
        (&[], "-t TOPIC"),
        (&["-t", "t", "--nonsense"], "--nonsense"),
    ] {
        kurier(&[&["produce", "-b", &bootstrap], args].concat(), "a\n").expect(2).says(&[part]);
    }
    kurier(&[], "").expect(2);
    kurier(&["frobnicate"], "").expect(2).says(&["frobnicate"]);
    assert!(values(&server, "t", 0).is_empty());
}
