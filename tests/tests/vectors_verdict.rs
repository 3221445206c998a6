//! The verdict on each error code against Kafka's own classes: what is retriable, what asks for newer metadata, what ends
//! the producer, and what leaves it open whether the batch was written.
#![allow(clippy::unwrap_used)] // a test
use kurier_core::idempotence::{Action, Verdict};
use kurier_core::wire::ErrorCode;
use kurier_tests::vectors::{id, lines};

/// `TransactionManager.maybeTransitionToErrorState` of Kafka 4.3: these exceptions are fatal, and no other.
const FATAL: [&str; 5] = [
    "ClusterAuthorizationException",
    "InvalidPidMappingException",
    "ProducerFencedException",
    "TransactionalIdAuthorizationException",
    "UnsupportedVersionException",
];

/// Final answers of a broker that has appended nothing, and where it decides so before the append.
const REFUSED: [(&str, &str); 24] = [
    // `KafkaApis.handleProduceRequest`: rights, and the form of the request.
    ("TOPIC_AUTHORIZATION_FAILED", "rights to the topic"),
    ("CLUSTER_AUTHORIZATION_FAILED", "rights to write with a producer id"),
    ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "rights to the transactional id"),
    ("INVALID_REQUEST", "the request's form"),
    ("UNSUPPORTED_VERSION", "the request's version"),
    ("UNSUPPORTED_COMPRESSION_TYPE", "`ProduceRequest.validateRecords`"),
    ("INVALID_REQUIRED_ACKS", "`ReplicaManager.appendRecords`"),
    // `ReplicaManager.appendToLocalLog` and `UnifiedLog.append`, before the segment is written to.
    ("INVALID_TOPIC_EXCEPTION", "an internal topic"),
    ("MESSAGE_TOO_LARGE", "`UnifiedLog.analyzeAndValidateRecords`"),
    ("RECORD_LIST_TOO_LARGE", "larger than a segment"),
    ("INVALID_RECORD", "`LogValidator`"),
    ("INVALID_TIMESTAMP", "`LogValidator`"),
    ("UNSUPPORTED_FOR_MESSAGE_FORMAT", "`LogValidator`"),
    ("POLICY_VIOLATION", "a policy of the topic"),
    // `ProducerAppendInfo`, before the segment is written to.
    ("OUT_OF_ORDER_SEQUENCE_NUMBER", "`checkSequence`"),
    ("UNKNOWN_PRODUCER_ID", "`checkSequence`"),
    ("INVALID_PRODUCER_EPOCH", "`checkProducerEpoch`"),
    ("PRODUCER_FENCED", "`checkProducerEpoch`"),
    // `AddPartitionsToTxnManager`, which comes before the append.
    ("INVALID_TXN_STATE", "the transaction is verified"),
    ("INVALID_PRODUCER_ID_MAPPING", "the transaction is verified"),
    ("TRANSACTION_ABORTABLE", "the transaction is verified"),
    // Of the connection: the request is not read.
    ("UNSUPPORTED_SASL_MECHANISM", "SASL"),
    ("ILLEGAL_SASL_STATE", "SASL"),
    ("SASL_AUTHENTICATION_FAILED", "SASL"),
];

/// The one that a broker with no security answers to what needs some.
const NO_SECURITY: &str = "SECURITY_DISABLED";

/// What Kafka's client takes for written.
const WRITTEN: [&str; 2] = ["NONE", "DUPLICATE_SEQUENCE_NUMBER"];

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

#[test]
fn vectors_errors_end_the_producer_exactly_when_kafkas_classes_do() {
    let mut fatal = 0;
    for line in lines("errors") {
        let code = ErrorCode(i16::try_from(line["code"].as_i64().unwrap()).unwrap());
        let ends = line["exception"].as_str().is_some_and(|exception| FATAL.contains(&exception));
        assert_eq!(Verdict::on(code).action == Action::FailProducer, ends, "{}: {code}", id(&line));
        fatal += usize::from(ends);
    }
    assert_eq!(fatal, FATAL.len());
}

#[test]
fn vectors_final_errors_say_that_nothing_was_written_only_where_a_broker_decides_before_the_append() {
    let mut refused = 0;
    for line in lines("errors") {
        let code = ErrorCode(i16::try_from(line["code"].as_i64().unwrap()).unwrap());
        let name = line["name"].as_str().unwrap();
        let verdict = Verdict::on(code);
        if verdict.is_retriable() || WRITTEN.contains(&name) {
            continue;
        }
        let before = name == NO_SECURITY || REFUSED.iter().any(|(known, _)| *known == name);
        assert_eq!(verdict.maybe_written, !before, "{}: {code}", id(&line));
        refused += usize::from(before);
    }
    assert_eq!(refused, REFUSED.len() + 1, "each of the list is one of Kafka's codes");
}
