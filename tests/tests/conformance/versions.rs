//! ApiVersions.
use crate::talk::{Answer, Talk};
use kurier_broker::api;
use kurier_broker::codec::{Value, object};

fn request(name: &str, version: &str) -> Value {
    object([("clientSoftwareName", name.into()), ("clientSoftwareVersion", version.into())])
}

#[test]
fn every_version_tells_the_same_ranges() {
    let mut talk = Talk::new();
    for version in 0..=4 {
        let Answer::Body(body) = talk.ask(api::API_VERSIONS, version, &request("kurier", "0.1.0")) else {
            panic!()
        };
        assert_eq!(body.int("errorCode"), 0);
        let produce = body.list("apiKeys").iter().find(|range| range.int("apiKey") == 0).unwrap();
        assert_eq!((produce.int("minVersion"), produce.int("maxVersion")), (0, 13));
    }
}

#[test]
fn a_version_that_is_not_spoken_is_answered_in_version_zero() {
    let mut talk = Talk::new();
    for version in [5, 9, i16::MAX, -1] {
        let body: &[u8] = &[7, b'k', b'u', b'r', b'i', b'e', b'r', 2, b'1', 0];
        let Answer::Body(body) = talk.ask_bytes(api::API_VERSIONS, version, body) else {
            panic!("{version}")
        };
        assert_eq!(body.int("errorCode"), 35);
        let [own] = body.list("apiKeys") else { panic!("{body:?}") };
        assert_eq!((own.int("apiKey"), own.int("minVersion"), own.int("maxVersion")), (18, 0, 4));
    }
}

#[test]
fn names_of_software_are_checked() {
    let mut talk = Talk::new();
    for (name, version, error) in [
        ("kurier", "1", 0),
        ("k", "0.1.0-alpha.1", 0),
        ("", "1", 42),
        ("kurier", "", 42),
        ("-kurier", "1", 42),
        ("kurier", "1-", 42),
        ("ku rier", "1", 42),
        ("kurier", "1_0", 42),
        ("k\u{fc}rier", "1", 42),
    ] {
        for api_version in [3, 4] {
            let Answer::Body(body) = talk.ask(api::API_VERSIONS, api_version, &request(name, version)) else {
                panic!()
            };
            assert_eq!(body.int("errorCode"), error, "{name:?} {version:?}");
        }
    }
}
