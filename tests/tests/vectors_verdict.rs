//! The verdict on each error code against Kafka's own classes: what is retriable, and what asks for newer metadata.
#![allow(clippy::unwrap_used)] // a test
use kurier_core::idempotence::{Action, Verdict};
use kurier_core::wire::ErrorCode;
use kurier_tests::vectors::{id, lines};

#[test]
fn vectors_errors_are_retried_exactly_when_kafkas_classes_say_so() {
    let mut seen = 0;
    for line in lines("errors") {
        let code = ErrorCode(i16::try_from(line["code"].as_i64().unwrap()).unwrap());
        assert!(Verdict::is_listed(code), "{}: {code} has no row", id(&line));
        let verdict = Verdict::on(code);
        let retriable = line["retriable"].as_bool().unwrap();
        assert_eq!(verdict.is_retriable(), retriable, "{}: {code}", id(&line));
        let stale = line["invalidatesMetadata"].as_bool().unwrap();
        if stale {
            assert_eq!(verdict.action, Action::RetryElsewhere, "{}: {code}", id(&line));
        }
        seen += 1;
    }
    assert!(seen > 130, "{seen}");
}
