//! The configuration against Kafka's own list of keys, and `docs/configuration.md` against the code.
use kurier::config::{Config, Kind, find, keys};
use kurier_tests::vectors::{id, lines};
use std::path::Path;

/// Keys of ours that Kafka's producer does not have.
const BEYOND: [&str; 1] = ["allow.auto.create.topics"];

#[test]
fn vectors_config_names_and_defaults_are_kafkas() {
    let mut known: Vec<&str> = keys().map(|key| key.name).filter(|name| !BEYOND.contains(name)).collect();
    for line in lines("config") {
        let name = line["name"].as_str().expect("a name");
        let key = find(name).unwrap_or_else(|| panic!("{}: no such key", id(&line)));
        assert_eq!(key.default, line["default"].as_str(), "{name}: default");
        known.retain(|other| *other != name);
    }
    assert_eq!(known, [""; 0], "keys that Kafka does not have");
}

#[test]
fn vectors_config_ranges_are_kafkas() {
    for line in lines("config") {
        let name = line["name"].as_str().expect("a name");
        let key = find(name).unwrap_or_else(|| panic!("{}: no such key", id(&line)));
        let validator =
            line["validator"].as_str().unwrap_or_default().trim_start_matches("(case insensitive) ");
        let inside = validator.trim_start_matches('[').trim_end_matches(']');
        match line["validatorClass"].as_str() {
            Some("Range") => {
                let (least, most) = inside.split_once(",...").expect("a range");
                let most = most.trim_start_matches(',');
                assert!(key.kind.accepts(least), "{name}={least}");
                if let Kind::Int(min, max) = key.kind {
                    assert_eq!(min.to_string(), least, "{name}");
                    let limit = if line["type"] == "LONG" { i64::MAX } else { i32::MAX.into() };
                    assert_eq!(
                        max,
                        if most.is_empty() { limit } else { most.parse().expect("a number") },
                        "{name}"
                    );
                } else {
                    assert!(key.kind.accepts(most), "{name}={most}");
                }
            }
            Some("ValidString" | "CaseInsensitiveValidString") => {
                for word in inside.split(", ") {
                    assert!(key.kind.accepts(word), "{name}={word}");
                }
                assert!(!key.kind.accepts("nonsense"), "{name}");
            }
            _ => {}
        }
    }
}

#[test]
fn vectors_config_every_default_given_in_so_many_words_changes_nothing() {
    let mut config = Config::new().bootstrap("a:1");
    for line in lines("config") {
        if let (Some(name), Some(default)) = (line["name"].as_str(), line["default"].as_str()) {
            config.set(name, default).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    let settings = config.check().expect("defaults");
    let odd: Vec<_> = settings.warnings.iter().filter(|warning| !warning.contains("has no effect")).collect();
    // Java's rule looks at whether the maximum was set as well; here it was.
    assert_eq!(odd, [""; 0]);
}

#[test]
fn every_key_stands_in_the_documentation_as_it_is_in_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).expect("docs/configuration.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for key in keys() {
        assert!(rows.contains(&key.row().as_str()), "docs/configuration.md needs this row:\n{}", key.row());
    }
    assert_eq!(rows.len(), keys().count(), "rows of keys that are not in the code");
}
